package tcp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// settleTime bounds how long all that is in flight may take to arrive. TCP_CORK
// and MSG_MORE hold data back for 200 ms (tcp(7)).
const settleTime = 5 * time.Second

// stallTime is how long nothing may arrive before a buffer is taken to be full.
const stallTime = 20 * time.Millisecond

// flow is data on its way to a receive queue.
type flow struct {
	to    int                 // the receiving socket, -1 if it is not at hand
	left  func() (int, error) // bytes that have not arrived
	spill func() error        // gets at them in another way; nil if there is none
	name  string              // who sends to whom

	before int // left when last looked at
	room   int // what the receive buffer has been widened to
	moved  time.Time
	over   bool
}

// arrive waits until the flows have run dry, and makes room for them.
func arrive(flows []*flow) error {
	deadline := time.Now().Add(settleTime)
	for {
		var slow *flow
		for _, f := range flows {
			if err := f.advance(); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			if !f.over {
				slow = f
			}
		}
		if slow == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: there is no room in the receive buffer for the last %d bytes", slow.name, slow.before)
		}
		time.Sleep(time.Millisecond)
	}
}

// advance looks whether the flow has run dry, and makes room for one that does
// not move.
func (f *flow) advance() error {
	if f.over {
		return nil
	}
	n, err := f.left()
	if f.over = n == 0; f.over || err != nil {
		return err
	}
	now := time.Now()
	if n != f.before {
		f.before, f.moved = n, now
	}
	if f.to < 0 || now.Sub(f.moved) < stallTime {
		return nil
	}
	f.moved = now
	if f.spill != nil && f.room == 0 && canWiden(f.to) {
		f.over = true
		return f.spill()
	}
	return f.makeRoom(n)
}

// makeRoom makes room for n bytes more.
func (f *flow) makeRoom(n int) error {
	queued, err := unix.IoctlGetInt(f.to, unix.SIOCINQ)
	if err != nil {
		return fmt.Errorf("count the bytes to be read: %w", err)
	}
	// The kernel closes the window at a sixteenth of the buffer (__tcp_select_window),
	// and small segments take more room than they have data: what does not help is
	// doubled.
	f.room = min(max(2*f.room, (queued+n)/16*17+192<<10), 1<<30)
	if err := widen(f.to, f.room); err != nil {
		return err
	}
	announce(f.to)
	return nil
}

// Send puts data on its way to the socket to, the other end of from. Both are new.
func Send(from, to int, data []byte) error {
	if err := warmUp(from, to, len(data)); err != nil {
		return err
	}
	return put(from, to, data, false)
}

// put sends data and, if asked to, waits until all has arrived.
func put(from, to int, data []byte, arrived bool) error {
	f := &flow{to: to, name: "what was in flight"}
	f.left = func() (int, error) {
		n, err := send(from, data)
		data = data[n:]
		if !arrived || err != nil {
			return len(data), err
		}
		n, err = unacknowledged(from)
		return len(data) + n, err
	}
	return arrive([]*flow{f})
}

// send sends as much as the kernel takes.
func send(fd int, data []byte) (int, error) {
	n := 0
	for n < len(data) {
		k, err := unix.SendmsgN(fd, data[n:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return n, fmt.Errorf("send %d bytes: %w", len(data)-n, err)
		}
		n += k
	}
	return n, nil
}
