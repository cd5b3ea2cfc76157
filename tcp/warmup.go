package tcp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// coldRoom is what a connection takes that has not been used yet.
	coldRoom = 64 << 10
	// warmUps is after how many rounds the buffers have become as large as they can.
	warmUps = 40
)

// warmUp makes the kernel let n bytes be in flight, as it did in the saved
// connection: buffers adapt to what goes through them (tcp_rmem and tcp_wmem,
// tcp(7)), so something does. On return it has all been read.
func warmUp(from, to, n int) error {
	if n <= coldRoom {
		return nil
	}
	n += n / 8 // segments may be smaller next time
	for range warmUps {
		sent, err := send(from, make([]byte, n))
		if err == nil {
			err = discard(to, sent)
		}
		if err != nil {
			return fmt.Errorf("warm the connection up: %w", err)
		}
		if sent == n {
			return nil
		}
	}
	return nil
}

// discard reads n bytes.
func discard(fd, n int) error {
	buf := make([]byte, 1<<20)
	deadline := time.Now().Add(settleTime)
	for n > 0 {
		k, err := unix.Read(fd, buf[:min(n, len(buf))])
		if errors.Is(err, unix.EAGAIN) {
			err = await(fd, unix.POLLIN, deadline)
		} else if k == 0 && err == nil {
			err = unix.ECONNRESET
		}
		if err != nil {
			return err
		}
		n -= max(k, 0)
	}
	return nil
}
