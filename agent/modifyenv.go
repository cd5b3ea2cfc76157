package agent

import (
	"fmt"
	"slices"
	"strings"
)

// envChange is one entry of an environment file.
type envChange struct {
	name, value string
	unset       bool
}

// parseEnvFile reads DMTCP's dmtcp_env.txt: NAME=VALUE sets a variable, NAME
// alone removes it, # begins a comment, blanks separate entries unless they
// are in double quotes, a backslash quotes as in C, and $WORD is the value
// that lookup knows. It returns the function that makes the changes.
func parseEnvFile(text string, lookup func(string) (string, bool)) (func([]string) []string, error) {
	var changes []envChange
	for n, line := range strings.Split(text, "\n") {
		p := envLine{rest: line, lookup: lookup}
		for p.next() {
			if p.entry.name == "" {
				p.err = fmt.Errorf("a value without a name")
				break
			}
			changes = append(changes, p.entry)
		}
		if p.err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, p.err)
		}
	}
	return func(env []string) []string {
		env = slices.Clone(env)
		for _, c := range changes {
			env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, c.name+"=") })
			if !c.unset {
				env = append(env, c.name+"="+c.value)
			}
		}
		return env
	}, nil
}

// envLine takes the entries of one line apart.
type envLine struct {
	rest   string
	lookup func(string) (string, bool)
	entry  envChange
	err    error
}

// cEscapes are the letters that a backslash turns into something else.
var cEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v'}

// next parses the next entry and reports whether there was one.
func (p *envLine) next() bool {
	p.rest = strings.TrimLeft(p.rest, " \t\r")
	if p.rest == "" || p.rest[0] == '#' {
		return false
	}
	p.entry = envChange{unset: true}
	var b strings.Builder
	quoted := false
	for p.rest != "" {
		c := p.rest[0]
		if !quoted && strings.IndexByte(" \t\r#", c) >= 0 {
			break
		}
		p.rest = p.rest[1:]
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\\' && p.rest != "":
			e := p.rest[0]
			p.rest = p.rest[1:]
			if x, ok := cEscapes[e]; ok {
				e = x
			}
			b.WriteByte(e)
		case c == '$':
			value, _ := p.lookup(p.word())
			b.WriteString(value)
		case c == '=' && p.entry.unset:
			p.entry.name, p.entry.unset = b.String(), false
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		p.err = fmt.Errorf("a quote is not closed")
		return false
	}
	if p.entry.unset {
		p.entry.name = b.String()
	} else {
		p.entry.value = b.String()
	}
	return true
}

// word takes letters, digits and underscores off the line.
func (p *envLine) word() string {
	n := strings.IndexFunc(p.rest, func(c rune) bool {
		return !(c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	})
	if n < 0 {
		n = len(p.rest)
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w
}
