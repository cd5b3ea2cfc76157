package splitproc

import "golang.org/x/sys/unix"

// Offsets in struct seccomp_data and the architecture word
// (include/uapi/linux/seccomp.h, audit.h).
const (
	dataNR       = 0
	dataArch     = 4
	dataIPHigh   = 12
	dataArg1     = 24
	archX86_64   = 0xc000003e
	filterThread = unix.SECCOMP_FILTER_FLAG_TSYNC
	// Without it kernels before 5.16 turn slow speculation mitigations on.
	filterSpec = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
)

// trapped are the calls that the stub carries out for the lower half: they
// place mappings, make or close descriptors, or change the process' signals.
var trapped = []uint32{
	unix.SYS_MMAP, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_SHMAT,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK,
	unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE,
	unix.SYS_OPEN, unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_CREAT,
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_PIPE, unix.SYS_PIPE2, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_CREATE1,
	unix.SYS_EVENTFD, unix.SYS_EVENTFD2, unix.SYS_MEMFD_CREATE, unix.SYS_TIMERFD_CREATE,
	unix.SYS_SIGNALFD, unix.SYS_SIGNALFD4, unix.SYS_INOTIFY_INIT, unix.SYS_INOTIFY_INIT1,
	unix.SYS_DUP, unix.SYS_DUP2, unix.SYS_DUP3, unix.SYS_PIDFD_OPEN,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_IO_URING_SETUP, unix.SYS_USERFAULTFD,
}

func stmt(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

func jump(code uint16, k uint32, jt, jf uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k}
}

// zoneFilter answers TRAP for the calls above when the syscall instruction
// lies in the zone, ALLOW otherwise. Calls are told apart by number first, so
// that the kernel's cache of constant answers serves all others.
func zoneFilter() []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	p := []unix.SockFilter{
		stmt(load, dataArch),
		jump(equal, archX86_64, 1, 0),
		stmt(ret, unix.SECCOMP_RET_ALLOW),
		stmt(load, dataNR),
	}
	n := len(trapped)
	for i, nr := range trapped {
		// What follows the list: fcntl's 2 instructions, then its check (4), then the address check.
		p = append(p, jump(equal, nr, uint8(n-1-i+2+4), 0))
	}
	p = append(p,
		jump(equal, unix.SYS_FCNTL, 1, 0),
		stmt(ret, unix.SECCOMP_RET_ALLOW),
		stmt(load, dataArg1),
		jump(equal, unix.F_DUPFD, 2, 0),
		jump(equal, unix.F_DUPFD_CLOEXEC, 1, 0),
		stmt(ret, unix.SECCOMP_RET_ALLOW),
		stmt(load, dataIPHigh),
		jump(above, ZoneHi>>32, 2, 0),
		jump(above, ZoneLo>>32, 0, 1),
		stmt(ret, unix.SECCOMP_RET_TRAP),
		stmt(ret, unix.SECCOMP_RET_ALLOW),
	)
	return p
}
