package task

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Clone is clone(2) with the kernel's argument order on x86-64. The new task is
// attached to the calling thread too (see Attached and WaitAttached).
func (t *Task) Clone(flags, stack, parentTID, childTID, tls uint64) (int, error) {
	n, err := t.Syscall(unix.SYS_CLONE, flags, stack, parentTID, childTID, tls)
	if err != nil {
		return 0, fmt.Errorf("clone task %d with flags %#x: %w", t.TID, flags, err)
	}
	if t.newTask != 0 { // the id in our pid namespace, n is in the target's
		return t.newTask, nil
	}
	return int(n), nil
}

// CloneArgs is struct clone_args (clone3(2)) without the fields nobody needs.
type CloneArgs struct {
	Flags, ChildTID, ParentTID, ExitSignal, Stack, StackSize, TLS uint64
	SetTID                                                        []int32
}

// Clone3 is clone3(2).
func (t *Task) Clone3(a CloneArgs) (int, error) {
	const size = 88 // CLONE_ARGS_SIZE_VER2
	tids := make([]byte, 0, 4*len(a.SetTID))
	for _, id := range a.SetTID {
		tids = binary.LittleEndian.AppendUint32(tids, uint32(id))
	}
	setTID := uint64(0)
	if len(tids) > 0 {
		setTID = t.scratch.Addr + 96 // where withIn puts the second buffer
	}
	var b []byte
	for _, v := range []uint64{a.Flags, 0, a.ChildTID, a.ParentTID, a.ExitSignal, a.Stack, a.StackSize,
		a.TLS, setTID, uint64(len(a.SetTID)), 0} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	n, err := t.withIn(unix.SYS_CLONE3, func(p []uint64) []uint64 { return []uint64{p[0], size} }, b, tids)
	if err != nil {
		return 0, fmt.Errorf("clone task %d with flags %#x as %v: %w", t.TID, a.Flags, a.SetTID, err)
	}
	if t.newTask != 0 {
		return t.newTask, nil
	}
	return int(n), nil
}

// Wait4 is wait4(2) executed by the task.
func (t *Task) Wait4(pid, options int) (int, error) {
	n, err := t.Syscall(unix.SYS_WAIT4, uint64(int64(pid)), 0, uint64(options), 0)
	return int(n), err
}

// Exit ends the thread.
func (t *Task) Exit(status int) error {
	_, err := t.Syscall(unix.SYS_EXIT, uint64(status))
	return err
}

// SigAction reads, or with act sets, the kernel's struct sigaction (32 bytes:
// handler, flags, restorer, mask).
func (t *Task) SigAction(sig int, act []byte) (old []byte, err error) {
	_, err = t.withIn(unix.SYS_RT_SIGACTION, func(p []uint64) []uint64 {
		if act == nil {
			p[1] = 0
		}
		return []uint64{uint64(sig), p[1], p[0], kernelSigsetSize}
	}, make([]byte, sigactionSize), act)
	if err != nil {
		return nil, fmt.Errorf("action of signal %d in task %d: %w", sig, t.TID, err)
	}
	if act != nil && sig == int(unix.SIGTRAP) {
		t.stepSet = false // see stepRequest
	}
	return t.out(0, sigactionSize)
}

const sigactionSize = 32

// SigAltStack reads, or with ss sets, the stack_t (24 bytes).
func (t *Task) SigAltStack(ss []byte) (old []byte, err error) {
	_, err = t.withIn(unix.SYS_SIGALTSTACK, func(p []uint64) []uint64 {
		if ss == nil {
			p[1] = 0
		}
		return []uint64{p[1], p[0]}
	}, make([]byte, 24), ss)
	if err != nil {
		return nil, fmt.Errorf("alternate signal stack of task %d: %w", t.TID, err)
	}
	return t.out(0, 24)
}

