package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says how a socket was.
type Spec struct {
	Domain int
	End
	State
}

const backlog = 4096 // the kernel cuts it to its own limit

// connectTime bounds one attempt at a connection: a lost SYN is sent again after
// a second.
const connectTime = 3 * time.Second

// Pair connects two new sockets as a and b were, with their addresses where those
// can be had again, else with others of this machine.
func Pair(a, b Spec) (fa, fb int, err error) {
	if fa, fb, err = pair(a, b, listenExactly, connect); err == nil {
		return fa, fb, nil
	}
	// Which end listens cannot be told afterwards, but a port that somebody else
	// connects from can be connected from only.
	if fb, fa, err = pair(b, a, listenExactly, connect); err == nil {
		return fa, fb, nil
	}
	return pair(a, b, func(domain int, at netip.AddrPort) (int, error) { return listenAt(domain, at, loopback(at)) }, connectFrom)
}

// pair connects b to a, which listens for it.
func pair(a, b Spec, listenAt func(domain int, at netip.AddrPort) (int, error), connect func(domain int, from, to netip.AddrPort) (int, error)) (fa, fb int, err error) {
	l, err := listenAt(a.Domain, a.Local)
	if err != nil {
		return -1, -1, err
	}
	defer unix.Close(l)
	sa, err := unix.Getsockname(l)
	if err != nil {
		return -1, -1, err
	}
	if fb, err = connect(b.Domain, b.Local, addrPort(sa)); err != nil {
		return -1, -1, err
	}
	if fa, err = acceptFrom(l, fb); err != nil {
		unix.Close(fb)
		return -1, -1, err
	}
	return fa, fb, nil
}

// Renamed tells which local address a socket has that was to have another one.
func Renamed(fd int, was netip.AddrPort) (now netip.AddrPort, renamed bool) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return now, false
	}
	now = addrPort(sa)
	return now, now != was
}

// Listener is a socket that listens.
type Listener struct {
	Domain int
	Local  netip.AddrPort
}

// Hears tells whether who connects to an address reaches the listener.
func (l *Listener) Hears(at netip.AddrPort) bool {
	return l.Local.Port() == at.Port() && (l.Local.Addr() == at.Addr() || l.Local.Addr().IsUnspecified())
}

// Listen listens as a saved socket did; prepare sets its options.
func (l *Listener) Listen(prepare func(fd int)) (int, error) {
	fd, err := boundSocket(l.Domain, l.Local, prepare)
	if err == nil {
		if err = unix.Listen(fd, backlog); err == nil {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, fmt.Errorf("listen at %s: %w", l.Local, err)
}

// Connect connects a new socket, as the saved one was, to its listener.
func Connect(s Spec) (int, error) { return connectFrom(s.Domain, s.Local, s.Remote) }

// listenExactly listens at an address.
func listenExactly(domain int, at netip.AddrPort) (int, error) {
	return (&Listener{domain, at}).Listen(nil)
}

// listenAt listens at an address, or if that cannot be had at another.
func listenAt(domain int, at, or netip.AddrPort) (int, error) {
	fd, err := listenExactly(domain, at)
	if err != nil {
		if other, again := listenExactly(domain, or); again == nil {
			return other, nil
		}
	}
	return fd, err
}

// loopback is a free port of the loopback interface, of the kind of an address.
func loopback(like netip.AddrPort) netip.AddrPort {
	if like.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), 0)
}

// boundSocket makes a socket with a local address. SO_REUSEADDR lets others have
// the port too, which all connections of a server share (socket(7)).
func boundSocket(domain int, at netip.AddrPort, prepare func(fd int)) (int, error) {
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && domain == unix.AF_INET6 && at.Addr().Is4() {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if prepare != nil {
		prepare(fd)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(domain, at))
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connectFrom connects a socket with the local address from, or with one that
// the kernel chooses.
func connectFrom(domain int, from, to netip.AddrPort) (int, error) {
	fd, err := connect(domain, from, to)
	if err == nil {
		return fd, nil
	}
	some := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	if to.Addr().Is4() {
		some = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	if fd, again := connect(domain, some, to); again == nil {
		return fd, nil
	}
	return -1, fmt.Errorf("connect %s to %s: %w", from, to, err)
}

// connect waits if its port still is in use: an earlier life of the connection
// stands in its way for up to a second (tcp_tw_reuse in
// Documentation/networking/ip-sysctl.rst).
func connect(domain int, from, to netip.AddrPort) (int, error) {
	deadline := time.Now().Add(connectTime)
	for {
		fd, err := boundSocket(domain, from, nil)
		if errors.Is(err, unix.EADDRINUSE) {
			fd, err = sharedPort(domain, from)
		}
		if err != nil {
			return -1, err
		}
		if err = unix.Connect(fd, sockaddr(domain, to)); errors.Is(err, unix.EINPROGRESS) {
			if err = await(fd, unix.POLLOUT, deadline); err == nil {
				err = pendingError(fd)
			}
		}
		if _, other := Renamed(fd, from); err == nil && other && from.Port() != 0 {
			err = unix.EADDRINUSE // outside net.ipv4.ip_local_port_range nothing is shared
		}
		if err == nil {
			return fd, nil
		}
		unix.Close(fd)
		if !errors.Is(err, unix.EADDRNOTAVAIL) || time.Now().After(deadline) {
			return -1, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// sharedPort makes a socket that can connect from a port from which other sockets
// are connected elsewhere, as the kernel lets it do where it chooses a port by
// itself; bind(2) wants SO_REUSEADDR of all of them. So the kernel gets one port to
// choose from: IP_LOCAL_PORT_RANGE of ip(7), since Linux 6.3.
func sharedPort(domain int, from netip.AddrPort) (int, error) {
	var refused error
	fd, err := boundSocket(domain, netip.AddrPortFrom(from.Addr(), 0), func(fd int) {
		port := int(from.Port())
		refused = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, port<<16|port),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
	})
	if err == nil && refused != nil {
		unix.Close(fd)
		return -1, unix.EADDRINUSE
	}
	return fd, err
}

func pendingError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return err
}

// acceptFrom accepts the connection of the socket fd and nobody else's.
func acceptFrom(l, fd int) (int, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return -1, err
	}
	want := addrPort(sa)
	deadline := time.Now().Add(connectTime)
	for {
		if err := await(l, unix.POLLIN, deadline); err != nil {
			return -1, fmt.Errorf("accept the connection from %s: %w", want, err)
		}
		n, peer, err := unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ECONNABORTED):
		case err != nil:
			return -1, fmt.Errorf("accept: %w", err)
		case addrPort(peer) == want:
			return n, nil
		default:
			unix.Close(n)
		}
	}
}

// await polls one descriptor.
func await(fd int, events int16, deadline time.Time) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		n, err := unix.Poll(p, int(max(0, time.Until(deadline).Milliseconds())))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return nil
		}
	}
}
