package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"mana/task"

	"golang.org/x/sys/unix"
)

const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND |
	unix.CLONE_THREAD | unix.CLONE_SYSVSEM

// restoreThreads makes all threads and gives each its own state.
func (r *Restored) restoreThreads() error {
	for i := 1; i < len(r.State.Threads); i++ {
		args := task.CloneArgs{Flags: threadFlags}
		if r.opt.SetTIDs {
			args.SetTID = []int32{int32(r.State.Threads[i].TID)}
		}
		tid, err := r.main.Clone3(args)
		if errors.Is(err, unix.ENOSYS) && !r.opt.SetTIDs {
			tid, err = r.main.Clone(threadFlags, 0, 0, 0, 0)
		}
		if err != nil {
			return err
		}
		t := task.Attached(tid, r.main)
		r.tasks = append(r.tasks, t)
		if err := t.WaitAttached(10 * time.Second); err != nil {
			return err
		}
	}
	for i, t := range r.tasks {
		if err := r.restoreThread(t, &r.State.Threads[i]); err != nil {
			return fmt.Errorf("thread %d: %w", r.State.Threads[i].TID, err)
		}
	}
	return nil
}

func (r *Restored) restoreThread(t *task.Task, th *Thread) error {
	if err := t.SetTIDAddress(th.ClearChildTID); err != nil {
		return fmt.Errorf("set_tid_address: %w", err)
	}
	if th.RobustHead != 0 {
		if err := t.SetRobustList(th.RobustHead, th.RobustLen); err != nil {
			return fmt.Errorf("set_robust_list: %w", err)
		}
	}
	if th.RSeq.Ptr != 0 {
		if err := r.restoreRSeq(t, th); err != nil {
			return err
		}
	}
	if th.AltStack.Flags&ssDisable == 0 && th.AltStack.Size > 0 {
		if _, err := t.SigAltStack(encodeAltStack(th.AltStack)); err != nil {
			return err
		}
	}
	if _, err := t.PrctlIn(unix.PR_SET_NAME, append([]byte(th.Comm), 0)); err != nil {
		return fmt.Errorf("set name: %w", err)
	}
	r.restoreSched(t, th)
	if r.opt.DropCaps {
		if err := dropCaps(t); err != nil {
			return err
		}
	}
	return r.restoreCPU(t, th)
}

// restoreRSeq registers the thread's rseq area. The kernel clears its rseq_cs
// field, which was zero or named a section that the thread has left.
func (r *Restored) restoreRSeq(t *task.Task, th *Thread) error {
	const csOffset = 8 // struct rseq: cpu_id_start, cpu_id, rseq_cs
	cs, err := t.ReadUint64(th.RSeq.Ptr + csOffset)
	if err != nil {
		return err
	}
	if err := t.RegisterRSeq(th.RSeq, 0); err != nil {
		return fmt.Errorf("register rseq at %#x: %w", th.RSeq.Ptr, err)
	}
	if cs == 0 {
		return nil
	}
	return t.WriteUint64(th.RSeq.Ptr+csOffset, cs)
}

const (
	ssOnStack = 1
	ssDisable = 2
)

// encodeAltStack is stack_t; whether a thread is on its stack the kernel sees
// from its stack pointer, and only SS_AUTODISARM may be passed in.
func encodeAltStack(a AltStack) []byte {
	b := binary.LittleEndian.AppendUint64(nil, a.SP)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.Flags&^ssOnStack))
	return binary.LittleEndian.AppendUint64(b, a.Size)
}

// restoreCPU sets vector and general registers and the mask with which the
// thread goes on.
func (r *Restored) restoreCPU(t *task.Task, th *Thread) error {
	now, err := t.XState()
	if err != nil {
		return err
	}
	x, err := adaptXState(th.XState, len(now))
	if err != nil {
		return err
	}
	if err := t.SetXState(x); err != nil {
		return err
	}
	if err := t.SetRegs(task.Afresh(th.Regs)); err != nil {
		return err
	}
	return t.SetSigMask(th.SigMask)
}

// restoreSched sets what only tells how fast the thread runs: what is not
// permitted or does not exist here is left out.
func (r *Restored) restoreSched(t *task.Task, th *Thread) {
	if th.TimerSlack != 0 {
		_, _ = t.Prctl(unix.PR_SET_TIMERSLACK, th.TimerSlack)
	}
	if mask := usableCPUs(th.Affinity, t.TID); mask != nil {
		if err := t.SetAffinity(0, mask); err != nil {
			r.opt.Warn("CPU affinity of thread %d is not restored: %v", th.TID, err)
		}
	}
	if th.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, t.TID, th.Nice); err != nil {
			r.opt.Warn("nice value %d of thread %d is not restored: %v", th.Nice, th.TID, err)
		}
	}
}

// usableCPUs returns the saved affinity without CPUs that may not be used
// here, or nil if nothing needs to be set.
func usableCPUs(saved []byte, tid int) []byte {
	var now unix.CPUSet
	if unix.SchedGetaffinity(tid, &now) != nil {
		return nil
	}
	out := make([]byte, len(saved))
	n, differ := 0, false
	for i := range out {
		have := byte(0)
		for b := range 8 {
			if now.IsSet(i*8 + b) {
				have |= 1 << b
			}
		}
		out[i] = saved[i] & have
		n += bits.OnesCount8(out[i])
		differ = differ || out[i] != have
	}
	if n == 0 || !differ {
		return nil
	}
	return out
}
