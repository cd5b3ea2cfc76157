package splitproc

import (
	"testing"

	"golang.org/x/sys/unix"
)

// run interprets the few BPF instructions that zoneFilter uses.
func run(t *testing.T, prog []unix.SockFilter, arch, nr, ipHigh, arg1 uint32) uint32 {
	data := map[uint32]uint32{dataArch: arch, dataNR: nr, dataIPHigh: ipHigh, dataArg1: arg1}
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
	type call struct {
		arch, nr, ip, arg1 uint32
		trap               bool
	}
	calls := []call{
		{archX86_64, unix.SYS_GETPPID, zone, 0, false},
		{archX86_64, unix.SYS_MUNMAP, zone, 0, false},
		{archX86_64, unix.SYS_FCNTL, zone, unix.F_DUPFD, true},
		{archX86_64, unix.SYS_FCNTL, zone, unix.F_DUPFD_CLOEXEC, true},
		{archX86_64, unix.SYS_FCNTL, zone, unix.F_GETFD, false},
		{archX86_64, unix.SYS_FCNTL, upper, unix.F_DUPFD, false},
		{archX86_64, unix.SYS_MMAP, ZoneLo >> 32, 0, true},
		{archX86_64, unix.SYS_MMAP, ZoneLo>>32 - 1, 0, false},
		{archX86_64, unix.SYS_MMAP, ZoneHi>>32 - 1, 0, true},
		{archX86_64, unix.SYS_MMAP, ZoneHi >> 32, 0, false},
		{0x40000003, unix.SYS_MMAP, zone, 0, false},
	}
	for _, nr := range trapped {
		calls = append(calls, call{archX86_64, nr, zone, 0, true}, call{archX86_64, nr, upper, 0, false})
	}
	for _, c := range calls {
		got := run(t, prog, c.arch, c.nr, c.ip, c.arg1)
		if trap := got == unix.SECCOMP_RET_TRAP; trap != c.trap || !trap && got != unix.SECCOMP_RET_ALLOW {
			t.Errorf("%+v: action %#x", c, got)
		}
	}
}
