package task

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// StopKind says why a task stopped.
type StopKind int

const (
	StopSignal  StopKind = iota // a signal is about to be delivered
	StopEvent                   // PTRACE_EVENT_*
	StopGroup                   // SIGSTOP and friends stopped the process
	StopSyscall                 // syscall entry or exit
	StopExited                  // no longer there
	StopKilled
)

// Stop is one state change of a task.
type Stop struct {
	Kind   StopKind
	Signal unix.Signal
	Event  int    // PTRACE_EVENT_* for StopEvent
	Msg    uint64 // its message: the new task's id for clone and fork
	Status int    // exit status for StopExited
}

// Gone tells that there is no task any more.
func (s Stop) Gone() bool { return s.Kind == StopExited || s.Kind == StopKilled }

// WaitStatus is the end of the task as wait4 gives it.
func (s Stop) WaitStatus() unix.WaitStatus {
	if s.Kind == StopKilled {
		return unix.WaitStatus(s.Signal)
	}
	return unix.WaitStatus(s.Status << 8)
}

// GoneError tells how a task ended that was waited for. The wait has reaped
// it, so for a main thread this is the only trace of the process' end.
type GoneError struct {
	TID  int
	Stop Stop
}

func (e *GoneError) Error() string { return fmt.Sprintf("task %d: %v: %v", e.TID, e.Stop, ErrGone) }

// Unwrap makes it an ErrGone.
func (e *GoneError) Unwrap() error { return ErrGone }

func (s Stop) String() string {
	switch s.Kind {
	case StopExited:
		return fmt.Sprintf("exit with status %d", s.Status)
	case StopKilled:
		return fmt.Sprintf("death by %v", s.Signal)
	case StopEvent:
		return fmt.Sprintf("ptrace event %d", s.Event)
	case StopSyscall:
		return "syscall stop"
	case StopGroup:
		return fmt.Sprintf("job-control stop by %v", s.Signal)
	}
	return fmt.Sprintf("signal %v", s.Signal)
}

func (t *Task) decode(ws unix.WaitStatus) Stop {
	switch {
	case ws.Exited():
		return Stop{Kind: StopExited, Status: ws.ExitStatus()}
	case ws.Signaled():
		return Stop{Kind: StopKilled, Signal: ws.Signal()}
	}
	sig := ws.StopSignal()
	event := int(ws) >> 16
	switch {
	case event == unix.PTRACE_EVENT_STOP && isStopSignal(sig):
		return Stop{Kind: StopGroup, Signal: sig}
	case event != 0:
		msg, _ := getEventMsg(t.TID)
		return Stop{Kind: StopEvent, Signal: sig, Event: event, Msg: msg}
	case sig == unix.SIGTRAP|0x80:
		return Stop{Kind: StopSyscall}
	}
	return Stop{Kind: StopSignal, Signal: sig}
}

func isStopSignal(s unix.Signal) bool {
	return s == unix.SIGSTOP || s == unix.SIGTSTP || s == unix.SIGTTIN || s == unix.SIGTTOU
}
