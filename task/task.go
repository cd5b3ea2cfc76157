package task

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrTimeout: the task did not stop in time.
	ErrTimeout = errors.New("timed out")
	// ErrGone: the task exited or was killed.
	ErrGone = errors.New("the task is gone")
)

// Task is one thread under control. Only the thread that made it may use it.
type Task struct {
	TID int

	gate    uint64 // a syscall instruction in the target
	scratch Range  // memory of the target that helpers may overwrite
	mem     *Memory
	seized  bool // PTRACE_SEIZE, not PTRACE_TRACEME or auto-attach to one

	loan     *loan       // the program's state while we borrow the task
	inSysc   bool        // stopped at a syscall-exit-stop
	deferred unix.Signal // a signal that arrived in the middle of a remote call
	bySysc   bool        // step by PTRACE_SYSCALL, see stepRequest
	stepSet  bool
	newTask  int  // task id reported by the last clone/fork event
	mortal   bool // see DieWithTracer
}

// Range is a piece of the target's address space.
type Range struct{ Addr, Len uint64 }

const traceOptions = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD

// Seize attaches to tid without stopping it.
func Seize(tid int) (*Task, error) {
	if err := ptrace(unix.PTRACE_SEIZE, tid, 0, traceOptions); err != nil {
		return nil, fmt.Errorf("attach to task %d: %w", tid, explainSeize(tid, err))
	}
	return &Task{TID: tid, seized: true}, nil
}

// explainSeize names another tracer, the usual reason of EPERM.
func explainSeize(tid int, err error) error {
	if tracer, e := TracerPID(tid); e == nil && tracer != 0 {
		return fmt.Errorf("process %d already traces it: %w", tracer, err)
	}
	return err
}

// TracerPID returns the process that traces a task, 0 if none.
func TracerPID(tid int) (int, error) {
	tracer, err := statusField(tid, "TracerPid")
	if err != nil || tracer == 0 {
		return 0, err
	}
	if pid, err := statusField(tracer, "Tgid"); err == nil {
		return pid, nil // the kernel names the tracing thread
	}
	return tracer, nil
}

func statusField(tid int, name string) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, err
	}
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", name, tid)
}

// Attached makes a Task of a clone or fork child that the kernel attached to
// this thread by itself because its parent is traced; it has a first stop to be
// collected by WaitStop. Gate and scratch are those of parent.
func Attached(tid int, parent *Task) *Task {
	return &Task{TID: tid, seized: parent.seized, gate: parent.gate, scratch: parent.scratch, mortal: parent.mortal}
}

// Interrupt asks a seized task to stop; WaitStop collects the stop.
func (t *Task) Interrupt() error {
	if err := ptrace(unix.PTRACE_INTERRUPT, t.TID, 0, 0); err != nil {
		return fmt.Errorf("interrupt task %d: %w", t.TID, err)
	}
	return nil
}

// WaitStop waits for the next stop, or the end, of the task.
func (t *Task) WaitStop(timeout time.Duration) (Stop, error) {
	ws, err := await(t.TID, timeout)
	if err != nil {
		return Stop{}, fmt.Errorf("wait for task %d: %w", t.TID, err)
	}
	t.inSysc = false
	return t.decode(ws), nil
}

// waitStep waits for the end of a step. A task that does not come back is stuck
// inside the kernel, where a timeout could not fetch it either.
func (t *Task) waitStep() (Stop, error) {
	ws, err := awaitBlocking(t.TID)
	if err != nil {
		return Stop{}, fmt.Errorf("wait for task %d: %w", t.TID, err)
	}
	t.inSysc = false
	return t.decode(ws), nil
}

// InterruptWait stops a seized task at a PTRACE_EVENT_STOP. Signals that arrive
// on the way are delivered to the program first: their handler's frame is then
// part of its state.
func (t *Task) InterruptWait(timeout time.Duration) (Stop, error) {
	if err := t.Interrupt(); err != nil {
		return Stop{}, err
	}
	return t.CollectStop(timeout, nil)
}

// CollectStop is the second half of InterruptWait, so that many tasks can be
// interrupted before the first is waited for. onEvent, if not nil, sees the
// ptrace events on the way.
func (t *Task) CollectStop(timeout time.Duration, onEvent func(Stop) error) (Stop, error) {
	deadline := time.Now().Add(timeout)
	for {
		s, err := t.WaitStop(time.Until(deadline))
		if err != nil {
			return s, err
		}
		switch {
		case s.Gone():
			return s, &GoneError{t.TID, s}
		case s.Kind == StopGroup, s.Kind == StopEvent && s.Event == unix.PTRACE_EVENT_STOP:
			return s, nil
		case s.Kind == StopSignal:
			err = t.Cont(s.Signal)
		default:
			if s.Kind == StopEvent && onEvent != nil {
				err = onEvent(s)
			}
			if e := t.Cont(0); err == nil {
				err = e
			}
		}
		if err == nil {
			// Any stop uses up the request for a PTRACE_EVENT_STOP (ptrace_stop in
			// the kernel clears JOBCTL_TRAP_STOP).
			err = t.Interrupt()
		}
		if err != nil {
			return s, err
		}
	}
}

