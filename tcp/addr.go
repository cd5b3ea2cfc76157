package tcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// End is a connection as one of its ends sees it. IPv4 addresses are never
// mapped ones, so that sockets of both families can be compared.
type End struct {
	Local, Remote netip.AddrPort
	// Net names the network, of addresses that other networks have too.
	Net string
}

// Peer is the same connection as the other end sees it.
func (e End) Peer() End { return End{e.Remote, e.Local, e.Net} }

// String is the form in which agents tell each other of ends.
func (e End) String() string { return e.Local.String() + " " + e.Remote.String() + " " + e.Net }

// ParseEnd is the inverse of String.
func ParseEnd(s string) (e End, err error) {
	f := strings.Split(s, " ")
	if len(f) != 3 {
		return e, fmt.Errorf("malformed end of a connection %q", s)
	}
	e.Net = f[2]
	if e.Local, err = netip.ParseAddrPort(f[0]); err == nil {
		e.Remote, err = netip.ParseAddrPort(f[1])
	}
	return e, err
}

// EndOf reads raw addresses of a socket in the network net. A closed socket has
// no remote one any more.
func EndOf(local, remote []byte, net string) (e End) {
	e.Local, _ = ParseAddr(local)
	e.Remote, _ = ParseAddr(remote)
	if e.Local.Addr().IsLoopback() {
		e.Net = net
	}
	return e
}

// ParseAddr reads a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).
func ParseAddr(raw []byte) (netip.AddrPort, bool) {
	if len(raw) < 4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(raw[2:])
	switch family := binary.NativeEndian.Uint16(raw); {
	case family == unix.AF_INET && len(raw) >= 8:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port), true
	case family == unix.AF_INET6 && len(raw) >= 28:
		ip := netip.AddrFrom16([16]byte(raw[8:24])).Unmap()
		if scope := binary.NativeEndian.Uint32(raw[24:]); scope != 0 && ip.Is6() {
			ip = ip.WithZone(zoneName(scope))
		}
		return netip.AddrPortFrom(ip, port), true
	}
	return netip.AddrPort{}, false
}

// sockaddr is an address as a socket of the domain takes it.
func sockaddr(domain int, a netip.AddrPort) unix.Sockaddr {
	if domain == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zoneID(a.Addr().Zone())}
}

// addrPort is the inverse of sockaddr.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 && ip.Is6() {
			ip = ip.WithZone(zoneName(a.ZoneId))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}
