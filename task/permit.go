package task

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotPermitted says that this process may not control its own children.
var ErrNotPermitted = errors.New("this system does not let a process control its own children")

// YamaScope is kernel.yama.ptrace_scope (Documentation/admin-guide/LSM/Yama.rst):
// up to 1 an ancestor may trace its descendants. Without Yama it is 0.
func YamaScope() int {
	b, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return 0
	}
	var n int
	fmt.Sscan(string(b), &n)
	return n
}

// MayControl tries on a child of its own what a checkpoint does to a program:
// start it traced, let it go, attach again, execute a system call in it and
// read its memory. Then it calls use, if any, with the child, which ends
// afterwards. Call it on a Tracer.
func MayControl(use func(*Task) error) error {
	t, err := SpawnTraced("/proc/self/exe", []string{"mana"}, nil, Attr{DieWithParent: true})
	if err != nil {
		return explainDenial(err)
	}
	defer t.end()
	if err := t.Detach(unix.SIGSTOP); err != nil {
		return explainDenial(err)
	}
	seized, err := Seize(t.TID)
	if err != nil {
		return explainDenial(err)
	}
	if _, err := seized.InterruptWait(5 * time.Second); err != nil {
		return explainDenial(err)
	}
	r, err := seized.Regs()
	if err == nil {
		seized.SetScratch((r.Rsp-16<<10)&^15, 8<<10)
		_, err = seized.Getpid()
	}
	if err == nil {
		err = seized.ReadMem(r.Rsp, make([]byte, 8))
	}
	if err != nil {
		return explainDenial(err)
	}
	if use == nil {
		return nil
	}
	return use(seized)
}

// end kills a child and collects its status, whoever traces it.
func (t *Task) end() {
	unix.Kill(t.TID, unix.SIGKILL)
	for {
		ws, err := await(t.TID, 5*time.Second)
		if err != nil || ws.Exited() || ws.Signaled() {
			return
		}
	}
}

// Explain turns the refusal to start a program traced into ErrNotPermitted, if
// that is what it is.
func Explain(err error) error {
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	if denied := MayControl(nil); errors.Is(denied, ErrNotPermitted) {
		return denied
	}
	return err
}

// explainDenial names who forbids it, as far as one can tell, and the mend.
func explainDenial(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	mend := "allow the ptrace system call (in a container: --cap-add=SYS_PTRACE, or a seccomp profile that allows it)"
	if n := YamaScope(); n > 1 {
		mend = fmt.Sprintf("kernel.yama.ptrace_scope is %d; have it set to 1 or 0 (sysctl kernel.yama.ptrace_scope=1)", n)
	}
	return fmt.Errorf("%w: %s: %s", ErrNotPermitted, strings.TrimSpace(err.Error()), mend)
}
