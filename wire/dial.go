package wire

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout bounds the connecting of a client to a host that does not answer.
const dialTimeout = 10 * time.Second

// ErrNoSecret says that no secret for the coordinator is known to this user.
var ErrNoSecret = errors.New("no secret is known for it")

// Dial connects to the coordinator at host:port and authenticates with
// whichever of this user's secrets opens it.
func Dial(host string, port int) (*Conn, error) {
	secrets := Secrets(host, port)
	where := net.JoinHostPort(host, strconv.Itoa(port))
	if len(secrets) == 0 {
		// Tell an absent coordinator from one that belongs to somebody else.
		c, err := dial(where)
		if err != nil {
			return nil, fmt.Errorf("connect to coordinator: %w", err)
		}
		c.Close()
		return nil, fmt.Errorf("coordinator at %s: %w", where, ErrNoSecret)
	}
	var last error
	for _, s := range secrets {
		c, err := DialSecret(where, s)
		if err == nil || !errors.Is(err, ErrAuth) {
			return c, err
		}
		last = err
	}
	return nil, last
}

// dial connects from a port that others may bind to all the same: a program that is
// restarted beside us may want it back for a connection of its own (socket(7)).
func dial(addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	}}
	return d.Dial("tcp", addr)
}

// DialSecret connects to addr and authenticates with one secret.
func DialSecret(addr, secret string) (*Conn, error) {
	raw, err := dial(addr)
	if err != nil {
		return nil, fmt.Errorf("connect to coordinator: %w", err)
	}
	c := NewConn(raw)
	if err := Authenticate(c, secret); err != nil {
		c.Close()
		return nil, fmt.Errorf("coordinator at %s: %w", addr, err)
	}
	return c, nil
}
