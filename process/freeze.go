package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
	"mana/tcp"
)

// Options say what of a process is a checkpoint's business.
type Options struct {
	// Exclude are address ranges that are neither saved nor described: the zone of
	// the lower half and the control page.
	Exclude []task.Range
	// LowerFD tells whether a descriptor is the lower half's at the moment of the
	// question, which may open more of them until the process is stopped and while
	// its messages are drained. nil: none is.
	LowerFD func(fd int) bool
	// ProgramThread tells whether a thread is known to belong to the program. Any
	// other thread whose fs base lies in an excluded range belongs to the lower
	// half: it is stopped but not saved. nil: all are the program's.
	ProgramThread func(tid int) bool
	// SeccompFilters is how many filters the agent installed in the process; a
	// program with more of them has its own and is refused.
	SeccompFilters int
	// Full saves unmodified pages of private file mappings too.
	Full bool
	// OpenFiles saves the contents of the user's open files too.
	OpenFiles bool
	// NoFork saves from the stopped process itself instead of from a
	// copy-on-write child.
	NoFork bool
	// Children says that the program's children are checkpointed with it.
	Children bool
	// Timeout bounds how long to wait for all threads to stop, default 10 s.
	Timeout time.Duration
}

func (o *Options) excluded(addr uint64) bool {
	return slices.ContainsFunc(o.Exclude, func(r task.Range) bool { return addr >= r.Addr && addr-r.Addr < r.Len })
}

func (o *Options) lowerFD(fd int) bool { return o.LowerFD != nil && o.LowerFD(fd) }

// Frozen is a process all of whose threads are stopped. Thaw lets it go on; a
// Frozen that is dropped without Thaw or whose agent dies lets it go on too.
//
// The order of a checkpoint is Freeze, (Do: quiesce MPI), Snapshot, Thaw, then
// image.Write of the snapshot and its Close. With Options.NoFork the snapshot is
// the stopped process itself: there Thaw comes last.
//
// All methods may be called from any goroutine, but one at a time.
type Frozen struct {
	PID int

	opts    Options
	tracer  *task.Tracer
	threads []*thread // program's and lower half's, the leader first
	since   time.Time
	own     task.Range // our scratch memory in the process
	seccomp int
	holds   int  // users of tracer: this Frozen and its snapshots
	settled bool // clearHazards has been here
	thawed  bool
	// traffic are the TCP sockets, by inode, that Traffic.Settle has seen.
	traffic map[uint64]*tcp.Socket
}

// thread is one stopped thread.
type thread struct {
	*task.Task
	stop    task.Stop
	lower   bool // belongs to the lower half
	running bool // let run by RunLower
}

// Freeze stops all threads of the process whose leader is pid. It says what
// stands against it, and then the process runs on untouched.
func Freeze(pid int, o Options) (*Frozen, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if err := precheck(pid, &o); err != nil {
		return nil, err
	}
	f := &Frozen{PID: pid, opts: o, tracer: task.NewTracer(), holds: 1, since: time.Now()}
	err := f.tracer.Do(f.freeze)
	if err != nil {
		f.Thaw()
		return nil, fmt.Errorf("stop process %d: %w", pid, err)
	}
	return f, nil
}

func (f *Frozen) freeze() error {
	deadline := f.since.Add(f.opts.Timeout)
	if err := f.stopAll(deadline); err != nil {
		return err
	}
	// Only now nothing can change any more.
	if err := checkChildren(f.PID, &f.opts); err != nil {
		return err
	}
	slices.SortStableFunc(f.threads, func(a, b *thread) int {
		if (a.TID == f.PID) != (b.TID == f.PID) {
			if a.TID == f.PID {
				return -1
			}
			return 1
		}
		return a.TID - b.TID
	})
	if len(f.threads) == 0 || f.threads[0].TID != f.PID {
		return refuse(f.PID, "has lost its main thread")
	}
	if err := f.clearHazards(deadline); err != nil {
		return err
	}
	return f.mapScratch()
}

// stopAll interrupts every thread before it waits for the first, and starts over
// as long as new threads turn up.
func (f *Frozen) stopAll(deadline time.Time) error {
	for {
		fresh, err := f.seizeNew()
		if err != nil || len(fresh) == 0 {
			return err
		}
		for _, t := range fresh {
			if err := f.collect(t, deadline); err != nil {
				return err
			}
		}
	}
}

// seizeNew attaches to the threads that are not yet known.
func (f *Frozen) seizeNew() ([]*thread, error) {
	tids, err := tasks(f.PID)
	if err != nil {
		return nil, err
	}
	var fresh []*thread
	for _, tid := range tids {
		if slices.ContainsFunc(f.threads, func(t *thread) bool { return t.TID == tid }) {
			continue
		}
		t, err := f.attach(tid)
		if err != nil {
			return nil, err
		}
		if t != nil {
			fresh = append(fresh, t)
			f.threads = append(f.threads, t)
		}
	}
	return fresh, nil
}

