package tcp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// spill copies what is in flight from x to y where that does not fit into the
// receive buffer of y: it takes all, and sends it again through x. That keeps the
// order, since nobody but us reads or writes meanwhile, and it fits: it did
// before, and the receive buffer can be made larger (canWiden). Should this
// process die in between, Guard sees to it that the program does not run on with
// a gap. Should it fail all the same, the connection is reset.
func (s *Set) spill(x, y *Socket) (err error) {
	if _, err := Peek(y.FD); err != nil { // urgent data would lose its place
		return err
	}
	if err := s.Guard(true); err != nil {
		return fmt.Errorf("guard what is in flight: %w", err)
	}
	y.Data, err = takeAll(x.FD, y.FD)
	if err == nil {
		y.Spilled = true
		err = put(x.FD, y.FD, y.Data, false)
	}
	if err != nil {
		err = errors.Join(err, reset(x.FD))
	}
	return errors.Join(err, s.Guard(false))
}

const (
	// takeTime bounds how long it may take to read what is in flight.
	takeTime = 30 * time.Second
	// quickRoom is the least buffer through which that is quick.
	quickRoom = 256 << 10
)

// takeAll reads what is in flight between two sockets.
func takeAll(from, to int) ([]byte, error) {
	if err := widen(to, quickRoom); err != nil {
		return nil, err
	}
	// The buffer must not adapt to our reading, or it would grow at each checkpoint.
	if lock, err := unix.GetsockoptInt(to, unix.SOL_SOCKET, unix.SO_BUF_LOCK); err == nil {
		if err := unix.SetsockoptInt(to, unix.SOL_SOCKET, unix.SO_BUF_LOCK, lock|lockRecv); err != nil {
			return nil, fmt.Errorf("fix the size of the receive buffer: %w", err)
		}
		defer unix.SetsockoptInt(to, unix.SOL_SOCKET, unix.SO_BUF_LOCK, lock)
	}
	var data []byte
	buf := make([]byte, 1<<20)
	deadline := time.Now().Add(takeTime)
	for {
		n, _, err := unix.Recvfrom(to, buf, unix.MSG_DONTWAIT)
		data = append(data, buf[:max(n, 0)]...)
		switch {
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return data, fmt.Errorf("take what is in flight: %w", err)
		case n > 0:
			continue
		}
		left, err := unacknowledged(from)
		if err != nil {
			return data, err
		}
		queued, err := unix.IoctlGetInt(to, unix.SIOCINQ)
		if err != nil || left == 0 && queued == 0 {
			return data, err
		}
		if time.Now().After(deadline) {
			return data, fmt.Errorf("%d bytes in flight do not arrive", left)
		}
		time.Sleep(time.Millisecond)
	}
}
