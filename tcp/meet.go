package tcp

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// tokenLen is that of the proof that who connects is the other end's agent.
const tokenLen = 32

// meetTime bounds how long two agents wait for each other, which the coordinator
// has told of each other at the same time.
const meetTime = 20 * time.Second

// Meeting is an end whose other end another agent makes again, at the same time.
type Meeting struct {
	Spec
	Data  []byte         // what waits to be read
	At    netip.AddrPort // where we listen for the other agent
	Token string         // what it has to say there

	listener int // a descriptor that meetings at one address share
	fd       int
}

// Listen makes a meeting possible. From is our address on the way to other
// machines; if the saved address is not to be had, all are listened at.
func (m *Meeting) Listen(others []*Meeting, from netip.Addr) error {
	b := make([]byte, tokenLen/2)
	if _, err := rand.Read(b); err != nil {
		return err
	}
	m.Token, m.fd = hex.EncodeToString(b), -1
	for _, o := range others {
		if o.Local == m.Local && o.Domain == m.Domain {
			m.At, m.listener = o.At, o.listener
			return nil
		}
	}
	var err error
	if m.listener, err = listenAt(m.Domain, m.Local, anywhere(m.Local)); err != nil {
		return err
	}
	sa, err := unix.Getsockname(m.listener)
	if err != nil {
		return err
	}
	if m.At = addrPort(sa); m.At.Addr().IsUnspecified() {
		m.At = netip.AddrPortFrom(from, m.At.Port())
	}
	return nil
}

// anywhere is a free port of all interfaces, or of the loopback one where the
// saved address was of that: then the other end was on this machine too.
func anywhere(like netip.AddrPort) netip.AddrPort {
	switch {
	case like.Addr().IsLoopback():
		return loopback(like)
	case like.Addr().Is4():
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// StopListening closes the listeners of meetings that none of the others needs.
func StopListening(all, others []*Meeting) {
	keep := make(map[int]bool)
	for _, m := range others {
		keep[m.listener] = true
	}
	for _, m := range all {
		if !keep[m.listener] {
			keep[m.listener] = true
			unix.Close(m.listener)
		}
	}
}

// Connect goes to the other agent and says the token.
func (m *Meeting) Connect(at netip.AddrPort, token string) error {
	fd, err := connectFrom(m.Domain, m.Local, at)
	if err != nil {
		return err
	}
	if n, err := send(fd, []byte(token)); err != nil || n < len(token) {
		unix.Close(fd)
		return errors.Join(errors.New("say the token"), err)
	}
	m.fd = fd
	return nil
}

// AcceptAll waits for the other agents of meetings.
func AcceptAll(all []*Meeting) error {
	deadline := time.Now().Add(meetTime)
	for _, m := range all {
		for m.fd < 0 {
			if err := await(m.listener, unix.POLLIN, deadline); err != nil {
				return fmt.Errorf("wait at %s for the other end: %w", m.At, err)
			}
			fd, _, err := unix.Accept4(m.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ECONNABORTED) {
				continue
			}
			if err != nil {
				return fmt.Errorf("accept at %s: %w", m.At, err)
			}
			token := make([]byte, tokenLen)
			if err := receive(fd, token, time.Now().Add(time.Second)); err != nil || !admit(all, fd, string(token)) {
				unix.Close(fd) // a stranger
			}
		}
	}
	return nil
}

// admit gives a connection to the meeting that the token is for.
func admit(all []*Meeting, fd int, token string) bool {
	for _, m := range all {
		if m.fd < 0 && m.Token == token {
			m.fd = fd
			return true
		}
	}
	return false
}

// Refill puts in flight again what was. Each agent has what its own end is to
// read: it tells the other one, which sends it back. A meeting that did not come
// about gives no descriptor.
func (m *Meeting) Refill() (fd int, err error) {
	if m.fd < 0 {
		return -1, nil
	}
	deadline := time.Now().Add(meetTime)
	if len(m.Data) > 0 {
		if err := widen(m.fd, len(m.Data)/8*9+128<<10); err != nil {
			return -1, err
		}
	}
	told := make(chan error, 1)
	go func() {
		told <- sendAll(m.fd, append(binary.BigEndian.AppendUint64(nil, uint64(len(m.Data))), m.Data...), deadline)
	}()
	theirs, err := m.hear(deadline)
	if err = errors.Join(err, <-told); err != nil {
		return -1, err
	}
	if err := sendAll(m.fd, theirs, deadline); err != nil {
		return -1, err
	}
	return m.fd, m.Close(m.fd)
}

// hear receives what the other end is to read.
func (m *Meeting) hear(deadline time.Time) ([]byte, error) {
	head := make([]byte, 8)
	if err := receive(m.fd, head, deadline); err != nil {
		return nil, err
	}
	const most = 1 << 30 // more than any net.ipv4.tcp_rmem and tcp_wmem together
	n := binary.BigEndian.Uint64(head)
	if n > most {
		return nil, fmt.Errorf("the other end claims that %d bytes were in flight to it", n)
	}
	data := make([]byte, n)
	return data, receive(m.fd, data, deadline)
}

func sendAll(fd int, data []byte, deadline time.Time) error {
	for len(data) > 0 {
		n, err := send(fd, data)
		if data = data[n:]; err != nil {
			return err
		}
		if len(data) > 0 {
			if err := await(fd, unix.POLLOUT, deadline); err != nil {
				return fmt.Errorf("send the last %d bytes of what was in flight: %w", len(data), err)
			}
		}
	}
	return nil
}

// receive fills b.
func receive(fd int, b []byte, deadline time.Time) error {
	for len(b) > 0 {
		n, err := unix.Read(fd, b)
		switch {
		case errors.Is(err, unix.EAGAIN):
			err = await(fd, unix.POLLIN, deadline)
		case err == nil && n == 0:
			err = errors.New("the other agent has gone")
		case err == nil:
			b = b[n:]
		}
		if err != nil {
			return fmt.Errorf("receive %d bytes: %w", len(b), err)
		}
	}
	return nil
}
