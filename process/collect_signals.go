package process

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"

	"mana/task"
)

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// signals reads the queue that all threads share.
func (c *collector) signals() error {
	shared, err := c.leader().Pending(true)
	c.st.Pending = infos(shared)
	return err
}

// endless are the signals that do not end a process by default (signal(7)).
const endless = 1<<(unix.SIGCHLD-1) | 1<<(unix.SIGCONT-1) | 1<<(unix.SIGURG-1) | 1<<(unix.SIGWINCH-1) |
	1<<(unix.SIGSTOP-1) | 1<<(unix.SIGTSTP-1) | 1<<(unix.SIGTTIN-1) | 1<<(unix.SIGTTOU-1)

// dying refuses a process that a signal ends as soon as it goes on: what is
// restarted from its image would end at once too. A batch system sends such
// signals at any moment, and the checkpoint before must outlast them.
func (c *collector) dying() error {
	f, err := status(c.pid, "")
	if err != nil {
		return err
	}
	caught, _ := strconv.ParseUint(f["SigCgt"], 16, 64)
	ignored, _ := strconv.ParseUint(f["SigIgn"], 16, 64)
	fatal := func(pending []SigInfo, mask uint64) error {
		for _, info := range pending {
			sig := unix.Signal(binary.LittleEndian.Uint32(info))
			if (caught|ignored|mask|endless)>>(sig-1)&1 == 0 {
				return refuse(c.pid, "is being ended by %v", sig)
			}
		}
		return nil
	}
	everywhere := ^uint64(0) // blocked by all threads
	for _, t := range c.st.Threads {
		everywhere &= t.SigMask
		if err := fatal(t.Pending, t.SigMask); err != nil {
			return err
		}
	}
	return fatal(c.st.Pending, everywhere)
}

// actions reads the dispositions that are not the default, which a fork child
// has too.
func (c *collector) actions(t *task.Task) error {
	f, err := status(t.TID, "")
	if err != nil {
		return err
	}
	caught, _ := strconv.ParseUint(f["SigCgt"], 16, 64)
	ignored, _ := strconv.ParseUint(f["SigIgn"], 16, 64)
	for sig := 1; sig <= 64; sig++ {
		if (caught|ignored)>>(sig-1)&1 == 0 || sig == int(unix.SIGKILL) || sig == int(unix.SIGSTOP) {
			continue
		}
		b, err := t.SigAction(sig, nil)
		if err != nil {
			return err
		}
		c.st.Actions = append(c.st.Actions, Action{Signal: sig, Handler: le64(b), Flags: le64(b[8:]),
			Restorer: le64(b[16:]), Mask: le64(b[24:])})
	}
	return nil
}

// timers reads interval timers and POSIX timers with the time they have left.
func (c *collector) timers() error {
	for which := range c.st.ITimers {
		b, err := c.leader().GetITimer(which)
		if err != nil {
			return err
		}
		if le64(b[16:]) == 0 && le64(b[24:]) == 0 {
			// Expired or off. An expired one with an interval is armed again when its
			// signal is fetched, but not in another process: there it begins anew.
			copy(b[16:], b[:16])
		}
		c.st.ITimers[which] = b
	}
	b, err := readProc(c.pid, "timers")
	if err != nil {
		return nil // kernel without POSIX timers
	}
	if c.st.Timers, err = parseTimers(b); err != nil {
		return err
	}
	for i := range c.st.Timers {
		t := &c.st.Timers[i]
		if t.Spec, err = c.leader().TimerGettime(t.ID); err != nil {
			return err
		}
		if t.Overrun, err = c.leader().TimerGetoverrun(t.ID); err != nil {
			return err
		}
	}
	return nil
}