// TakeFault delivers a signal that the kernel has raised for the program's last
// instruction but not yet delivered, and stops the task again at the first
// instruction of its handler. The task must be at a PTRACE_EVENT_STOP.
func (t *Task) TakeFault(timeout time.Duration) error {
	mask, err := t.SigMask()
	if err != nil {
		return err
	}
	queued, err := t.Pending(false)
	if err != nil {
		return err
	}
	for i := range queued {
		sig := queued[i].Signal()
		if !isFault(sig) || mask>>(sig-1)&1 == 1 {
			continue
		}
		if err := t.Cont(0); err != nil {
			return err
		}
		s, err := t.WaitStop(timeout)
		if err != nil {
			return err
		}
		if s.Gone() {
			return fmt.Errorf("task %d: %v: %w", t.TID, s, ErrGone)
		}
		if s.Kind != StopSignal {
			return fmt.Errorf("task %d: unexpected %v instead of %v", t.TID, s, sig)
		}
		if err := t.Cont(s.Signal); err != nil {
			return err
		}
		_, err = t.InterruptWait(timeout)
		return err
	}
	return nil
}

func isFault(s unix.Signal) bool {
	switch s {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGTRAP, unix.SIGSYS:
		return true
	}
	return false
}

// Cont gives the task back to the program, delivering sig if it is not 0.
func (t *Task) Cont(sig unix.Signal) error {
	if err := t.Return(); err != nil {
		return err
	}
	if err := ptrace(unix.PTRACE_CONT, t.TID, 0, uintptr(sig)); err != nil {
		return fmt.Errorf("continue task %d: %w", t.TID, err)
	}
	return nil
}

// Detach gives the task back to the program and ends the control over it.
func (t *Task) Detach(sig unix.Signal) error {
	err := t.Return()
	if e := ptrace(unix.PTRACE_DETACH, t.TID, 0, uintptr(sig)); e != nil && err == nil {
		err = fmt.Errorf("detach from task %d: %w", t.TID, e)
	}
	if t.deferred != 0 {
		unix.Kill(t.TID, t.deferred)
	}
	t.Forget()
	return err
}

// Forget releases what this side holds for a task that is gone or that
// somebody else detaches.
func (t *Task) Forget() {
	if t.mem != nil {
		t.mem.Close()
		t.mem = nil
	}
}

// DieWithTracer makes the kernel kill the task, and what it clones, when the
// tracing thread ends before it is detached.
func (t *Task) DieWithTracer() error {
	t.mortal = true
	if err := t.setOptions(traceOptions); err != nil {
		return fmt.Errorf("set ptrace options of task %d: %w", t.TID, err)
	}
	return nil
}

// OutliveTracer takes DieWithTracer back.
func (t *Task) OutliveTracer() error {
	t.mortal = false
	if err := t.setOptions(traceOptions); err != nil {
		return fmt.Errorf("set ptrace options of task %d: %w", t.TID, err)
	}
	return nil
}

func (t *Task) setOptions(options uintptr) error {
	if t.mortal {
		options |= unix.PTRACE_O_EXITKILL
	}
	return ptrace(unix.PTRACE_SETOPTIONS, t.TID, 0, options)
}

// Kill sends SIGKILL to the task's process.
func (t *Task) Kill() error { return unix.Kill(t.TID, unix.SIGKILL) }

// tkill sends a signal to a thread.
func tkill(tid int, sig unix.Signal) error {
	if _, _, e := unix.Syscall(unix.SYS_TKILL, uintptr(tid), uintptr(sig), 0); e != 0 {
		return e
	}
	return nil
}

// SetGate names a syscall instruction (0f 05) in the target.
func (t *Task) SetGate(addr uint64) { t.gate = addr }

// Gate returns the syscall instruction in use, looking for one if necessary.
func (t *Task) Gate() (uint64, error) {
	if t.gate != 0 {
		return t.gate, nil
	}
	g, err := findGate(t)
	t.gate = g
	return g, err
}

// SetScratch names memory of the target that helpers may overwrite.
func (t *Task) SetScratch(addr, size uint64) { t.scratch = Range{addr, size} }

// Scratch returns what SetScratch named.
func (t *Task) Scratch() Range { return t.scratch }

// Inherit takes gate and scratch of another task of the same process.
func (t *Task) Inherit(o *Task) {
	t.gate, t.scratch = o.gate, o.scratch
	t.bySysc, t.stepSet = o.bySysc, o.stepSet // signal dispositions are the process'
}

// NewTask is the id of the task reported by the last clone or fork event that
// a remote system call caused, 0 if none.
func (t *Task) NewTask() int { return t.newTask }
