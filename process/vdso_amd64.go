package process

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// jumpTo is `movabs $addr, %r11; jmp *%r11`: r11 is clobbered by any call.
func jumpTo(addr uint64) []byte {
	code := binary.LittleEndian.AppendUint64([]byte{0x49, 0xbb}, addr)
	return append(code, 0x41, 0xff, 0xe3)
}

// vdsoFallback is `mov $nr, %eax; syscall; ret` for the vdso functions that
// have a system call of the same arguments.
func vdsoFallback(name string) []byte {
	nr, ok := map[string]uint32{
		"clock_gettime": unix.SYS_CLOCK_GETTIME,
		"clock_getres":  unix.SYS_CLOCK_GETRES,
		"gettimeofday":  unix.SYS_GETTIMEOFDAY,
		"time":          unix.SYS_TIME,
		"getcpu":        unix.SYS_GETCPU,
		"getrandom":     unix.SYS_GETRANDOM,
	}[strings.TrimPrefix(name, "__vdso_")]
	if !ok {
		return nil
	}
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, nr)
	return append(code, 0x0f, 0x05, 0xc3)
}
