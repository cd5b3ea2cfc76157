package process

import (
	"encoding/binary"
	"fmt"

	"mana/task"

	"golang.org/x/sys/unix"
)

const numSignals = 64

// restoreSignals sets dispositions and queues what was pending. Everything is
// blocked while a task is borrowed, so nothing arrives before its time.
func (r *Restored) restoreSignals() error {
	saved := make(map[int]Action)
	for _, a := range r.State.Actions {
		saved[a.Signal] = a
	}
	for sig := 1; sig <= numSignals; sig++ {
		if sig == int(unix.SIGKILL) || sig == int(unix.SIGSTOP) || sig == int(unix.SIGTRAP) {
			continue
		}
		if err := r.setAction(sig, saved[sig]); err != nil {
			return err
		}
	}
	for i, t := range r.tasks {
		for _, info := range r.State.Threads[i].Pending {
			if err := r.queue(t, info, false); err != nil {
				return err
			}
		}
	}
	for _, info := range r.State.Pending {
		if err := r.queue(r.main, info, true); err != nil {
			return err
		}
	}
	return nil
}

func (r *Restored) setAction(sig int, a Action) error {
	b := make([]byte, 0, 32)
	for _, v := range []uint64{a.Handler, a.Flags, a.Restorer, a.Mask} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	_, err := r.main.SigAction(sig, b)
	return err
}

// queue makes the task send itself a signal with the saved siginfo, which only
// the task itself may do for any si_code.
func (r *Restored) queue(t *task.Task, info SigInfo, shared bool) error {
	if len(info) < 128 {
		return fmt.Errorf("pending signal of %d bytes", len(info))
	}
	sig := int(int32(binary.LittleEndian.Uint32(info)))
	pid, err := r.main.Getpid()
	if err == nil && shared {
		err = t.QueueProcessSignal(pid, sig, info)
	} else if err == nil {
		var tid int
		if tid, err = t.Gettid(); err == nil {
			err = t.QueueThreadSignal(pid, tid, sig, info)
		}
	}
	if err != nil {
		return fmt.Errorf("queue signal %d: %w", sig, err)
	}
	return nil
}

// startTimers sets what ticks, and the limits, as the last thing before the
// program goes on.
func (r *Restored) startTimers() error {
	for which, val := range r.State.ITimers {
		if len(val) != 32 || allZero(val) {
			continue
		}
		if err := r.main.SetITimer(which, running(val)); err != nil {
			return fmt.Errorf("interval timer %d: %w", which, err)
		}
	}
	if err := r.createTimers(); err != nil {
		return err
	}
	if err := r.restoreLimits(); err != nil {
		return err
	}
	if _, err := r.main.Prctl(unix.PR_SET_DUMPABLE, uint64(min(r.State.Dumpable, 1))); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	for _, a := range r.State.Actions {
		if a.Signal == int(unix.SIGTRAP) {
			r.main.StepBySyscall()
			return r.setAction(a.Signal, a)
		}
	}
	return nil
}

// running returns a struct itimerval or itimerspec that starts a periodic timer
// which has expired and whose signal is still pending: the kernel shows it
// without time left, and would take that as an order to stop it.
func running(val []byte) []byte {
	if len(val) != 32 || allZero(val[:16]) || !allZero(val[16:]) {
		return val
	}
	out := append([]byte{}, val...)
	out[24] = 1 // microsecond or nanosecond
	return out
}

const timerRestoreIDs = 77 // PR_TIMER_CREATE_RESTORE_IDS, Linux 6.15

func (r *Restored) createTimers() error {
	if len(r.State.Timers) == 0 {
		return nil
	}
	_, err := r.main.Prctl(timerRestoreIDs, 1)
	byID := err == nil
	for i := range r.State.Timers {
		if err := r.createTimer(&r.State.Timers[i], byID); err != nil {
			return fmt.Errorf("timer %d: %w", r.State.Timers[i].ID, err)
		}
	}
	if byID {
		_, err = r.main.Prctl(timerRestoreIDs, 0)
		return err
	}
	return nil
}

// createTimer makes a POSIX timer with its saved number. Kernels that cannot
// be asked for one count up from 0 in a new process.
func (r *Restored) createTimer(tm *Timer, byID bool) error {
	const maxTries = 1 << 16
	ev := r.encodeSigevent(tm)
	for range maxTries {
		id, err := r.main.TimerCreate(tm.Clock, ev, tm.ID)
		if err != nil {
			return err
		}
		if id == tm.ID {
			return r.main.TimerSettime(id, 0, running(tm.Spec))
		}
		if err := r.main.TimerDelete(id); err != nil {
			return err
		}
		if byID || id > tm.ID {
			break
		}
	}
	return fmt.Errorf("the kernel does not give that number")
}

// encodeSigevent is struct sigevent: value, signo, notify, thread.
func (r *Restored) encodeSigevent(tm *Timer) []byte {
	const sigevThreadID = 4
	b := binary.LittleEndian.AppendUint64(nil, tm.Value)
	b = binary.LittleEndian.AppendUint32(b, uint32(tm.Signal))
	b = binary.LittleEndian.AppendUint32(b, uint32(tm.Notify))
	tid := 0
	if tm.Notify&sigevThreadID != 0 {
		tid = r.TIDMap()[tm.NotifyID]
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(tid))
	return append(b, make([]byte, 64-len(b))...)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
