package task

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// returnTrap is where a called function returns to: the guard page above the
// 47-bit user address space. Nothing is ever mapped there, so the return ends
// in a SIGSEGV at exactly this address.
const returnTrap = 0x7ffffffff000

// Call makes the task call the function at fn with up to six integer arguments
// on the given stack (its highest address) and returns what it returned. All
// registers, including the vector state, are afterwards as before. The
// program's signals stay blocked meanwhile; those that the function itself
// lets in are delivered.
func (t *Task) Call(fn, stack uint64, timeout time.Duration, args ...uint64) (uint64, error) {
	if err := t.borrow(); err != nil {
		return 0, err
	}
	xs, err := t.XState()
	if err != nil {
		return 0, err
	}
	// Threads and processes that the function starts are not ours to stop.
	if err := t.setOptions(unix.PTRACE_O_TRACESYSGOOD); err != nil {
		return 0, fmt.Errorf("call function %#x in task %d: set options: %w", fn, t.TID, err)
	}
	if err := setSigMask(t.TID, callMask); err != nil {
		return 0, fmt.Errorf("write signal mask of task %d: %w", t.TID, err)
	}
	res, err := t.call(fn, stack, time.Now().Add(timeout), args)
	if e := setSigMask(t.TID, stepMask); e != nil && err == nil {
		err = fmt.Errorf("write signal mask of task %d: %w", t.TID, e)
	}
	if e := t.setOptions(traceOptions); e != nil && err == nil {
		err = fmt.Errorf("set options: %w", e)
	}
	if e := t.SetXState(xs); e != nil && err == nil {
		err = e
	}
	// The function may have slept and so overwritten the kernel's note of how to
	// go on with the program's interrupted sleep.
	t.loan.regs = Afresh(t.TrueCall(t.loan.regs))
	if err != nil {
		return 0, fmt.Errorf("call function %#x in task %d: %w", fn, t.TID, err)
	}
	return res, nil
}

// RestartNoHand is -ERESTARTNOHAND as rax holds it.
const RestartNoHand = ^uint64(ERESTARTNOHAND - 1)

func (t *Task) call(fn, stack uint64, deadline time.Time, args []uint64) (uint64, error) {
	sp := stack&^15 - 8 // as if a call had pushed the return address
	if err := t.WriteUint64(sp, returnTrap); err != nil {
		return 0, err
	}
	r := t.loan.regs
	r.Rip, r.Rsp, r.Rax, r.Rbp = fn, sp, 0, 0
	r.Orig_rax = ^uint64(0)
	r.Eflags &^= 1 << 10 // the ABI wants the direction flag clear
	slot := [6]*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.Rcx, &r.R8, &r.R9}
	if len(args) > len(slot) {
		return 0, fmt.Errorf("%d arguments", len(args))
	}
	for i, a := range args {
		*slot[i] = a
	}
	if err := setRegs(t.TID, &r); err != nil {
		return 0, fmt.Errorf("set registers: %w", err)
	}
	return t.runToTrap(deadline)
}

func (t *Task) runToTrap(deadline time.Time) (uint64, error) {
	var deliver unix.Signal
	for {
		if err := ptrace(unix.PTRACE_CONT, t.TID, 0, uintptr(deliver)); err != nil {
			return 0, fmt.Errorf("continue: %w", err)
		}
		deliver = 0
		s, err := t.WaitStop(time.Until(deadline))
		if err != nil {
			t.haltCall()
			return 0, err
		}
		switch {
		case s.Gone():
			return 0, &GoneError{t.TID, s}
		case s.Kind == StopSignal && s.Signal == unix.SIGSTOP:
			t.deferred = unix.SIGSTOP
		case s.Kind == StopSignal:
			var r Regs
			if err := getRegs(t.TID, &r); err != nil {
				return 0, fmt.Errorf("read registers: %w", err)
			}
			if s.Signal == unix.SIGSEGV && r.Rip == returnTrap {
				return r.Rax, nil
			}
			if fatal(s.Signal) {
				return 0, fmt.Errorf("it ended in %v at %#x", s.Signal, r.Rip)
			}
			deliver = s.Signal // SIGSYS of the zone's filter, or one the function unblocked
		}
	}
}

func fatal(s unix.Signal) bool {
	return s == unix.SIGSEGV || s == unix.SIGBUS || s == unix.SIGILL || s == unix.SIGFPE || s == unix.SIGABRT
}

// haltCall stops a function that did not return in time, so that its task can
// be given back.
func (t *Task) haltCall() {
	if t.Interrupt() == nil {
		t.WaitStop(5 * time.Second)
	}
}