// TIDAddress reads the address that is cleared when the thread ends.
func (t *Task) TIDAddress() (uint64, error) {
	b, err := t.PrctlOut(unix.PR_GET_TID_ADDRESS, 8)
	if errors.Is(err, unix.EINVAL) { // kernel without CONFIG_CHECKPOINT_RESTORE
		return t.glibcTIDAddress()
	}
	if err != nil {
		return 0, fmt.Errorf("clear_child_tid of task %d: %w", t.TID, err)
	}
	return binary.LittleEndian.Uint64(b), nil
}

// glibcTIDAddress is where glibc has the thread's id, which is the address that
// it asks the kernel to clear. 0 if it is not glibc's thread.
func (t *Task) glibcTIDAddress() (uint64, error) {
	const tidInPthread = 0x2d0 // offset in struct pthread, which is at the fs base
	r, err := t.Regs()
	if err != nil {
		return 0, err
	}
	var b [4]byte
	addr := r.Fs_base + tidInPthread
	if t.ReadMem(addr, b[:]) != nil || int(binary.LittleEndian.Uint32(b[:])) != t.TID {
		return 0, nil
	}
	return addr, nil
}

// SetTIDAddress is set_tid_address(2).
func (t *Task) SetTIDAddress(addr uint64) error {
	_, err := t.Syscall(unix.SYS_SET_TID_ADDRESS, addr)
	return err
}

// SetRobustList is set_robust_list(2).
func (t *Task) SetRobustList(head, length uint64) error {
	_, err := t.Syscall(unix.SYS_SET_ROBUST_LIST, head, length)
	return err
}

// RobustList is get_robust_list(2), from outside.
func (t *Task) RobustList() (head, length uint64, err error) { return getRobustList(t.TID) }

// RegisterRSeq is rseq(2); flags 1 unregisters.
func (t *Task) RegisterRSeq(r RSeq, flags int) error {
	_, err := t.Syscall(unix.SYS_RSEQ, r.Ptr, uint64(r.Len), uint64(flags), uint64(r.Sig))
	return err
}

// TakeSignal makes a signal that is pending for the task no longer so.
func (t *Task) TakeSignal(sig unix.Signal) error {
	sp := t.Scratch()
	if sp.Len == 0 {
		r, err := t.Regs()
		if err != nil {
			return err
		}
		t.SetScratch(r.Rsp&^15-4096, 2048) // below its stack
	}
	set := binary.LittleEndian.AppendUint64(nil, 1<<(sig-1))
	_, err := t.withIn(unix.SYS_RT_SIGTIMEDWAIT, func(p []uint64) []uint64 {
		return []uint64{p[0], 0, p[1], kernelSigsetSize}
	}, set, make([]byte, 16))
	return err
}

// GetITimer reads a struct itimerval (32 bytes).
func (t *Task) GetITimer(which int) ([]byte, error) {
	_, err := t.withIn(unix.SYS_GETITIMER, func(p []uint64) []uint64 { return []uint64{uint64(which), p[0]} }, make([]byte, 32))
	if err != nil {
		return nil, fmt.Errorf("interval timer %d of task %d: %w", which, t.TID, err)
	}
	return t.out(0, 32)
}

// SetITimer is setitimer(2).
func (t *Task) SetITimer(which int, val []byte) error {
	_, err := t.withIn(unix.SYS_SETITIMER, func(p []uint64) []uint64 { return []uint64{uint64(which), p[0], 0} }, val)
	return err
}

// TimerCreate is timer_create(2) with a struct sigevent; it returns the
// kernel's id.
func (t *Task) TimerCreate(clock int, sigevent []byte, id int32) (int32, error) {
	_, err := t.withIn(unix.SYS_TIMER_CREATE, func(p []uint64) []uint64 {
		return []uint64{uint64(int64(clock)), p[1], p[0]}
	}, binary.LittleEndian.AppendUint32(nil, uint32(id)), sigevent)
	if err != nil {
		return 0, err
	}
	b, err := t.out(0, 4)
	return int32(binary.LittleEndian.Uint32(b)), err
}

// TimerDelete is timer_delete(2).
func (t *Task) TimerDelete(id int32) error {
	_, err := t.Syscall(unix.SYS_TIMER_DELETE, uint64(id))
	return err
}

