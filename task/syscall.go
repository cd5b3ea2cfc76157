package task

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// loan is what the program gets back when we stop borrowing its task.
type loan struct {
	regs Regs
	mask uint64
}

// Kernel-internal results of an interrupted system call (include/linux/errno.h).
const (
	ERESTARTSYS           = 512
	ERESTARTNOINTR        = 513
	ERESTARTNOHAND        = 514
	ERESTART_RESTARTBLOCK = 516
)

// stepMask blocks everything but the SIGTRAP that ends a step, which the kernel
// forces: forcing a blocked signal would reset its handler.
const stepMask = ^uint64(1 << (unix.SIGTRAP - 1))

// callMask lets in the signals that the kernel raises for an instruction.
const callMask = stepMask &^ uint64(1<<(unix.SIGSEGV-1)|1<<(unix.SIGBUS-1)|
	1<<(unix.SIGILL-1)|1<<(unix.SIGFPE-1)|1<<(unix.SIGSYS-1))

// borrow saves the program's registers and mask once per stop.
func (t *Task) borrow() error {
	if t.loan != nil {
		return nil
	}
	regs, err := t.Regs()
	if err != nil {
		return err
	}
	mask, err := t.SigMask()
	if err != nil {
		return err
	}
	if err := t.SetSigMask(stepMask); err != nil {
		return err
	}
	t.loan = &loan{regs, mask}
	return nil
}

// Return gives registers and signal mask back to the program; the task stays
// stopped. Cont and Detach do it by themselves.
func (t *Task) Return() error {
	l := t.loan
	if l == nil {
		return nil
	}
	if err := t.settle(l.regs); err != nil {
		return err
	}
	t.loan = nil
	if err := t.SetSigMask(l.mask); err != nil {
		return err
	}
	return t.SetRegs(l.regs)
}

// settle moves a task from a syscall-exit stop to one inside the delivery of
// signals, because only on the way out of the latter the kernel looks at
// -ERESTART* and decides, knowing the pending signals, whether the call is
// restarted or returns EINTR. A task that is not seized takes a SIGSTOP for that,
// which is then not delivered.
func (t *Task) settle(r Regs) error {
	if !t.inSysc || int64(r.Orig_rax) < 0 {
		return nil
	}
	if t.seized {
		if err := t.Interrupt(); err != nil {
			return err
		}
	} else if err := tkill(t.TID, unix.SIGSTOP); err != nil {
		return fmt.Errorf("stop task %d: %w", t.TID, err)
	}
	if err := ptrace(unix.PTRACE_CONT, t.TID, 0, 0); err != nil {
		return fmt.Errorf("continue task %d: %w", t.TID, err)
	}
	s, err := t.waitStep()
	if err == nil && s.Gone() {
		err = &GoneError{t.TID, s}
	}
	return err
}

// Syscall makes the task execute one system call and returns its result. It is
// repeated when something interrupts it.
func (t *Task) Syscall(nr uint64, args ...uint64) (uint64, error) {
	gate, err := t.Gate()
	if err != nil {
		return 0, err
	}
	if err := t.borrow(); err != nil {
		return 0, err
	}
	for {
		res, err := t.once(gate, nr, args)
		if err != nil {
			return 0, fmt.Errorf("remote system call %d in task %d: %w", nr, t.TID, err)
		}
		switch -int64(res) {
		case ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK:
			continue
		}
		if int64(res) < 0 && int64(res) >= -4095 {
			return res, unix.Errno(-int64(res))
		}
		return res, nil
	}
}

func (t *Task) once(gate, nr uint64, args []uint64) (uint64, error) {
	r := t.loan.regs
	r.Rip, r.Rax = gate, nr
	r.Orig_rax = ^uint64(0) // no restart of the interrupted call on the way
	slot := [6]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9}
	if len(args) > len(slot) {
		return 0, fmt.Errorf("%d arguments", len(args))
	}
	for i, a := range args {
		*slot[i] = a
	}
	if err := setRegs(t.TID, &r); err != nil {
		return 0, fmt.Errorf("set registers: %w", err)
	}
	t.newTask = 0
	if err := t.step(gate); err != nil {
		return 0, err
	}
	if err := getRegs(t.TID, &r); err != nil {
		return 0, fmt.Errorf("read registers: %w", err)
	}
	if r.Rip != gate+uint64(len(syscallInsn)) {
		return 0, fmt.Errorf("it did not take place: rip is %#x, not behind the gate %#x, rax %#x", r.Rip, gate, r.Rax)
	}
	return r.Rax, nil
}

