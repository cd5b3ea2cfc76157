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
	if err := a.launch(path, argv, env); err != nil {
		return a.die(err)
	}
	return a.run()
}

func (a *agent) launch(path string, argv, env []string) error {
	if err := adoptOrphans(); err != nil {
		return err
	}
	plan, err := splitproc.MakePlan(path, env)
	if err == nil {
		err = plan.Check(os.Environ())
	}
	if err != nil {
		return err
	}
	if err := preload(plan); err != nil {
		return err
	}
	// Whatever the tool's name: a rank that is taken for a program of its own
	// would be saved at another moment than its peers.
	if plan.ABI != splitproc.NoMPI && a.cfg.Rank < 0 {
		a.cfg.Rank, a.cfg.NRanks = RankFromEnv()
	}
	if a.cfg.Rank >= 0 {
		closeLeaks()
	}
	if env, err = plan.Env(env); err != nil {
		return err
	}
	t, mpi, err := a.spawn(plan, path, argv, env)
	if err != nil {
		return err
	}
	p := &program{pid: t.TID, name: progName(t.TID), upid: uniqueID(t.TID), dir: a.cfg.CkptDir, mpi: mpi}
	a.programs = []*program{p}
	if a.wishes != nil {
		a.tellPlace(1)
	}
	if err := a.enter(p); err != nil {
		a.tracer.Do(t.Kill)
		return err
	}
	if err := a.tracer.Do(func() error { return t.Detach(0) }); err != nil {
		unix.Kill(p.pid, syscall.SIGKILL)
		return err
	}
	if a.wishes != nil {
		go a.wishes.listen(p.pid)
	}
	if mpi != nil {
		go mpi.serve(splitproc.LowerOptions{Plan: plan, Env: os.Environ()}, a.warn)
	}
	return nil
}

// adoptOrphans makes orphans of the program come to the agent instead of to
// init, so that ptrace reaches them and their ends are seen.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	return nil
}

// spawn starts the program, which stands before its first instruction.
func (a *agent) spawn(plan *splitproc.Plan, path string, argv, env []string) (t *task.Task, mpi *mpiProgram, err error) {
	err = a.tracer.Do(func() (err error) {
		t, err = task.SpawnTraced(path, argv, env, task.Attr{DieWithParent: true})
		if err != nil {
			return task.Explain(err)
		}
		if plan.ABI != splitproc.NoMPI {
			mpi, err = newMPIProgram(t, &a.cfg)
		}
		if err == nil && plan.Preload != nil {
			if a.wishes, err = newWishes(); err == nil {
				err = a.wishes.board.MapInto(t)
			}
		}
		if err != nil {
			t.Kill()
		}
		return err
	})
	return t, mpi, err
}

// enter joins the computation with a program that stands still: nothing has
// happened yet if the coordinator refuses.
func (a *agent) enter(p *program) error {
	in, err := a.link.open(a.withInterval(a.join()))
	if err != nil {
		return err
	}
	a.joined(in)
	return a.watch(p)
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
