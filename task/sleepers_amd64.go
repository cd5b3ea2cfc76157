package task

import (
	"bytes"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"
)

// A timed wait (nanosleep, poll, futex …) that was stopped once goes on as
// restart_syscall(2): the kernel remembers what it was, registers no longer do.
// A rebuilt process has no such memory and must issue the call itself, so we
// have to know which it was. The arguments are still in their registers.

// sleepers remembers the waits of earlier stops, by thread.
var sleepers = struct {
	sync.Mutex
	m map[int]wait
}{m: map[int]wait{}}

// wait is a thread's wait; the stack and instruction pointers tell whether it
// is still the same.
type wait struct{ nr, rip, rsp uint64 }

const restartBlock = ^uint64(ERESTART_RESTARTBLOCK - 1)

// TrueCall gives the registers of a stopped task with the number of the call
// that it really waits in. Between two stops it may have come no further than
// to the instruction that is to issue restart_syscall(2); then it stands before
// the true call (arch/x86/kernel/signal.c, arch_do_signal_or_restart).
func (t *Task) TrueCall(r Regs) Regs {
	sleepers.Lock()
	defer sleepers.Unlock()
	known := sleepers.m[t.TID]
	switch {
	case r.Rax == unix.SYS_RESTART_SYSCALL:
		if nr, ok := t.sleepsIn(known, r.Rip+syscallLen, r.Rsp); ok {
			r.Rax = nr
		}
	case r.Rax != restartBlock || int64(r.Orig_rax) < 0:
		delete(sleepers.m, t.TID)
	case r.Orig_rax != unix.SYS_RESTART_SYSCALL:
		sleepers.m[t.TID] = wait{r.Orig_rax, r.Rip, r.Rsp}
	default:
		if nr, ok := t.sleepsIn(known, r.Rip, r.Rsp); ok {
			r.Orig_rax = nr
		}
	}
	return r
}

const syscallLen = 2 // of the instruction

// sleepsIn tells which call a wait is that goes on as restart_syscall(2) and returns to rip.
func (t *Task) sleepsIn(known wait, rip, rsp uint64) (uint64, bool) {
	if known.nr != 0 && known.rip == rip && known.rsp == rsp {
		return known.nr, true
	}
	return callBefore(t, rip)
}

// Afresh turns registers into those with which a task goes on where the kernel
// does not remember its timed wait. An interrupted system call keeps its
// -ERESTART* result: the kernel decides on the way out, knowing the pending
// signals, whether to issue it again. Only -ERESTART_RESTARTBLOCK refers to what
// is lost; -ERESTARTNOHAND issues the same call afresh, if it is known (TrueCall).
func Afresh(r Regs) Regs {
	if r.Rax == restartBlock && int64(r.Orig_rax) >= 0 && r.Orig_rax != unix.SYS_RESTART_SYSCALL {
		r.Rax = RestartNoHand
	}
	return r
}

// restartable are the calls that leave -ERESTART_RESTARTBLOCK.
var restartable = []uint64{unix.SYS_POLL, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_FUTEX}

// callBefore reads the number from the code: "mov $nr, %eax; syscall" is how C
// libraries and the Go runtime make these calls.
func callBefore(t *Task, rip uint64) (uint64, bool) {
	var code [7]byte
	if t.ReadMem(rip-uint64(len(code)), code[:]) != nil {
		return 0, false
	}
	return callNumber(code[:])
}

func callNumber(code []byte) (uint64, bool) {
	for _, nr := range restartable {
		want := append(binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(nr)), 0x0f, 0x05)
		if bytes.Equal(code, want) {
			return nr, true
		}
	}
	return 0, false
}
