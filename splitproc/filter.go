package splitproc

import "golang.org/x/sys/unix"

// Offsets in struct seccomp_data and the architecture word
// (include/uapi/linux/seccomp.h, audit.h).
const (
	dataNR       = 0
	dataArch     = 4
	dataIPHigh   = 12
	dataArg0     = 16
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

const archSetFS = 0x1002 // arch/x86/include/uapi/asm/prctl.h

// assembler puts a filter together from instructions and named places. Jumps go
// forward only, and not far.
type assembler struct {
	prog   []unix.SockFilter
	places map[string]int
	jumps  []func()
}

func (a *assembler) here(place string) { a.places[place] = len(a.prog) }

func (a *assembler) load(offset uint32) {
	a.prog = append(a.prog, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (a *assembler) answer(action uint32) {
	a.prog = append(a.prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action})
}

// when goes on at yes if the loaded word compares so with k, else with the next instruction.
func (a *assembler) when(comparison uint16, k uint32, yes string) {
	at := len(a.prog)
	a.prog = append(a.prog, unix.SockFilter{Code: unix.BPF_JMP | comparison | unix.BPF_K, K: k})
	a.jumps = append(a.jumps, func() { a.prog[at].Jt = uint8(a.places[yes] - at - 1) })
}

func (a *assembler) link() []unix.SockFilter {
	for _, jump := range a.jumps {
		jump()
	}
	return a.prog
}

// inZone answers with the action when the syscall instruction lies in the zone.
func (a *assembler) inZone(action uint32) {
	a.load(dataIPHigh)
	a.when(unix.BPF_JGE, ZoneHi>>32, "allow")
	a.prog = append(a.prog, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: ZoneLo >> 32, Jf: 1})
	a.answer(action)
	a.answer(unix.SECCOMP_RET_ALLOW)
}

// zoneFilter answers TRAP for the calls above, and for those of fcntl, clone and
// arch_prctl that make a descriptor or change the fs base, when the syscall
// instruction lies in the zone; ALLOW otherwise. clone3, whose flags a filter
// cannot see, is not there for the zone: libraries then use clone. Calls are
// told apart by number first, so that the kernel's cache of constant answers
// serves all others.
func zoneFilter() []unix.SockFilter {
	a := &assembler{places: map[string]int{}}
	a.load(dataArch)
	a.when(unix.BPF_JEQ, archX86_64, "native")
	a.answer(unix.SECCOMP_RET_ALLOW)
	a.here("native")
	a.load(dataNR)
	for _, nr := range trapped {
		a.when(unix.BPF_JEQ, nr, "trap")
	}
	a.when(unix.BPF_JEQ, unix.SYS_FCNTL, "fcntl")
	a.when(unix.BPF_JEQ, unix.SYS_CLONE, "clone")
	a.when(unix.BPF_JEQ, unix.SYS_CLONE3, "clone3")
	a.when(unix.BPF_JEQ, unix.SYS_ARCH_PRCTL, "arch_prctl")
	a.answer(unix.SECCOMP_RET_ALLOW)
	a.here("fcntl")
	a.load(dataArg1)
	a.when(unix.BPF_JEQ, unix.F_DUPFD, "trap")
	a.when(unix.BPF_JEQ, unix.F_DUPFD_CLOEXEC, "trap")
	a.answer(unix.SECCOMP_RET_ALLOW)
	a.here("clone")
	a.load(dataArg0)
	a.when(unix.BPF_JSET, unix.CLONE_SETTLS, "trap")
	a.answer(unix.SECCOMP_RET_ALLOW)
	a.here("arch_prctl")
	a.load(dataArg0)
	a.when(unix.BPF_JEQ, archSetFS, "trap")
	a.answer(unix.SECCOMP_RET_ALLOW)
	a.here("clone3")
	a.inZone(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	a.here("trap")
	a.inZone(unix.SECCOMP_RET_TRAP)
	a.here("allow")
	a.answer(unix.SECCOMP_RET_ALLOW)
	return a.link()
}
