package task

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Execve makes the task execute another program and leaves it stopped right
// after the exec. Gate and scratch memory are gone with the old program.
func (t *Task) Execve(path string, argv, env []string) error {
	b := cstring(path)
	var ptrs []byte
	for _, list := range [][]string{argv, env} {
		for _, s := range list {
			ptrs = binary.LittleEndian.AppendUint64(ptrs, t.scratch.Addr+uint64(len(b)))
			b = append(b, cstring(s)...)
		}
		ptrs = binary.LittleEndian.AppendUint64(ptrs, 0)
	}
	at := (uint64(len(b)) + 15) &^ 15 // where withIn puts the second buffer
	envp := t.scratch.Addr + at + uint64(len(argv)+1)*8
	_, err := t.withIn(unix.SYS_EXECVE, func(p []uint64) []uint64 { return []uint64{p[0], p[1], envp} }, b, ptrs)
	// At the exec event the call has no result yet; the event's message, the
	// thread's number, tells that it took place.
	if err != nil && t.newTask == 0 {
		return fmt.Errorf("execute %s in task %d: %w", path, t.TID, err)
	}
	t.loan, t.gate, t.scratch = nil, 0, Range{}
	t.stepSet = false
	t.Forget() // /proc/PID/mem is the old program's
	return t.leaveExec()
}

// leaveExec goes on from the exec event, which is in the middle of the call, to
// its end: before that the kernel would still write the result to rax.
func (t *Task) leaveExec() error {
	if err := ptrace(unix.PTRACE_SYSCALL, t.TID, 0, 0); err != nil {
		return fmt.Errorf("continue task %d: %w", t.TID, err)
	}
	s, err := t.WaitStop(time.Minute)
	if err == nil && s.Kind != StopSyscall {
		err = fmt.Errorf("task %d: unexpected %v after its exec", t.TID, s)
	}
	return err
}

// Reap waits for the end of a task that was killed.
func (t *Task) Reap(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for {
		s, err := t.WaitStop(time.Until(deadline))
		if err != nil || s.Gone() {
			return err
		}
	}
}

// CopyIn writes data into the memory of another process like WriteMem, but to
// writable pages only, from any thread, and returns how much it wrote.
func CopyIn(pid int, addr uint64, data []byte) (int, error) {
	const piece = 1 << 20
	done := 0
	for done < len(data) {
		b := data[done:min(done+piece, len(data))]
		n, err := processVM(unix.SYS_PROCESS_VM_WRITEV, pid, addr+uint64(done), b)
		if err == nil && n == 0 {
			err = unix.EFAULT
		}
		if err != nil {
			return done, fmt.Errorf("write %d bytes at %#x of process %d: %w", len(b), addr+uint64(done), pid, err)
		}
		done += n
	}
	return done, nil
}

// Capset is capset(2) with its two structures.
func (t *Task) Capset(header, data []byte) error {
	_, err := t.withIn(unix.SYS_CAPSET, func(p []uint64) []uint64 { return p }, header, data)
	return err
}

// ExitGroup ends the task's process and waits for its end.
func (t *Task) ExitGroup(status int) error {
	if _, err := t.Syscall(unix.SYS_EXIT_GROUP, uint64(status)); !errors.Is(err, ErrGone) {
		return fmt.Errorf("task %d did not exit: %w", t.TID, err)
	}
	return nil
}

// EndBy ends the task's process by a signal and waits for its end.
func (t *Task) EndBy(sig unix.Signal) error {
	if err := t.SetSigMask(0); err != nil {
		return err
	}
	// The signal waits for the task, which has not run since: it arrives first.
	if err := tkill(t.TID, sig); err != nil {
		return fmt.Errorf("send %v to task %d: %w", sig, t.TID, err)
	}
	if err := t.Cont(0); err != nil && !errors.Is(err, unix.ESRCH) { // SIGKILL does not wait
		return err
	}
	for {
		s, err := t.WaitStop(5 * time.Second)
		if err != nil || s.Gone() {
			return err
		}
		deliver := unix.Signal(0)
		if s.Kind == StopSignal && s.Signal == sig {
			deliver = sig
		}
		if err := t.Cont(deliver); err != nil {
			return err
		}
	}
}