// attach seizes a thread, or takes over one that the kernel attached to us when
// a thread we had already seized created it. A thread that ended meanwhile
// gives nil.
func (f *Frozen) attach(tid int) (*thread, error) {
	k, err := task.Seize(tid)
	if err == nil {
		if err := k.Interrupt(); err != nil && !gone(tid) {
			return nil, err
		}
		return &thread{Task: k}, nil
	}
	if p, e := task.TracerPID(tid); e == nil && p == os.Getpid() && len(f.threads) > 0 {
		return &thread{Task: task.Attached(tid, f.threads[0].Task)}, nil
	}
	if gone(tid) {
		return nil, nil
	}
	return nil, err
}

// gone tells whether a task has ended, be it still unreaped.
func gone(tid int) bool {
	st, err := status(tid, "")
	return err != nil || strings.HasPrefix(st["State"], "Z") || strings.HasPrefix(st["State"], "X")
}

// collect waits until t is stopped; a thread that ends instead is forgotten.
func (f *Frozen) collect(t *thread, deadline time.Time) error {
	for {
		s, err := t.CollectStop(time.Until(deadline), f.onEvent)
		switch {
		case err == nil:
			t.stop = s
			return nil
		case t.TID != f.PID && gone(t.TID):
			t.Forget()
			f.threads = slices.DeleteFunc(f.threads, func(x *thread) bool { return x == t })
			return nil
		default:
			return err
		}
	}
}

// onEvent sees what a thread does before its stop is reached. A process that it
// forks gets attached to us: let that one go at once (a vfork ends only then).
func (f *Frozen) onEvent(s task.Stop) error {
	switch s.Event {
	case unix.PTRACE_EVENT_EXEC:
		return fmt.Errorf("it is just executing another program; try again")
	case unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_CLONE:
		child := int(s.Msg)
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", f.PID, child)); err == nil {
			return nil // a thread: seizeNew finds it
		}
		k := task.Attached(child, f.threads[0].Task)
		if err := k.WaitAttached(time.Second); err == nil {
			return k.Detach(0)
		}
	}
	return nil
}

// Do runs fn on the thread that controls the process; leader is its main thread,
// with scratch memory set. MPI is quiesced in it, by leader.Call.
func (f *Frozen) Do(fn func(leader *task.Task) error) error {
	return f.tracer.Do(func() error { return fn(f.threads[0].Task) })
}

// DoOn is Do with the thread tid instead of the main thread.
func (f *Frozen) DoOn(tid int, fn func(t *task.Task) error) error {
	i := slices.IndexFunc(f.threads, func(t *thread) bool { return t.TID == tid })
	if i < 0 {
		return fmt.Errorf("process %d has no thread %d", f.PID, tid)
	}
	return f.tracer.Do(func() error { return fn(f.threads[i].Task) })
}

// Threads lists the ids of the program's own threads, the leader first.
func (f *Frozen) Threads() []int {
	var ids []int
	for _, t := range f.threads {
		if !t.lower {
			ids = append(ids, t.TID)
		}
	}
	return ids
}

// Memory is the memory of the stopped process.
func (f *Frozen) Memory() *task.Memory { return &task.Memory{PID: f.PID} }

// Thaw lets the process go on exactly where it was and tells how long it stood.
// It may be called more than once.
func (f *Frozen) Thaw() (time.Duration, error) {
	if f.thawed {
		return 0, nil
	}
	f.thawed = true
	err := f.tracer.Do(f.thaw)
	stall := time.Since(f.since)
	f.release()
	if err != nil {
		return stall, fmt.Errorf("continue process %d: %w", f.PID, err)
	}
	return stall, nil
}

// thaw detaches every thread, whatever goes wrong with one of them.
func (f *Frozen) thaw() error {
	first := f.stopLower() // a running thread cannot be detached
	if err := f.unmapScratch(); first == nil {
		first = err
	}
	for i := len(f.threads) - 1; i >= 0; i-- {
		t := f.threads[i]
		if !f.settled { // a Freeze that failed half-way
			hideStopOf(t)
		}
		if err := t.Detach(0); err != nil && first == nil && !gone(t.TID) {
			first = err
		}
	}
	return first
}

// release drops one hold on the tracer.
func (f *Frozen) release() {
	if f.holds--; f.holds == 0 {
		f.tracer.Close()
	}
}

// stopLower stops the threads of the lower half, which run while MPI is
// quiesced.
func (f *Frozen) stopLower() error {
	deadline := time.Now().Add(f.opts.Timeout)
	for _, t := range f.threads {
		if t.running {
			if err := t.Interrupt(); err != nil && !gone(t.TID) {
				return err
			}
		}
	}
	for _, t := range slices.Clone(f.threads) {
		if t.running {
			if err := f.collect(t, deadline); err != nil {
				return err
			}
			t.running = false
		}
	}
	return nil
}

// RunLower lets the threads of the lower half run until the Snapshot: the MPI
// library may need them while it is quiesced.
func (f *Frozen) RunLower() error {
	return f.tracer.Do(func() error {
		for _, t := range f.threads {
			if t.lower && !t.running {
				if err := t.Cont(0); err != nil {
					return err
				}
				t.running = true
			}
		}
		return nil
	})
}
