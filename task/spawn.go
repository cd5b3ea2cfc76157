package task

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Attr says how Spawn starts a program.
type Attr struct {
	Dir   string
	Files []uintptr // fds 0, 1, 2 … of the program; nil means this process' own 0, 1 and 2
	// DieWithParent sends SIGKILL to the program when the calling *thread* ends.
	DieWithParent bool
	Setsid        bool
	Setpgid       bool
	Pgid          int
	// Foreground makes the new process group the foreground one of terminal Ctty.
	Foreground bool
	Ctty       int
}

// SpawnTraced starts a program and returns it stopped right after its exec,
// before the first instruction (of ld.so or the program). The task was not
// seized but traced by PTRACE_TRACEME: Interrupt does not work on it.
func SpawnTraced(path string, argv, env []string, a Attr) (*Task, error) {
	files := a.Files
	if files == nil {
		files = []uintptr{0, 1, 2}
	}
	sys := &syscall.SysProcAttr{Ptrace: true, Setsid: a.Setsid, Setpgid: a.Setpgid, Pgid: a.Pgid,
		Foreground: a.Foreground, Ctty: a.Ctty}
	if a.DieWithParent {
		sys.Pdeathsig = syscall.SIGKILL
	}
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Dir: a.Dir, Env: env, Files: files, Sys: sys})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	t := &Task{TID: pid}
	s, err := t.WaitStop(time.Minute)
	if err == nil && (s.Kind != StopSignal || s.Signal != unix.SIGTRAP) {
		err = fmt.Errorf("unexpected %v", s)
	}
	if err == nil {
		err = ptrace(unix.PTRACE_SETOPTIONS, pid, 0, traceOptions)
	}
	if err != nil {
		unix.Kill(pid, unix.SIGKILL)
		await(pid, time.Second)
		return nil, fmt.Errorf("stop %s (process %d) at its exec: %w", path, pid, err)
	}
	return t, nil
}

// WaitAttached collects the first stop of a task made by Attached.
func (t *Task) WaitAttached(timeout time.Duration) error {
	s, err := t.WaitStop(timeout)
	if err != nil {
		return err
	}
	first := s.Kind == StopEvent && s.Event == unix.PTRACE_EVENT_STOP ||
		s.Kind == StopGroup || s.Kind == StopSignal && s.Signal == unix.SIGSTOP
	if s.Gone() {
		return fmt.Errorf("new task %d: %v: %w", t.TID, s, ErrGone)
	}
	if !first {
		return fmt.Errorf("new task %d: unexpected %v", t.TID, s)
	}
	return nil
}
