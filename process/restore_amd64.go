package process

import (
	"mana/task"
)

// gateCode is `syscall; int3`.
var gateCode = []byte{0x0f, 0x05, 0xcc}

// resumeRegs turns saved registers into those with which a new process goes
// on. An interrupted system call keeps its -ERESTART* result: the kernel
// decides on the way out, knowing the pending signals, whether to issue it
// again. Only -ERESTART_RESTARTBLOCK refers to kernel state that no longer
// exists; -ERESTARTNOHAND issues the same call afresh.
func resumeRegs(r task.Regs) task.Regs {
	const restartBlock, noHand = ^uint64(task.ERESTART_RESTARTBLOCK - 1), ^uint64(task.ERESTARTNOHAND - 1)
	if int64(r.Orig_rax) >= 0 && r.Rax == restartBlock {
		r.Rax = noHand
	}
	return r
}
