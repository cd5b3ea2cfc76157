// Package cli holds what the command lines of all roles share: the parsing
// by kong, DMTCP's exit status for failures, its version text, and the
// options that published job scripts still carry although they mean nothing
// here.
package cli

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// Version is what the tools answer to --version. Scripts match the number as
// DMTCP's, whose command line this is.
const Version = "5.0"

// VersionText is the answer of the tool called name.
func VersionText(name string) string {
	return fmt.Sprintf("%s (DMTCP) %s\nmana: transparent checkpoint and restart, command-line compatible with DMTCP and MANA.\n", name, Version)
}

// DefaultPort is where a coordinator listens when nobody says otherwise.
const DefaultPort = 7779

// FailRC is the exit status for a failure of the tool itself, apart from
// those of the programs that it runs.
func FailRC() int {
	if n, err := strconv.Atoi(os.Getenv("DMTCP_FAIL_RC")); err == nil && n != 0 {
		return n
	}
	return 99
}

// Common are the flags of every tool.
type Common struct {
	Help    bool `help:"Print this help."`
	Version bool `help:"Print the version."`
}

// Tool describes a tool and what it does about a wrong command line.
type Tool struct {
	Name, Description string
	Status            int       // exit status then
	Out               io.Writer // where the reason and the usage go
	Prefix            string    // before the reason
}

// Parser couples kong with a tool's options.
type Parser struct {
	tool   Tool
	k      *kong.Kong
	unused []string // options given that have no effect here
}

// Open parses a tool's command line into opts, a pointer to a struct in kong's
// notation that embeds common. When help, the version or an error was all there
// is to say, over is true and status is what to exit with.
func Open(t Tool, opts any, common *Common, args []string) (p *Parser, status int, over bool) {
	p, err := newParser(t, opts)
	if err != nil {
		return nil, Die(t.Name, t.Status, err), true
	}
	if err := p.parse(args); err != nil {
		return p, p.Wrong(err), true
	}
	switch {
	case common.Help:
		p.usage(os.Stdout)
		return p, 0, true
	case common.Version:
		fmt.Print(VersionText(t.Name))
		return p, 0, true
	}
	return p, 0, false
}

func newParser(t Tool, opts any) (*Parser, error) {
	k, err := kong.New(opts, kong.Name(t.Name), kong.Description(t.Description), kong.NoDefaultHelp(),
		kong.WithHyphenPrefixedParameters(true), kong.Exit(func(int) {}))
	if err != nil {
		return nil, fmt.Errorf("command line of %s: %w", t.Name, err)
	}
	for _, f := range k.Model.Flags {
		if len(f.Aliases) > 0 && !f.Hidden {
			f.Help = strings.TrimSuffix(f.Help, ".") + "; also --" + strings.Join(f.Aliases, ", --") + "."
		}
	}
	return &Parser{tool: t, k: k}, nil
}

// parse fills the options from args. A variable that is set to nothing counts
// as not set.
func (p *Parser) parse(args []string) error {
	for _, f := range p.k.Model.Flags {
		f.Envs = slices.DeleteFunc(f.Envs, func(name string) bool { return os.Getenv(name) == "" })
		f.Tag.Envs = f.Envs
	}
	ctx, err := p.k.Parse(args)
	if err != nil {
		return err
	}
	for _, el := range ctx.Path {
		f := el.Flag
		if f == nil {
			continue
		}
		if last := args[len(args)-1]; f.Target.Kind() == reflect.String && f.Target.Len() == 0 && spells(f, last) {
			return fmt.Errorf("%s: expected a value", last)
		}
		if unused(f) {
			p.unused = append(p.unused, "--"+f.Name)
		}
	}
	return nil
}

// spells reports whether arg names the option.
func spells(f *kong.Flag, arg string) bool {
	name, long := strings.CutPrefix(arg, "--")
	return long && (name == f.Name || slices.Contains(f.Aliases, name)) || f.Short != 0 && arg == "-"+string(f.Short)
}

// Wrong says what is wrong with the command line, and how to do better.
func (p *Parser) Wrong(err error) int {
	fmt.Fprintf(p.tool.Out, "%s: %v\n", p.tool.Prefix, err)
	p.usage(p.tool.Out)
	return p.tool.Status
}

// NoteUnused tells, in one line, which of the given options have no effect.
func (p *Parser) NoteUnused() {
	if len(p.unused) > 0 {
		slices.Sort(p.unused)
		fmt.Fprintf(os.Stderr, "%s: no effect here: %s\n", p.tool.Name, strings.Join(slices.Compact(p.unused), ", "))
	}
}

// usage writes the help text.
func (p *Parser) usage(w io.Writer) {
	p.k.Stdout = w
	ctx, err := kong.Trace(p.k, nil)
	if err == nil {
		err = ctx.PrintUsage(false)
	}
	if err != nil {
		fmt.Fprintln(w, err)
	}
	var names []string
	for _, f := range p.k.Model.Flags {
		if f.Hidden {
			for _, name := range append([]string{f.Name}, f.Aliases...) {
				names = append(names, "--"+name)
			}
		}
	}
	if names != nil {
		fmt.Fprintf(w, "\nAccepted for the sake of older scripts, without effect:\n%s\n", fold(names, 78))
	}
}

// fold joins words by blanks into lines of at most width.
func fold(words []string, width int) string {
	var b strings.Builder
	n := 0
	for _, w := range words {
		switch {
		case n > 0 && n+1+len(w) > width:
			b.WriteByte('\n')
			n = 0
		case n > 0:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(w)
		n += len(w)
	}
	return b.String()
}

// Die prints one line on stderr and returns the status to exit with.
func Die(name string, code int, err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return code
}
