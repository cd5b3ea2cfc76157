package tcp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPair makes a connection again after it was closed: its addresses come back.
func TestPair(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b Spec
	}{
		{"IPv4", Spec{Domain: unix.AF_INET}, Spec{Domain: unix.AF_INET}},
		{"IPv6", Spec{Domain: unix.AF_INET6}, Spec{Domain: unix.AF_INET6}},
		{"IPv4 to IPv6", Spec{Domain: unix.AF_INET6}, Spec{Domain: unix.AF_INET}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := four
			if c.b.Domain == unix.AF_INET6 {
				at = six
			}
			c.a.Local, c.b.Local = at, at
			fa, fb, err := Pair(c.a, c.b)
			if err != nil {
				t.Fatal(err)
			}
			c.a.End, c.b.End = endOf(t, fa), endOf(t, fb)
			if c.a.End != c.b.Peer() {
				t.Fatalf("%v and %v are not two ends", c.a.End, c.b.End)
			}
			unix.Close(fb) // first: its side goes through TIME_WAIT
			unix.Close(fa)
			fa, fb, err = Pair(c.a, c.b)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fa)
			defer unix.Close(fb)
			if a, b := endOf(t, fa), endOf(t, fb); a != c.a.End || b != c.b.End {
				t.Errorf("%v and %v have become %v and %v", c.a.End, c.b.End, a, b)
			}
			if d, _ := unix.GetsockoptInt(fa, unix.SOL_SOCKET, unix.SO_DOMAIN); d != c.a.Domain {
				t.Errorf("domain %d, want %d", d, c.a.Domain)
			}
		})
	}
}

// TestPairOfSharedPort: a port from which somebody else is connected by now comes
// back, whichever end had it; without it programs would find their names changed.
func TestPairOfSharedPort(t *testing.T) {
	for _, c := range []struct {
		name   string
		domain int
		at     netip.AddrPort
	}{{"IPv4", unix.AF_INET, four}, {"IPv6", unix.AF_INET6, six}} {
		for _, listens := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " listens=", listens), func(t *testing.T) {
				a, b := Spec{Domain: c.domain}, Spec{Domain: c.domain}
				a.Local, b.Local = free(t, c.domain, c.at), free(t, c.domain, c.at)
				a.Remote, b.Remote = b.Local, a.Local
				defer unix.Close(stranger(t, c.domain, b.Local))
				if listens {
					a, b = b, a
				}
				fa, fb, err := Pair(a, b)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fa)
				defer unix.Close(fb)
				if x, y := endOf(t, fa), endOf(t, fb); x != a.End || y != b.End {
					t.Errorf("%v and %v have become %v and %v", a.End, b.End, x, y)
				}
			})
		}
	}
}

// free is an address that nobody has.
func free(t *testing.T, domain int, like netip.AddrPort) netip.AddrPort {
	t.Helper()
	l := Listener{Domain: domain, Local: like}
	fd, err := l.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	sa, _ := unix.Getsockname(fd)
	return addrPort(sa)
}

// stranger is connected from an address, as if the kernel had chosen that.
func stranger(t *testing.T, domain int, from netip.AddrPort) int {
	t.Helper()
	l := Listener{Domain: domain, Local: netip.AddrPortFrom(from.Addr(), 0)}
	to, err := l.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(to)
	sa, _ := unix.Getsockname(to)
	fd, err := sharedPort(domain, from)
	if err != nil {
		t.Skip(err) // before Linux 6.3
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0), unix.SetNonblock(fd, false), unix.Connect(fd, sa))
	if now, renamed := Renamed(fd, from); err != nil || renamed {
		t.Fatalf("the stranger is connected from %v, not %v: %v", now, from, err)
	}
	return fd
}

// TestPairElsewhere: addresses that are in use, or are not of this machine, are
// replaced.
func TestPairElsewhere(t *testing.T) {
	l := Listener{Domain: unix.AF_INET, Local: four}
	fd, err := l.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	taken, _ := unix.Getsockname(fd)
	foreign := netip.MustParseAddrPort("192.0.2.1:4000") // TEST-NET-1, RFC 5737
	for _, at := range []netip.AddrPort{addrPort(taken), foreign} {
		fa, fb, err := Pair(Spec{Domain: unix.AF_INET, End: End{Local: at}}, Spec{Domain: unix.AF_INET, End: End{Local: at}})
		if err != nil {
			t.Fatal(err)
		}
		if err := Send(fa, fb, []byte("hello")); err != nil || string(take(t, fb, 5)) != "hello" {
			t.Errorf("%s: %v", at, err)
		}
		unix.Close(fa)
		unix.Close(fb)
	}
}

// TestAlone makes ends whose peers are gone, as they were saved in each state.
func TestAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		State
		errno error // of the read after the data
		shut  bool  // for writing
	}{
		{"reset", State{Code: established}, unix.ECONNRESET, true},
		{"peer had closed", State{Code: closeWait, Ended: true}, nil, false},
		{"both had", State{Code: closed, Ended: true}, nil, true},
		{"shut down, reset", State{Code: finWait2}, unix.ECONNRESET, true},
		{"failed", State{Code: closed, Ended: true, Failed: true}, unix.ECONNRESET, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := noise(1, 3<<20)
			fd, err := Alone(Spec{Domain: unix.AF_INET, End: End{Local: four}, State: c.State}, data)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if !bytes.Equal(take(t, fd, len(data)), data) {
				t.Error("what was to be read is not there")
			}
			if err := await(fd, unix.POLLRDHUP, time.Now().Add(5*time.Second)); err != nil {
				t.Fatal(err)
			}
			if n, err := unix.Read(fd, data); n > 0 || err != c.errno {
				t.Errorf("then %d bytes could be read (%v)", n, err)
			}
			if err := unix.Sendto(fd, []byte("x"), unix.MSG_NOSIGNAL, nil); (err != nil) != c.shut {
				t.Errorf("a write gives %v", err)
			}
		})
	}
}

// TestBacklog: a connection that waits to be accepted is told from others, and
// data in it is in the way of a checkpoint.
func TestBacklog(t *testing.T) {
	l := Listener{Domain: unix.AF_INET, Local: four}
	fd, err := l.Listen(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	at, _ := unix.Getsockname(fd)
	l.Local = addrPort(at)
	n, err := Connect(Spec{Domain: unix.AF_INET, End: End{Local: four, Remote: l.Local}})
	if err != nil {
		t.Fatal(err)
	}
	x := socket(t, n, "x")
	s := &Set{Sockets: []*Socket{x}, Listeners: []Listener{l}}
	if m, err := lookUp(x.Peer()); err != nil || m == nil {
		t.Skipf("inet_diag does not answer: %v", err)
	}
	if err := s.Settle(); err != nil || !x.Unaccepted {
		t.Errorf("taken for accepted (%v)", err)
	}
	if _, err := send(n, []byte("early")); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(); err == nil {
		t.Error("data that waits with the connection is overlooked")
	}
	if f, err := acceptFrom(fd, n); err != nil {
		t.Error(err)
	} else {
		defer unix.Close(f)
		x.Unaccepted = false
		if err := s.Settle(); err != nil || x.Unaccepted {
			t.Errorf("taken for unaccepted (%v)", err)
		}
	}
}
