package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"mana/agent"
	"mana/cli"
)

const description = "Start a program under checkpoint control."

// Main runs the role under the given tool name.
func Main(name string, args []string) int {
	var o options
	p, status, over := cli.Open(cli.Tool{Name: name, Description: description, Status: cli.FailRC(), Out: os.Stdout, Prefix: "Invalid Argument"},
		&o, &o.Common, args)
	if over {
		return status
	}
	o.Note(p)
	if len(o.Command) > 0 && o.Command[0] == "--" {
		o.Command = o.Command[1:]
	}
	if len(o.Command) == 0 {
		fmt.Printf("%s(For help: %s --help)\n", cli.VersionText(name), name)
		if strings.HasPrefix(name, "mana") {
			return 1
		}
		return cli.FailRC()
	}
	if strings.HasPrefix(name, "mana") {
		return manaLaunch(name, &o)
	}
	return start(name, &o, cli.FailRC())
}

// start brings the program up; failure is the status for what goes wrong
// before it runs.
func start(name string, o *options, failure int) int {
	path, err := exec.LookPath(o.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		fmt.Fprintf(os.Stderr, "*** ERROR:  Executable to run w/ DMTCP appears not to be readable,\n***         or no such executable in path.\n\n%s\n", o.Command[0])
		return failure
	}
	dir, err := Directory(o.Ckptdir, true)
	if err != nil {
		return cli.Die(name, failure, err)
	}
	interval, err := o.Seconds()
	if err != nil {
		return cli.Die(name, failure, err)
	}
	place, err := o.Find()
	if err != nil {
		return cli.Die(name, failure, err)
	}
	cfg := agent.Config{Name: name, Dial: place.Dial, CkptDir: dir, Interval: interval, MTBF: o.MTBF, Rank: -1, Quiet: o.Quiet,
		Codec: o.Codec(), Keep: o.Keep, Settings: agent.Settings{UniqueNames: o.UniqueNames && !o.NoUniqueNames, ModifyEnv: o.ModifyEnv, Pathvirt: o.Pathvirt,
			OpenFiles: o.CkptOpenFiles, Overwrite: o.AllowOverwrite}}
	if o.MPI || o.KernelLoader || strings.HasPrefix(name, "mana") {
		cfg.Rank, cfg.NRanks = agent.RankFromEnv()
	}
	return agent.Launch(cfg, path, o.Command, agent.Environment(place.Host, place.Port))
}

func absolute(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("checkpoint directory: %w", err)
	}
	return abs, nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("checkpoint directory %s: %w", dir, err)
	}
	return nil
}
