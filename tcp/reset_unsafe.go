package tcp

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reset breaks a connection, so that both programs see an error: connect(2) to no
// address, which unix.Connect cannot express.
func reset(fd int) error {
	var none [16]byte // AF_UNSPEC
	if _, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), uintptr(len(none))); e != 0 {
		return fmt.Errorf("reset the connection: %w", e)
	}
	return nil
}
