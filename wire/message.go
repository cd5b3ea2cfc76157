// Package wire is the text protocol that the coordinator and its clients
// speak: one message per line, `VERB key=value …`, readable with netcat and
// described in docs/protocol.md. The parser makes no system calls.
package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxLine bounds one message, so that a peer cannot make the other side
// buffer without limit. A clock report of a rank with ten thousand
// communicators still fits.
const MaxLine = 1 << 20

// Arg is one key=value pair of a message.
type Arg struct{ Key, Value string }

// Message is one line of the protocol.
type Message struct {
	Verb string
	Args []Arg
}

// New builds a message from a verb and alternating keys and values; values
// may be strings, integers or booleans.
func New(verb string, pairs ...any) Message {
	m := Message{Verb: verb}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Args = append(m.Args, Arg{pairs[i].(string), text(pairs[i+1])})
	}
	return m
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
		return "0"
	default:
		return fmt.Sprint(v)
	}
}

// With returns the message with one more argument.
func (m Message) With(key string, value any) Message {
	args := make([]Arg, len(m.Args), len(m.Args)+1)
	copy(args, m.Args)
	m.Args = append(args, Arg{key, text(value)})
	return m
}

// Lookup reports the value of key and whether the message carries it.
func (m Message) Lookup(key string) (string, bool) {
	for _, a := range m.Args {
		if a.Key == key {
			return a.Value, true
		}
	}
	return "", false
}

// Get returns the value of key, empty when absent.
func (m Message) Get(key string) string {
	v, _ := m.Lookup(key)
	return v
}

// All returns every value of a key.
func (m Message) All(key string) []string {
	var out []string
	for _, a := range m.Args {
		if a.Key == key {
			out = append(out, a.Value)
		}
	}
	return out
}

// Int returns the value of key as a number, or def when it is absent or none.
func (m Message) Int(key string, def int) int {
	v, ok := m.Lookup(key)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return def
	}
	return n
}

// Ints returns the values of a repeated key that are numbers.
func (m Message) Ints(key string) []int {
	var all []int
	for _, a := range m.Args {
		if n, err := strconv.Atoi(a.Value); a.Key == key && err == nil {
			all = append(all, n)
		}
	}
	return all
}

// Bool reports whether key is present with the value 1.
func (m Message) Bool(key string) bool { return m.Get(key) == "1" }

// String renders the message as one line without its newline.
func (m Message) String() string {
	var b strings.Builder
	b.WriteString(m.Verb)
	for _, a := range m.Args {
		b.WriteByte(' ')
		b.WriteString(a.Key)
		b.WriteByte('=')
		if bare(a.Value) {
			b.WriteString(a.Value)
		} else {
			quote(&b, a.Value)
		}
	}
	return b.String()
}

// bare reports whether v needs no quotes: printable ASCII without blanks,
// quotes and backslashes. The empty value is written as nothing after '='.
func bare(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

const hexDigits = "0123456789abcdef"

func quote(b *strings.Builder, v string) {
	b.WriteByte('"')
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ' || c >= 0x7f:
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

var errSyntax = errors.New("malformed message")

// Parse reads one line, with or without its newline.
func Parse(line string) (Message, error) {
	line = strings.TrimRight(line, "\r\n")
	if len(line) > MaxLine {
		return Message{}, fmt.Errorf("%w: line of %d bytes", errSyntax, len(line))
	}
	verb, rest, _ := strings.Cut(line, " ")
	if !isVerb(verb) {
		return Message{}, fmt.Errorf("%w: bad verb in %q", errSyntax, clip(line))
	}
	m := Message{Verb: verb}
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		arg, tail, err := parseArg(rest)
		if err != nil {
			return Message{}, err
		}
		m.Args = append(m.Args, arg)
		rest = tail
	}
	return m, nil
}

func parseArg(s string) (Arg, string, error) {
	key, rest, ok := strings.Cut(s, "=")
	if !ok || !isKey(key) {
		return Arg{}, "", fmt.Errorf("%w: no key=value at %q", errSyntax, clip(s))
	}
	if strings.HasPrefix(rest, `"`) {
		v, tail, err := unquote(rest[1:])
		return Arg{key, v}, tail, err
	}
	v, tail, _ := strings.Cut(rest, " ")
	if !bare(v) {
		return Arg{}, "", fmt.Errorf("%w: value of %s needs quotes", errSyntax, key)
	}
	return Arg{key, v}, tail, nil
}

// unquote reads up to the closing quote and returns what follows it.
func unquote(s string) (value, tail string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if i+1 < len(s) && s[i+1] != ' ' {
				return "", "", fmt.Errorf("%w: text after closing quote", errSyntax)
			}
			return b.String(), s[i+1:], nil
		case c == '\\':
			n, ch, err := escape(s[i+1:])
			if err != nil {
				return "", "", err
			}
			b.WriteByte(ch)
			i += n
		case c < ' ' || c >= 0x7f:
			return "", "", fmt.Errorf("%w: raw byte %#x in quotes", errSyntax, c)
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("%w: no closing quote", errSyntax)
}

// escape decodes what follows a backslash and says how long it was.
func escape(s string) (int, byte, error) {
	switch {
	case s == "":
	case s[0] == '"' || s[0] == '\\':
		return 1, s[0], nil
	case s[0] == 'n':
		return 1, '\n', nil
	case s[0] == 'x' && len(s) >= 3:
		if n, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return 3, byte(n), nil
		}
	}
	return 0, 0, fmt.Errorf("%w: bad escape", errSyntax)
}

func isVerb(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != "" && len(s) <= 16
}

func isKey(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
