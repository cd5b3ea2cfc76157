package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"mana/tcp"
)

// Socket is what is known of a socket without disturbing it.
type Socket struct {
	Domain   int    `json:"domain"`
	Type     int    `json:"type"`
	Protocol int    `json:"protocol"`
	Local    []byte `json:"local,omitempty"` // raw sockaddr
	Remote   []byte `json:"remote,omitempty"`
	Listen   bool   `json:"listen,omitempty"`
	// Options are those that a fresh socket does not have.
	Options []SockOpt `json:"options,omitempty"`
	PeerIno uint64    `json:"peer_ino,omitempty"` // unix: the other end
	// Shut is which directions of a unix socket are shut down: 1 receiving, 2 sending.
	Shut int `json:"shut,omitempty"`
	// Queue is what could be peeked from the receive queue of a unix socket pair.
	Queue [][]byte `json:"queue,omitempty"`
	// TCP is set if the socket is, or was, connected; what waits to be read is among
	// the file's Contents.
	TCP *tcp.State `json:"tcp,omitempty"`
}

// socket reads what a copy of the descriptor tells without disturbing the
// connection.
func (c *collector) socket(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	s, err := socketOf(fd)
	if err != nil {
		return err
	}
	if s.Domain == unix.AF_UNIX && !s.Listen {
		if s.Queue, err = peekSocket(fd); err != nil {
			return err
		}
	}
	s.options(fd)
	o.Socket = s
	return c.tcp(o, fd)
}

// socketOf reads what all sockets have.
func socketOf(fd int) (*Socket, error) {
	s := &Socket{}
	for _, q := range []struct {
		name int
		to   *int
	}{{unix.SO_DOMAIN, &s.Domain}, {unix.SO_TYPE, &s.Type}, {unix.SO_PROTOCOL, &s.Protocol}} {
		var err error
		if *q.to, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, q.name); err != nil {
			return nil, fmt.Errorf("read the kind of the socket: %w", err)
		}
	}
	listen, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	s.Listen = err == nil && listen != 0
	s.Local = sockaddr(fd, false)
	s.Remote = sockaddr(fd, true)
	return s, nil
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
