package process

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr returns the raw address of a socket or its peer, nil if it has none.
func sockaddr(fd int, peer bool) []byte {
	nr := uintptr(unix.SYS_GETSOCKNAME)
	if peer {
		nr = unix.SYS_GETPEERNAME
	}
	var b [128]byte
	n := uint32(len(b))
	_, _, e := unix.Syscall(nr, uintptr(fd), uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&n)))
	if e != 0 || int(n) > len(b) {
		return nil
	}
	return b[:n]
}

// getsockopt returns the raw value of an option, nil if there is none.
func getsockopt(fd, level, name int) []byte {
	var b [64]byte
	n := uint32(len(b))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&b)), uintptr(unsafe.Pointer(&n)), 0)
	if e != 0 || int(n) > len(b) {
		return nil
	}
	return b[:n]
}
