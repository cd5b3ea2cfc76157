package process

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
)

// clearHazards brings every thread to a place where it can be left, and from
// where it can be rebuilt.
func (f *Frozen) clearHazards(deadline time.Time) error {
	vdso, err := f.vdsoRange()
	if err != nil {
		return err
	}
	for _, t := range f.threads {
		if err := f.settleThread(t, vdso, deadline); err != nil {
			return err
		}
	}
	f.settled = true
	return nil
}

func (f *Frozen) settleThread(t *thread, vdso task.Range, deadline time.Time) error {
	if t.stop.Kind != task.StopGroup {
		if err := t.TakeFault(time.Until(deadline)); err != nil {
			return err
		}
	}
	r, err := t.Regs()
	if err != nil {
		return err
	}
	if r.Cs != userCS64 {
		return refuse(f.PID, "runs 32-bit code (thread %d)", t.TID)
	}
	if f.opts.excluded(r.Fs_base) || f.opts.excluded(r.Rip) {
		if f.opts.ProgramThread == nil || !f.opts.ProgramThread(t.TID) {
			t.lower = true
			return nil
		}
		if r, err = f.leaveLower(t, deadline); err != nil {
			return err
		}
	}
	if r.Rip >= vdso.Addr && r.Rip < vdso.Addr+vdso.Len {
		if r, err = leaveVDSO(t, vdso); err != nil {
			return err
		}
	}
	t.TrueCall(r) // now it can still be known
	fixed, err := abortRSeq(t, r)
	if err != nil {
		return err
	}
	fixed = hideStop(fixed)
	if fixed != r {
		return t.SetRegs(fixed)
	}
	return nil
}

const userCS64 = 0x33

// leaveLower lets a thread of the program run until it is out of the lower half.
func (f *Frozen) leaveLower(t *thread, deadline time.Time) (task.Regs, error) {
	pause := 20 * time.Microsecond
	for {
		if time.Now().After(deadline) {
			return task.Regs{}, fmt.Errorf("thread %d does not come out of the MPI library", t.TID)
		}
		if err := t.Cont(0); err != nil {
			return task.Regs{}, err
		}
		time.Sleep(pause)
		if pause < time.Millisecond {
			pause *= 2
		}
		if err := t.Interrupt(); err != nil {
			return task.Regs{}, err
		}
		if err := f.collect(t, deadline); err != nil {
			return task.Regs{}, err
		}
		r, err := t.Regs()
		if err != nil || !f.opts.excluded(r.Fs_base) && !f.opts.excluded(r.Rip) {
			return r, err
		}
	}
}

// leaveVDSO steps a thread out of the vdso, which may be another one after a
// restart.
func leaveVDSO(t *thread, vdso task.Range) (task.Regs, error) {
	const most = 200000 // its longest function fills a buffer with random bytes
	for range most {
		r, err := t.StepInsn()
		if err != nil {
			return r, fmt.Errorf("step out of the vdso: %w", err)
		}
		if r.Rip < vdso.Addr || r.Rip >= vdso.Addr+vdso.Len {
			return r, nil
		}
	}
	return task.Regs{}, fmt.Errorf("thread %d does not come out of the vdso", t.TID)
}

func (f *Frozen) vdsoRange() (task.Range, error) {
	maps, err := readProc(f.PID, "maps")
	if err != nil {
		return task.Range{}, err
	}
	vmas, err := parseMaps(maps)
	if err != nil {
		return task.Range{}, err
	}
	i := slices.IndexFunc(vmas, func(v VMA) bool { return v.Kind == KindVDSO })
	if i < 0 {
		return task.Range{}, nil
	}
	return task.Range{Addr: vmas[i].Start, Len: vmas[i].Len()}, nil
}

// abortRSeq moves a thread that is inside a restartable sequence to its abort
// handler, as the kernel would have done had it been preempted there. Our remote
// calls would make the kernel forget that it was inside.
func abortRSeq(t *thread, r task.Regs) (task.Regs, error) {
	q, err := t.RSeq()
	if err != nil || q.Ptr == 0 {
		return r, err
	}
	cs, err := t.ReadUint64(q.Ptr + 8) // struct rseq: rseq_cs
	if err != nil || cs == 0 {
		return r, err
	}
	var b [32]byte // struct rseq_cs: version, flags, start, length, abort
	if err := t.ReadMem(cs, b[:]); err != nil {
		return r, err
	}
	start, length := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	if r.Rip-start < length {
		r.Rip = binary.LittleEndian.Uint64(b[24:])
	}
	return r, t.WriteUint64(q.Ptr+8, 0)
}

// eintrOnStop are system calls that answer any ptrace stop with EINTR instead of
// an internal restart code.
var eintrOnStop = []uint64{unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
	unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_IO_GETEVENTS, unix.SYS_IO_PGETEVENTS,
	unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG,
	unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_CONNECT, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV,
	unix.SYS_IO_URING_ENTER}

// hideStop turns an EINTR that only our stop caused into -ERESTARTNOHAND: then
// the kernel restarts the call, unless a signal with a handler is delivered
// first, in which case the program sees EINTR, as it would have without us.
func hideStop(r task.Regs) task.Regs {
	eintr := -int64(unix.EINTR)
	if int64(r.Rax) == eintr && int64(r.Orig_rax) >= 0 && slices.Contains(eintrOnStop, r.Orig_rax) {
		r.Rax = task.RestartNoHand
	}
	return r
}

// hideStopOf is hideStop for a thread that is only to go on.
func hideStopOf(t *thread) {
	if r, err := t.Regs(); err == nil {
		if fixed := hideStop(r); fixed != r {
			t.SetRegs(fixed)
		}
	}
}
