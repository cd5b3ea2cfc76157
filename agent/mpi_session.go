package agent

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"mana/drain"
	"mana/splitproc"
	"mana/task"
	"mana/wire"
)

// atStart are the descriptors that were there before anything of ours was opened.
var atStart = listInherited()

// inherited are those that the launcher of an MPI job handed down (PMI's socket
// among them). They go on to the program, as the lower half's.
func inherited() []int {
	return slices.DeleteFunc(slices.Clone(atStart), func(fd int) bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err != nil || flags&unix.FD_CLOEXEC != 0 // a leak, see closeLeaks
	})
}

func listInherited() []int {
	var fds []int
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil || fd < 3 {
			continue
		}
		// Go opens its own with O_CLOEXEC, and nobody else has run yet.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// newMPIProgram gives the program, stopped at its exec, its control page. It
// runs on the tracer's thread.
func newMPIProgram(t *task.Task, cfg *Config) (*mpiProgram, error) {
	ctl, err := splitproc.NewControl()
	if err != nil {
		return nil, err
	}
	if err := ctl.MapInto(t); err != nil {
		ctl.Close()
		return nil, err
	}
	for _, fd := range inherited() {
		ctl.MarkLowerFD(fd)
	}
	return &mpiProgram{pid: t.TID, rank: max(cfg.Rank, 0), nranks: max(cfg.NRanks, 1), ctl: ctl}, nil
}

// serve answers the program's requests for as long as it lives.
func (m *mpiProgram) serve(o splitproc.LowerOptions, warn func(string, ...any)) {
	// Beside the rest: a drain, while the program is traced, may load a part of the library.
	defer m.ctl.ServeCode(m.owner, func(err error) { warn("%v", err) })()
	for {
		bell := atomic.LoadUint32(&m.ctl.Doorbell)
		m.tracing.Lock()
		err := m.ctl.Answer(o)
		m.tracing.Unlock()
		if err != nil {
			warn("%v", err)
		}
		m.ctl.WaitDoorbell(bell, time.Second)
		if unix.Kill(m.pid, 0) != nil {
			return
		}
	}
}

// converging is the agent's side of a checkpoint's first phase.
type converging struct {
	c    *converger
	stop chan struct{}
	done chan struct{}
}

// startConverging announces the checkpoint to the program and begins to report
// its clocks.
func (a *agent) startConverging(m *mpiProgram, gen int) *converging {
	m.announce()
	v := &converging{stop: make(chan struct{}), done: make(chan struct{})}
	send := a.tell(v.stop)
	v.c = &converger{m: m, orders: make(chan drain.Order, 64), wishes: a.wishes}
	v.c.tell = func(stall, target string) {
		send(wire.New("PROGRESS", "gen", gen, "stall", stall, "target", target))
	}
	v.c.send = func(r drain.Report) {
		send(wire.New("CLOCKS", "gen", gen, "mpi", 1, "version", r.Version, "quiet", r.Quiet, "blocked", r.Blocked,
			"clocks", drain.FormatClocks(r.Clocks), "dropped", drain.FormatGIDs(r.Dropped)))
	}
	go func() {
		defer close(v.done)
		if err := v.c.run(v.stop); err != nil {
			send(wire.New("FAILED", "gen", gen, "reason", err.Error()))
		}
	}()
	return v
}

// obey passes an order of the coordinator on.
func (v *converging) obey(msg wire.Message) error {
	targets, err := drain.ParseTargets(msg.Get("targets"))
	if err != nil {
		return err
	}
	o := drain.Order{Version: uint64(max(0, msg.Int("version", 0))), Targets: targets, Release: msg.Int("release", 0),
		Collectives: msg.Bool("collectives")}
	select {
	case v.c.orders <- o:
	case <-v.done:
	}
	return nil
}

// end stops the reports; the program stays announced.
func (v *converging) end() {
	if v == nil {
		return
	}
	close(v.stop)
	<-v.done
}
