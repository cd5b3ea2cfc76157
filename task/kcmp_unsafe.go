package task

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// InEpoll tells whether descriptor fd of a process is what the set epfd has under
// the number tfd, of several the one that nth others precede (kcmp(2),
// KCMP_EPOLL_TFD).
func InEpoll(pid, fd, epfd, tfd, nth int) (bool, error) {
	const kcmpEpollTFD = 7
	slot := [3]uint32{uint32(epfd), uint32(tfd), uint32(nth)} // struct kcmp_epoll_slot
	r, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(pid), uintptr(pid), kcmpEpollTFD, uintptr(fd), uintptr(unsafe.Pointer(&slot)), 0)
	if e != 0 {
		return false, e
	}
	return r == 0, nil
}
