package tcp

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Close shuts a new socket down as far as the saved one was.
func (s *State) Close(fd int) error {
	if s.Failed {
		return nil
	}
	if s.sentEnd() {
		if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
			return fmt.Errorf("shut down for writing: %w", err)
		}
	}
	if s.Ended && !s.PeerEnded() {
		if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
			return fmt.Errorf("shut down for reading: %w", err)
		}
	}
	return nil
}

// Alone makes a socket whose other end is gone: what waits in it can be read, and
// then come the end or, if the peer had not sent that, an error.
func Alone(s Spec, data []byte) (int, error) {
	peer := s.Peer()
	if !peer.Local.IsValid() { // a closed socket does not tell it any more
		peer.Local = loopback(s.Local)
	}
	mate, fd, err := Pair(Spec{Domain: s.Domain, End: peer}, s)
	if err != nil {
		return -1, err
	}
	if err = put(mate, fd, data, true); err == nil { // who closes does not send for long any more
		err = s.end(mate)
	}
	err = errors.Join(err, s.Close(fd), unix.Close(mate))
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// end ends the connection at the peer's side as the peer had, or else by a reset.
func (s *State) end(mate int) error {
	if s.PeerEnded() {
		return unix.Shutdown(mate, unix.SHUT_WR) // first: so not the saved port is left in TIME_WAIT
	}
	return unix.SetsockoptLinger(mate, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // socket(7)
}
