// Command mana checkpoints and restarts MPI jobs and ordinary programs. It is
// one binary with many names: dmtcp_coordinator, dmtcp_launch, dmtcp_restart,
// dmtcp_command, mana_coordinator, mana_launch, mana_restart, mana_status,
// mana_inspect, mana_doctor, or `mana <role>`.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"mana/agent"
	"mana/command"
	"mana/coordinator"
	"mana/doctor"
	"mana/inspect"
	"mana/launch"
	"mana/pidns"
	"mana/restart"
)

// A child's parent-death signal fires when the *thread* that made it ends, so
// whoever starts programs must do so from the main thread, which lasts.
func init() { runtime.LockOSThread() }

const usage = `usage: mana <role> [options]
roles: coordinator, launch, restart, command, status, inspect, doctor,
nocheckpoint
Each is also installed under its own names: dmtcp_coordinator, dmtcp_launch,
dmtcp_restart, dmtcp_command, mana_coordinator, mana_launch, mana_restart,
mana_status, mana_inspect, mana_doctor.
`

func main() {
	pidns.Enter()
	name := filepath.Base(os.Args[0])
	os.Exit(run(name, os.Args[1:]))
}

func run(name string, args []string) int {
	switch strings.TrimSuffix(name, ".py") {
	case "dmtcp_launch", "mana_launch":
		return launch.Main(name, args)
	case "dmtcp_restart", "mana_restart":
		return restart.Main(name, args)
	case "dmtcp_coordinator", "mana_coordinator", "mana_start_coordinator":
		return coordinator.Main(name, args)
	case "dmtcp_command":
		return command.Main(name, args)
	case "mana_status":
		return command.StatusMain(name, args)
	case "mana_doctor":
		return doctor.Main(name, args)
	case "mana_inspect":
		return inspect.Main(name, args)
	case "dmtcp_nocheckpoint":
		return agent.NoCheckpoint(args)
	}
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 1
	}
	role := args[0]
	switch role {
	case "coordinator", "launch", "restart":
		return run("dmtcp_"+role, args[1:])
	case "command", "nocheckpoint":
		return run("dmtcp_"+role, args[1:])
	case "status", "inspect", "doctor":
		return run("mana_"+role, args[1:])
	case "--version", "version":
		fmt.Println("mana")
		return 0
	case "--help", "-h", "help":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprintf(os.Stderr, "mana: no role is called %q\n%s", role, usage)
	return 1
}
