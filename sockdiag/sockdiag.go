// Package sockdiag asks the kernel about sockets that are not ours (sock_diag(7)).
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	headerLen    = 16 // struct nlmsghdr, netlink(7)
	sockDiagType = 20 // SOCK_DIAG_BY_FAMILY
)

// Dump asks for all sockets that match a request of some family, without its
// struct nlmsghdr, and calls each with the answers, without theirs.
func Dump(request []byte, each func(answer []byte)) error {
	return ask(request, unix.NLM_F_DUMP, each)
}

// Find asks for one socket. That there is none is no error.
func Find(request []byte) (answer []byte, err error) {
	err = ask(request, 0, func(b []byte) { answer = b })
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	return answer, err
}

func ask(request []byte, flags uint16, each func([]byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	b := make([]byte, headerLen, headerLen+len(request))
	binary.NativeEndian.PutUint32(b, uint32(headerLen+len(request)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagType)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|flags)
	if err := unix.Sendto(fd, append(b, request...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("read sock_diag: %w", err)
		}
		done, err := parse(buf[:n], each)
		if done || err != nil || flags&unix.NLM_F_DUMP == 0 {
			return err
		}
	}
}

// parse reads a datagram of answers and tells whether it was the last.
func parse(b []byte, each func([]byte)) (done bool, err error) {
	for len(b) >= headerLen {
		n := int(binary.NativeEndian.Uint32(b))
		if n < headerLen || n > len(b) {
			return true, errors.New("malformed answer of sock_diag")
		}
		body := b[headerLen:n]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return true, errors.New("malformed error of sock_diag")
			}
			return true, fmt.Errorf("sock_diag: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(body))))
		case sockDiagType:
			each(body)
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return false, nil
}
