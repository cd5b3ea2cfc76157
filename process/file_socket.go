package process

import (
	"errors"

	"golang.org/x/sys/unix"
)

// socket reads what a copy of the descriptor tells without disturbing the
// connection.
func (c *collector) socket(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	s := &Socket{}
	for _, q := range []struct {
		name int
		to   *int
	}{{unix.SO_DOMAIN, &s.Domain}, {unix.SO_TYPE, &s.Type}, {unix.SO_PROTOCOL, &s.Protocol}} {
		if *q.to, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, q.name); err != nil {
			return err
		}
	}
	listen, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	s.Listen = err == nil && listen != 0
	s.Local = sockaddr(fd, false)
	s.Remote = sockaddr(fd, true)
	if s.Domain == unix.AF_UNIX && !s.Listen {
		if s.Queue, err = peekSocket(fd); err != nil {
			return err
		}
	}
	s.options(fd)
	o.Socket = s
	return nil
}

// peekSocket copies the messages that wait in a unix socket. A stream is one
// message; of a packet socket the peek offset walks over the queue.
func peekSocket(fd int) ([][]byte, error) {
	before, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, 0)
	}
	if err != nil {
		return nil, err
	}
	defer unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, before)
	var queue [][]byte
	buf := make([]byte, 1<<20)
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTCONN) ||
			errors.Is(err, unix.ECONNRESET):
			return queue, nil
		case err != nil:
			return nil, err
		case n == 0:
			return queue, nil
		}
		queue = append(queue, append([]byte{}, buf[:n]...))
	}
}
