package wire

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrTooLong is returned by Recv for a line over the current limit.
var ErrTooLong = errors.New("message too long")

// Conn sends and receives messages over a stream. Send may be called from
// several goroutines; Recv from one.
type Conn struct {
	c     net.Conn
	r     *bufio.Reader
	wmu   sync.Mutex
	limit int
}

// NewConn wraps c. Messages are single small lines in a request and answer
// pattern, the worst case for Nagle's algorithm, so it is turned off (the Go
// default, stated here because the protocol depends on it).
func NewConn(c net.Conn) *Conn {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetNoDelay(true)
		t.SetKeepAlivePeriod(30 * time.Second)
	}
	return &Conn{c: c, r: bufio.NewReader(c), limit: MaxLine}
}

// SetLimit bounds the length of the lines that Recv accepts.
func (c *Conn) SetLimit(n int) { c.limit = n }

// Send writes one message. A peer that does not read for ten seconds is
// given up, so that one stuck client never stops the coordinator.
func (c *Conn) Send(m Message) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.c.Write([]byte(m.String() + "\n")); err != nil {
		return fmt.Errorf("send %s to %s: %w", m.Verb, c.c.RemoteAddr(), err)
	}
	return nil
}

// Recv reads the next message; timeout 0 waits without limit.
func (c *Conn) Recv(timeout time.Duration) (Message, error) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	c.c.SetReadDeadline(deadline)
	line, err := c.readLine()
	if err != nil {
		return Message{}, err
	}
	return Parse(line)
}

func (c *Conn) readLine() (string, error) {
	var line []byte
	for {
		part, err := c.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > c.limit {
			return "", ErrTooLong
		}
		if err == nil {
			return string(line), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() }

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.c.LocalAddr() }

// RemoteAddr names the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.c.RemoteAddr() }
