package tcp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// spill copies what is in flight from x to y where that does not fit into the
// receive buffer of y: it takes all, and sends it again through x. That keeps the
// order, since nobody but us reads or writes meanwhile, and it fits, since it did
// before. Should this process die in between, Guard sees to it that the program
// does not run on with a gap.
func (s *Set) spill(x, y *Socket) (err error) {
	if _, err := Peek(y.FD); err != nil { // urgent data would lose its place
		return err
	}
	if err := s.Guard(true); err != nil {
		return fmt.Errorf("guard what is in flight: %w", err)
	}
	data, err := takeAll(x.FD, y.FD)
	y.Data, y.Spilled = data, err == nil
	err = errors.Join(err, Send(x.FD, y.FD, data))
	return errors.Join(err, s.Guard(false))
}

// takeAll reads what is in flight between two sockets.
func takeAll(from, to int) ([]byte, error) {
	var data []byte
	buf := make([]byte, 1<<20)
	deadline := time.Now().Add(settleTime)
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