// step runs the system call at the gate to its end.
func (t *Task) step(gate uint64) error {
	req := t.stepRequest()
	entered := false
	for {
		if err := ptrace(req, t.TID, 0, 0); err != nil {
			return fmt.Errorf("step: %w", err)
		}
		s, err := t.waitStep()
		if err != nil {
			return err
		}
		switch {
		case s.Gone():
			return &GoneError{t.TID, s}
		case s.Kind == StopEvent && s.Event != unix.PTRACE_EVENT_STOP:
			t.newTask = int(s.Msg)
			if s.Event == unix.PTRACE_EVENT_EXEC {
				return nil
			}
		case s.Kind == StopSyscall && entered:
			t.inSysc = true
			return nil
		case s.Kind == StopSyscall:
			entered = true
		case s.Kind == StopSignal && s.Signal == unix.SIGTRAP:
			if r, err := t.rawRegs(); err != nil || r.Rip != gate {
				return err
			}
			t.deferred = unix.SIGTRAP // somebody sent it, before the step
		case s.Kind == StopSignal && s.Signal == unix.SIGSTOP:
			t.deferred = unix.SIGSTOP
		case s.Kind == StopSignal:
			return fmt.Errorf("%v at the gate %#x", s, gate)
		}
	}
}

// rawRegs are the registers as they are, not those of the program.
func (t *Task) rawRegs() (Regs, error) {
	var r Regs
	if err := getRegs(t.TID, &r); err != nil {
		return r, fmt.Errorf("read registers of task %d: %w", t.TID, err)
	}
	return r, nil
}

// StepInsn lets the program execute one instruction, with its signals blocked,
// and returns its registers then.
func (t *Task) StepInsn() (Regs, error) {
	if err := t.borrow(); err != nil {
		return Regs{}, err
	}
	if err := setRegs(t.TID, &t.loan.regs); err != nil {
		return Regs{}, fmt.Errorf("set registers of task %d: %w", t.TID, err)
	}
	if err := ptrace(unix.PTRACE_SINGLESTEP, t.TID, 0, 0); err != nil {
		return Regs{}, fmt.Errorf("step task %d: %w", t.TID, err)
	}
	s, err := t.waitStep()
	if err == nil && s.Gone() {
		err = &GoneError{t.TID, s}
	}
	if err == nil && s.Kind == StopSignal && s.Signal == unix.SIGSTOP {
		t.deferred = unix.SIGSTOP
	}
	if err != nil {
		return Regs{}, err
	}
	r, err := t.rawRegs()
	if err == nil {
		t.loan.regs = r
	}
	return r, err
}

// StepBySyscall makes further remote calls use PTRACE_SYSCALL: the next of them
// will ignore SIGTRAP.
func (t *Task) StepBySyscall() { t.bySysc, t.stepSet = true, true }

// stepRequest chooses how to step. PTRACE_SINGLESTEP needs one stop per call
// but ends in a forced SIGTRAP, which resets the disposition of a program that
// ignores SIGTRAP; there PTRACE_SYSCALL with its two stops is used.
func (t *Task) stepRequest() int {
	if !t.stepSet {
		t.stepSet = true
		t.bySysc = ignoresTrap(t.TID)
	}
	if t.bySysc {
		return unix.PTRACE_SYSCALL
	}
	return unix.PTRACE_SINGLESTEP
}

func ignoresTrap(tid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return false
	}
	for _, l := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, "SigIgn:"); ok {
			m, _ := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
			return m&(1<<(unix.SIGTRAP-1)) != 0
		}
	}
	return false
}
