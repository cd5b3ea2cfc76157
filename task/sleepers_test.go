package task

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTrueCall looks at a sleeping task as its stops may find it. A rebuilt
// process that issued restart_syscall would get EINTR from it.
func TestTrueCall(t *testing.T) {
	c := sleeper(t)
	onTracer(t, func() error {
		k, err := Seize(c.Process.Pid)
		if err != nil {
			return err
		}
		stop := func() (r Regs, err error) {
			for limit := time.Now().Add(5 * time.Second); time.Now().Before(limit); time.Sleep(time.Millisecond) {
				if _, err = k.InterruptWait(5 * time.Second); err != nil {
					return r, err
				}
				if r, err = k.Regs(); err != nil || r.Rax == restartBlock {
					return r, err
				}
				if err = unix.PtraceCont(k.TID, 0); err != nil {
					return r, err
				}
			}
			return r, ErrTimeout
		}
		first, err := stop()
		if err != nil {
			return err
		}
		nr := first.Orig_rax
		if err := unix.PtraceCont(k.TID, 0); err != nil {
			return err
		}
		again := first
		again.Orig_rax = unix.SYS_RESTART_SYSCALL
		about := first // the kernel has prepared to issue it, and the task has not come to that
		about.Rax, about.Rip = unix.SYS_RESTART_SYSCALL, first.Rip-syscallLen
		if _, err := stop(); err != nil {
			return err
		}
		for _, remembered := range []bool{true, false} { // or else read from the code
			k.TrueCall(first)
			if !remembered {
				delete(sleepers.m, k.TID)
			}
			if r := k.TrueCall(again); r.Orig_rax != nr || r.Rax != restartBlock {
				t.Errorf("remembered %v: stopped again in call %d, want %d", remembered, r.Orig_rax, nr)
			}
			if r := k.TrueCall(about); r.Rax != nr || r.Rip != about.Rip {
				t.Errorf("remembered %v: about to issue call %d, want %d", remembered, r.Rax, nr)
			}
			if r := Afresh(k.TrueCall(again)); r.Orig_rax != nr || r.Rax != RestartNoHand {
				t.Errorf("remembered %v: goes on with call %d, result %d", remembered, r.Orig_rax, int64(r.Rax))
			}
		}
		other := first // 219 is a number like any other elsewhere
		other.Rax, other.Rip = unix.SYS_RESTART_SYSCALL, first.Rip+1
		if r := k.TrueCall(other); r != other {
			t.Errorf("registers of another place became %+v", r)
		}
		return k.Detach(0)
	})
}

func TestAfresh(t *testing.T) {
	r := Regs{Rax: ^uint64(515), Orig_rax: 35}
	if got := Afresh(r); got.Rax != ^uint64(513) || got.Orig_rax != 35 {
		t.Errorf("a restart block became %d", int64(got.Rax))
	}
	r.Orig_rax = ^uint64(0)
	if got := Afresh(r); got.Rax != ^uint64(515) {
		t.Error("registers outside a system call were changed")
	}
}
