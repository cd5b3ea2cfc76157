package task

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DieBy ends this process by the given signal, so that its parent sees the
// death that the program died. The Go runtime's own handlers would turn some
// signals into a traceback; the disposition is set by the kernel call itself.
// It returns when the signal does not kill.
func DieBy(sig unix.Signal) {
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // one core dump, the program's, is enough
	var action [4]uint64                             // struct kernel_sigaction: SIG_DFL, no flags, empty mask
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	unix.Kill(os.Getpid(), sig)
	time.Sleep(time.Second) // any thread may take it
}
