// Package agent is the process that stays beside a program for as long as it
// runs: it starts it, passes signals and its exit status through, follows the
// coordinator, and checkpoints and restores the program from outside.
package agent

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"mana/cli"
)

// NoCheckpoint is dmtcp_nocheckpoint: it runs a command that checkpoints are
// to leave out. There is nothing to take out of its environment or memory,
// so it simply becomes the command.
func NoCheckpoint(args []string) int {
	const usage = "Usage: dmtcp_nocheckpoint COMMAND [ARGS...]\nRun a command that checkpoints leave out.\n"
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 1
	}
	switch args[0] {
	case "--help", "-h":
		fmt.Print(usage)
		return 0
	case "--version":
		fmt.Print(cli.VersionText("dmtcp_nocheckpoint"))
		return 0
	}
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = syscall.Exec(path, args, os.Environ())
	}
	return cli.Die("dmtcp_nocheckpoint", cli.FailRC(), fmt.Errorf("run %s: %w", args[0], err))
}
