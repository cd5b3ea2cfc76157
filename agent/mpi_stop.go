package agent

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mana/process"
	"mana/splitproc"
	"mana/task"
)

// How long the ranks may take to come out of MPI once they have converged, and
// to exchange their messages in flight. Both end by themselves in a healthy
// job; the bounds only turn a hang into an error.
const (
	quietTimeout = 30 * time.Second
	drainTimeout = 5 * time.Minute
)

// owner is the process that uses MPI: the program itself, or a child of the
// wrapper that the launcher was given.
func (m *mpiProgram) owner() int {
	if pid := atomic.LoadUint32(&m.ctl.Owner); pid != 0 {
		return int(pid)
	}
	return m.pid
}

// options adds to o what of the owner belongs to the lower half.
func (m *mpiProgram) options(o process.Options) process.Options {
	o.Exclude = append(o.Exclude, task.Range{Addr: splitproc.CtlAddr, Len: splitproc.CtlSize})
	if m.ctl.LowerTable != 0 {
		// Until a lower half is loaded the zone may be the program's: Go 1.26
		// puts its heap at a random place.
		o.Exclude = append(o.Exclude, task.Range{Addr: splitproc.ZoneLo, Len: splitproc.ZoneHi - splitproc.ZoneLo})
	}
	o.LowerFD = m.ctl.LowerFD
	known := map[int]bool{}
	m.ctl.EachThread(func(t *splitproc.Thread) { known[int(t.TID)] = true })
	o.ProgramThread = func(tid int) bool { return known[tid] }
	if m.ctl.LowerTable != 0 {
		o.SeccompFilters++ // the zone's
	}
	return o
}

// freeze stops the program at a moment when none of its threads is inside MPI.
// After convergence such a moment comes at once: whoever enters MPI parks.
func (m *mpiProgram) freeze(o process.Options) (*process.Frozen, error) {
	deadline := time.Now().Add(quietTimeout)
	m.tracing.Lock()
	defer m.tracing.Unlock()
	for {
		bell := m.ctl.Doorbell
		f, err := process.Freeze(m.owner(), m.options(o))
		if err != nil {
			return nil, err
		}
		busy := m.busy()
		if busy == nil {
			return f, nil
		}
		if _, err := f.Thaw(); err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("stop rank %d: %w for %v", m.rank, busy, quietTimeout)
		}
		// A thread that read `pending` just before it was set waits with an old
		// value of intr: make it look again.
		m.ctl.WakeIntr()
		m.ctl.WaitDoorbell(bell, time.Millisecond)
	}
}

// freezeOther stops another process of the rank: a wrapper, or a child. One
// that was forked and not yet executed another program has a copy of the lower
// half, which nothing uses; one of any kind may have inherited its descriptors.
func (m *mpiProgram) freezeOther(pid int, o process.Options) (*process.Frozen, error) {
	if splitproc.HasControl(pid) {
		own := m.options(o)
		o.Exclude = own.Exclude
	}
	if m.ctl.LowerTable != 0 {
		o.SeccompFilters++
	}
	o.LowerFD = func(fd int) bool { return m.inherited(pid, fd) }
	return process.Freeze(pid, o)
}

// inherited tells whether a descriptor of another process is the lower half's,
// inherited at a fork.
func (m *mpiProgram) inherited(pid, fd int) bool {
	if !m.ctl.LowerFD(fd) {
		return false
	}
	order, err := task.CompareFiles(m.owner(), fd, pid, fd)
	return err == nil && order == 0
}

// busy names a thread that is inside MPI; the program is stopped.
func (m *mpiProgram) busy() error {
	var busy error
	m.ctl.EachThread(func(t *splitproc.Thread) {
		if s := t.At(); s != splitproc.Out && s != splitproc.Parked {
			busy = fmt.Errorf("thread %d is inside MPI (state %d)", t.TID, s)
		}
	})
	return busy
}

// drain takes in the messages on their way to this rank: it runs the stub's
// drain function on the thread that initialised MPI. All ranks do so together.
func (m *mpiProgram) drain(f *process.Frozen) error {
	if m.ctl.State() != splitproc.Inited {
		return nil
	}
	if err := f.RunLower(); err != nil { // its progress threads may hold locks
		return err
	}
	return f.DoOn(int(m.ctl.MainTID), func(t *task.Task) error {
		rc, err := t.Call(m.ctl.FnDrain, m.ctl.CallStack, drainTimeout)
		if err != nil {
			return fmt.Errorf("drain the messages of rank %d: %w", m.rank, err)
		}
		return m.result("drain the messages", rc)
	})
}

// result turns what a function of the stub returned into an error.
func (m *mpiProgram) result(what string, rc uint64) error {
	if int64(rc) == 0 {
		return nil
	}
	reason := m.ctl.Err()
	if reason == "" {
		reason = fmt.Sprintf("code %d", int64(rc))
	}
	return fmt.Errorf("%s of rank %d: %w", what, m.rank, errors.New(reason))
}
