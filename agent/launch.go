package agent

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"mana/coordinator"
	"mana/splitproc"
	"mana/task"
)

// Launch starts the program at path, joins the computation, supervises the
// program until it ends and returns its exit status.
func Launch(cfg Config, path string, argv, env []string) int {
	a := newAgent(cfg)
	// Orphans of the program come to the agent instead of to init, so that
	// ptrace reaches them and their ends are seen.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return a.die(fmt.Errorf("become subreaper: %w", err))
	}
	plan, err := splitproc.MakePlan(path, env)
	if err == nil {
		err = plan.Check(os.Environ())
	}
	if err != nil {
		return a.die(err)
	}
	// Whatever the tool's name: a rank that is taken for a program of its own
	// would be saved at another moment than its peers.
	if plan.ABI != splitproc.NoMPI && cfg.Rank < 0 {
		cfg.Rank, cfg.NRanks = RankFromEnv()
		a.cfg.Rank, a.cfg.NRanks = cfg.Rank, cfg.NRanks
	}
	if cfg.Rank >= 0 {
		closeLeaks()
	}
	if env, err = plan.Env(env); err != nil {
		return a.die(err)
	}
	var t *task.Task
	var mpi *mpiProgram
	err = a.tracer.Do(func() (err error) {
		t, err = task.SpawnTraced(path, argv, env, task.Attr{DieWithParent: true})
		if err != nil {
			return task.Explain(err)
		}
		if plan.ABI != splitproc.NoMPI {
			if mpi, err = newMPIProgram(t, &cfg); err != nil {
				t.Kill()
			}
		}
		return err
	})
	if err != nil {
		return a.die(err)
	}
	p := &program{pid: t.TID, name: progName(t.TID), upid: uniqueID(t.TID), dir: cfg.CkptDir, mpi: mpi}
	a.programs = []*program{p}
	// The program stands before its first instruction: nothing has happened
	// yet if the coordinator refuses.
	in, err := a.link.open(a.withInterval(a.join()))
	if err != nil {
		a.tracer.Do(t.Kill)
		return a.die(err)
	}
	a.joined(in)
	if err := a.watch(p); err != nil {
		a.tracer.Do(t.Kill)
		return a.die(err)
	}
	if err := a.tracer.Do(func() error { return t.Detach(0) }); err != nil {
		unix.Kill(p.pid, syscall.SIGKILL)
		return a.die(err)
	}
	if mpi != nil {
		go mpi.serve(splitproc.LowerOptions{Plan: plan, Env: os.Environ()}, a.warn)
	}
	return a.run()
}

// uniqueID identifies a process in image names for as long as it lives, also
// across restarts and checkpoints.
func uniqueID(pid int) string { return coordinator.UniqueID(pid) }

// Environment is what a program starts with: the agent's own, with the
// coordinator's place for a dmtcp_command that the program calls.
func Environment(host string, port int) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !ownVariable(kv) {
			env = append(env, kv)
		}
	}
	return append(env, "DMTCP_COORD_HOST="+host, fmt.Sprintf("DMTCP_COORD_PORT=%d", port))
}
