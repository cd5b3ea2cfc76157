package tcp

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// States of a TCP socket (include/net/tcp_states.h).
const (
	established = 1
	synSent     = 2
	synRecv     = 3
	finWait1    = 4
	finWait2    = 5
	closed      = 7
	closeWait   = 8
	lastAck     = 9
	closing     = 11
)

// State is what a checkpoint keeps of a TCP socket that is or was connected,
// besides its addresses, its options and what waits to be read.
type State struct {
	Code int `json:"state"` // TCP_ESTABLISHED and so on
	// Ended says that nothing more is to be read: the peer has sent its FIN, or the
	// program has shut the socket down for reading.
	Ended bool `json:"ended,omitempty"`
	// Failed says that the connection cannot go on: an error waits to be told.
	Failed bool `json:"failed,omitempty"`
	// Unaccepted says that the other end waits to be accepted.
	Unaccepted bool `json:"unaccepted,omitempty"`
	// Net names the network in which the addresses mean something.
	Net string `json:"net,omitempty"`
}

// Connected tells whether the socket has, or had, a peer.
func (s *State) Connected() bool {
	switch s.Code {
	case established, finWait1, finWait2, closeWait, lastAck, closing:
		return true
	case closed:
		return s.Ended || s.Failed
	}
	return false
}

// Alive tells whether something can still come or go.
func (s *State) Alive() bool { return s.Connected() && s.Code != closed && !s.Failed }

// sentEnd tells whether the program has shut the socket down for writing.
func (s *State) sentEnd() bool {
	switch s.Code {
	case finWait1, finWait2, lastAck, closing, closed:
		return true
	}
	return false
}

// PeerEnded tells whether the peer's FIN has come.
func (s *State) PeerEnded() bool {
	switch s.Code {
	case closeWait, lastAck, closing:
		return true
	}
	return s.Code == closed && s.Ended && !s.Failed
}

// StateOf reads the state of a socket, without clearing an error that waits.
func StateOf(fd int) (State, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
	if err != nil {
		return State{}, fmt.Errorf("read TCP_INFO: %w", err)
	}
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(p, 0); err != nil {
		return State{}, fmt.Errorf("poll the socket: %w", err)
	}
	s := State{Code: int(info.State), Ended: p[0].Revents&unix.POLLRDHUP != 0, Failed: p[0].Revents&unix.POLLERR != 0}
	// A layer above (kTLS) has keys and records that cannot be read back.
	if ulp, err := unix.GetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP); err == nil && ulp != "" {
		s.Failed = true
	}
	return s, nil
}

// ErrUrgent is why the receive queue cannot be copied.
var ErrUrgent = errors.New("urgent data waits in the socket")

// Peek copies what waits to be read, without taking it.
func Peek(fd int) ([]byte, error) {
	n, err := waiting(fd)
	if err != nil || n == 0 { // a read of nothing would take the error that waits
		return nil, err
	}
	if off, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF); err == nil && off >= 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, -1); err != nil {
			return nil, fmt.Errorf("peek from the start: %w", err)
		}
		defer unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, off)
	}
	data := make([]byte, n)
	got, _, err := unix.Recvfrom(fd, data, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return nil, fmt.Errorf("peek %d bytes: %w", n, err)
	}
	if got < n { // tcp(7): a read ends at urgent data
		return nil, ErrUrgent
	}
	return data, nil
}

// waiting counts the bytes in the receive queue. With urgent data in it SIOCINQ
// counts up to that only, unless it is taken inline (tcp_inq, include/net/tcp.h).
func waiting(fd int) (int, error) {
	inline, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE)
	if err == nil && inline == 0 {
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1); err == nil {
			defer unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 0)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("look for urgent data: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 0, fmt.Errorf("count the bytes to be read: %w", err)
	}
	return n, nil
}

// unacknowledged counts the bytes, a FIN included, that the peer's kernel has
// not taken yet (SIOCOUTQ, tcp(7)).
func unacknowledged(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0, fmt.Errorf("count the bytes in flight: %w", err)
	}
	return n, nil
}