// TimerGettime reads a struct itimerspec (32 bytes).
func (t *Task) TimerGettime(id int32) ([]byte, error) {
	_, err := t.withIn(unix.SYS_TIMER_GETTIME, func(p []uint64) []uint64 { return []uint64{uint64(id), p[0]} }, make([]byte, 32))
	if err != nil {
		return nil, fmt.Errorf("timer %d of task %d: %w", id, t.TID, err)
	}
	return t.out(0, 32)
}

// TimerGetoverrun is timer_getoverrun(2).
func (t *Task) TimerGetoverrun(id int32) (int, error) {
	n, err := t.Syscall(unix.SYS_TIMER_GETOVERRUN, uint64(id))
	return int(n), err
}

// TimerSettime is timer_settime(2).
func (t *Task) TimerSettime(id int32, flags int, spec []byte) error {
	_, err := t.withIn(unix.SYS_TIMER_SETTIME, func(p []uint64) []uint64 {
		return []uint64{uint64(id), uint64(flags), p[0], 0}
	}, spec)
	return err
}

// SetAffinity is sched_setaffinity(2) on tid (0: the task itself).
func (t *Task) SetAffinity(tid int, mask []byte) error {
	_, err := t.withIn(unix.SYS_SCHED_SETAFFINITY, func(p []uint64) []uint64 {
		return []uint64{uint64(tid), uint64(len(mask)), p[0]}
	}, mask)
	return err
}

// QueueThreadSignal is rt_tgsigqueueinfo(2): only the task itself may queue any
// siginfo.
func (t *Task) QueueThreadSignal(tgid, tid int, sig int, info []byte) error {
	_, err := t.withIn(unix.SYS_RT_TGSIGQUEUEINFO, func(p []uint64) []uint64 {
		return []uint64{uint64(tgid), uint64(tid), uint64(sig), p[0]}
	}, info)
	return err
}

// QueueProcessSignal is rt_sigqueueinfo(2).
func (t *Task) QueueProcessSignal(tgid int, sig int, info []byte) error {
	_, err := t.withIn(unix.SYS_RT_SIGQUEUEINFO, func(p []uint64) []uint64 {
		return []uint64{uint64(tgid), uint64(sig), p[0]}
	}, info)
	return err
}

// Personality is personality(2); ^0 asks.
func (t *Task) Personality(p uint32) (uint32, error) {
	old, err := t.Syscall(unix.SYS_PERSONALITY, uint64(p))
	return uint32(old), err
}

// MembarrierGet asks for the registered commands (Linux 6.3).
const MembarrierGet = 1 << 9

// Membarrier is membarrier(2).
func (t *Task) Membarrier(cmd int) (int, error) { return t.fd(unix.SYS_MEMBARRIER, uint64(cmd), 0, 0) }

// Setsid is setsid(2).
func (t *Task) Setsid() (int, error) { return t.fd(unix.SYS_SETSID) }

// Setpgid is setpgid(2).
func (t *Task) Setpgid(pid, pgid int) error {
	_, err := t.Syscall(unix.SYS_SETPGID, uint64(pid), uint64(pgid))
	return err
}

// Getpid is getpid(2): the process' number in its own pid namespace.
func (t *Task) Getpid() (int, error) { return t.fd(unix.SYS_GETPID) }

// Gettid is gettid(2).
func (t *Task) Gettid() (int, error) { return t.fd(unix.SYS_GETTID) }

// Setns moves the task into the namespace that the descriptor names.
func (t *Task) Setns(fd int) error {
	if _, err := t.Syscall(unix.SYS_SETNS, uint64(fd), 0); err != nil {
		return fmt.Errorf("move task %d into a namespace: %w", t.TID, err)
	}
	return nil
}

// PidfdOpen is pidfd_open(2); pid is a number in the task's namespace.
func (t *Task) PidfdOpen(pid, flags int) (int, error) {
	fd, err := t.Syscall(unix.SYS_PIDFD_OPEN, uint64(pid), uint64(flags))
	return int(fd), err
}
