package process

import (
	"bytes"
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"

	"mana/task"
)

// A timed wait (nanosleep, poll, futex …) that was stopped once goes on as
// restart_syscall(2): the kernel remembers what it was, registers no longer do.
// A rebuilt process has no such memory and must issue the call itself, so we
// have to know which it was. The arguments are still in their registers.

// sleepers remembers the waits of earlier stops, by thread.
var sleepers = struct {
	sync.Mutex
	m map[int]sleeper
}{m: map[int]sleeper{}}

// sleeper is a thread's wait; the stack and instruction pointers tell whether it
// is still the same.
type sleeper struct{ nr, rip, rsp uint64 }

const restartBlock = ^uint64(task.ERESTART_RESTARTBLOCK - 1)

// trueCall gives the registers of a thread with the number of the call that it
// really waits in.
func trueCall(t *task.Task, r task.Regs) task.Regs {
	sleepers.Lock()
	defer sleepers.Unlock()
	if r.Rax != restartBlock || int64(r.Orig_rax) < 0 {
		delete(sleepers.m, t.TID)
		return r
	}
	if r.Orig_rax != unix.SYS_RESTART_SYSCALL {
		sleepers.m[t.TID] = sleeper{r.Orig_rax, r.Rip, r.Rsp}
		return r
	}
	if s, ok := sleepers.m[t.TID]; ok && s.rip == r.Rip && s.rsp == r.Rsp {
		r.Orig_rax = s.nr
	} else if nr, ok := callBefore(t, r.Rip); ok {
		r.Orig_rax = nr
	}
	return r
}

// restartable are the calls that leave -ERESTART_RESTARTBLOCK.
var restartable = []uint64{unix.SYS_POLL, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_FUTEX}

// callBefore reads the number from the code: "mov $nr, %eax; syscall" is how C
// libraries and the Go runtime make these calls.
func callBefore(t *task.Task, rip uint64) (uint64, bool) {
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
