package splitproc

import (
	"testing"

	"golang.org/x/sys/unix"
)

// run interprets the few BPF instructions that zoneFilter uses.
func run(t *testing.T, prog []unix.SockFilter, arch, nr, ipHigh, arg0, arg1 uint32) uint32 {
	data := map[uint32]uint32{dataArch: arch, dataNR: nr, dataIPHigh: ipHigh, dataArg0: arg0, dataArg1: arg1}
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		i := prog[pc]
		hit := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[i.K]
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			hit = acc == i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			hit = acc >= i.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			hit = acc&i.K != 0
		default:
			t.Fatalf("instruction %#x", i.Code)
		}
		if hit {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	t.Fatal("ran off the end")
	return 0
}

func TestZoneFilter(t *testing.T) {
	const zone, upper = 0x3123, 0x7f12
	prog := zoneFilter()
	const allow, trap, missing = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	const thread, child = unix.CLONE_VM | unix.CLONE_SETTLS, uint32(unix.SIGCHLD)
	type call struct {
		arch, nr, ip, arg0, arg1 uint32
		action                   uint32
	}
	calls := []call{
		{archX86_64, unix.SYS_GETPPID, zone, 0, 0, allow},
		{archX86_64, unix.SYS_MUNMAP, zone, 0, 0, allow},
		{archX86_64, unix.SYS_FCNTL, zone, 0, unix.F_DUPFD, trap},
		{archX86_64, unix.SYS_FCNTL, zone, 0, unix.F_DUPFD_CLOEXEC, trap},
		{archX86_64, unix.SYS_FCNTL, zone, 0, unix.F_GETFD, allow},
		{archX86_64, unix.SYS_FCNTL, upper, 0, unix.F_DUPFD, allow},
		{archX86_64, unix.SYS_CLONE, zone, thread, 0, trap},
		{archX86_64, unix.SYS_CLONE, zone, child, 0, allow},
		{archX86_64, unix.SYS_CLONE, upper, thread, 0, allow},
		{archX86_64, unix.SYS_CLONE3, zone, 0, 0, missing},
		{archX86_64, unix.SYS_CLONE3, upper, 0, 0, allow},
		{archX86_64, unix.SYS_ARCH_PRCTL, zone, archSetFS, 0, trap},
		{archX86_64, unix.SYS_ARCH_PRCTL, zone, 0x1003, 0, allow},
		{archX86_64, unix.SYS_ARCH_PRCTL, upper, archSetFS, 0, allow},
		{archX86_64, unix.SYS_MMAP, ZoneLo >> 32, 0, 0, trap},
		{archX86_64, unix.SYS_MMAP, ZoneLo>>32 - 1, 0, 0, allow},
		{archX86_64, unix.SYS_MMAP, ZoneHi>>32 - 1, 0, 0, trap},
		{archX86_64, unix.SYS_MMAP, ZoneHi >> 32, 0, 0, allow},
		{0x40000003, unix.SYS_MMAP, zone, 0, 0, allow},
	}
	for _, nr := range trapped {
		calls = append(calls, call{archX86_64, nr, zone, 0, 0, trap}, call{archX86_64, nr, upper, 0, 0, allow})
	}
	for _, c := range calls {
		if got := run(t, prog, c.arch, c.nr, c.ip, c.arg0, c.arg1); got != c.action {
			t.Errorf("%+v: action %#x", c, got)
		}
	}
}
