package task

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// OpenPeer opens the terminal of a pseudo-terminal's master, both ours, whatever
// is mounted here (ioctl_tty(2)).
func OpenPeer(master, flags int) (int, error) {
	fd, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, uintptr(flags))
	if e != 0 {
		return -1, fmt.Errorf("open the terminal of a master: %w", e)
	}
	return int(fd), nil
}
