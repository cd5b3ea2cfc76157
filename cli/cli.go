// Package cli holds what the command lines of all roles share: the parsing
// by kong, DMTCP's exit status for failures, its version text, and the
// options that published job scripts still carry although they mean nothing
// here.
package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// Legacy are options of older releases of DMTCP and MANA; they are accepted
// and have no effect.
type Legacy struct {
	MPI           bool   `name:"mpi" hidden:""`
	KernelLoader  bool   `hidden:""`
	IB            bool   `name:"ib" aliases:"infiniband,ib2tcp" hidden:""`
	BatchQueue    bool   `aliases:"rm" hidden:""`
	ExplicitSrun  bool   `hidden:""`
	Ptrace        bool   `hidden:""`
	DebugLogs     bool   `hidden:""`
	HBICT         bool   `name:"hbict" aliases:"no-hbict" hidden:""`
	WithPlugin    string `aliases:"with-plugin-32" hidden:""`
	CkptSignal    string `hidden:""`
	NoPlugins     bool   `aliases:"disable-all-plugins" hidden:""`
	DisablePlugin bool   `name:"disable-dl-plugin" aliases:"disable-alloc-plugin,disable-ssh-plugin,disable-event-plugin,disable-file-plugin,disable-pty-plugin,disable-socket-plugin,disable-svipc-plugin,disable-timer-plugin,disable-pid-plugin,disable-ipc-plugin" hidden:""`
	UseShadowlibs bool   `hidden:""`
	Timing        bool   `hidden:""`
	Verbose       bool   `hidden:""`
	GDB           bool   `name:"gdb" hidden:""`
	Pathvirt      bool   `hidden:""`
	Tmpdir        string `short:"t" hidden:""`
}

// Parser couples kong with a role's options.
type Parser struct {
	name string
	k    *kong.Kong
}

// New describes the command line of the tool called name by opts, a pointer
// to a struct in kong's notation.
func New(name, description string, opts any) (*Parser, error) {
	k, err := kong.New(opts, kong.Name(name), kong.Description(description), kong.NoDefaultHelp(),
		kong.WithHyphenPrefixedParameters(true), kong.Exit(func(int) {}))
	if err != nil {
		return nil, fmt.Errorf("command line of %s: %w", name, err)
	}
	return &Parser{name, k}, nil
}

// Parse fills the options from args. A variable that is set to nothing counts
// as not set.
func (p *Parser) Parse(args []string) error {
	for _, f := range p.k.Model.Flags {
		f.Envs = slices.DeleteFunc(f.Envs, func(name string) bool { return os.Getenv(name) == "" })
		f.Tag.Envs = f.Envs
	}
	_, err := p.k.Parse(args)
	return err
}

// Usage writes the help text.
func (p *Parser) Usage(w io.Writer) {
	p.k.Stdout = w
	ctx, err := kong.Trace(p.k, nil)
	if err == nil {
		err = ctx.PrintUsage(false)
	}
	if err != nil {
		fmt.Fprintln(w, err)
	}
}

// Die prints one line on stderr and returns the status to exit with.
func Die(name string, code int, err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	return code
}

// RCFile is the file through which mana_coordinator tells the other mana_*
// tools of the same job where it is.
func RCFile() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the coordinator's information file: %w", err)
	}
	if id := os.Getenv("SLURM_JOB_ID"); id != "" {
		return filepath.Join(home, ".mana-slurm-"+filepath.Base(id)+".rc"), nil
	}
	return filepath.Join(home, ".mana.rc"), nil
}

// ReadRC returns the host and port that the information file names.
func ReadRC() (host string, port int, err error) {
	path, err := RCFile()
	if err != nil {
		return "", 0, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", 0, fmt.Errorf("read the coordinator's information file: %w", err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "Host:":
			host = f[1]
		case "Port:":
			port, _ = strconv.Atoi(f[1])
		}
	}
	if host == "" || port == 0 {
		return "", 0, fmt.Errorf("%s names no host and port", path)
	}
	return host, port, nil
}
