package tcp

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEndOf(t *testing.T) {
	v4 := []byte{2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	mapped := append([]byte{10, 0, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, 0, 0, 0, 0)
	far := []byte{2, 0, 0, 80, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	near := netip.MustParseAddrPort("127.0.0.1:8080")
	for _, c := range []struct {
		name          string
		local, remote []byte
		want          End
	}{
		{"IPv4", v4, v4, End{near, near, "net"}},
		{"mapped", mapped, v4, End{near, near, "net"}},
		{"no loopback address", far, far, End{Local: netip.MustParseAddrPort("192.0.2.1:80"), Remote: netip.MustParseAddrPort("192.0.2.1:80")}},
		{"closed", v4, nil, End{Local: near, Net: "net"}},
		{"cut short", v4[:6], mapped[:20], End{}},
		{"unix", []byte{1, 0, 'x', 'y'}, nil, End{}},
	} {
		if got := EndOf(c.local, c.remote, "net"); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestStateOf follows a connection to its end.
func TestStateOf(t *testing.T) {
	a, b := connection(t, unix.AF_INET6, six)
	check := func(when string, s *Socket, connected, alive, sentEnd, peerEnded bool) {
		t.Helper()
		st := stateOf(t, s.FD)
		if st.Connected() != connected || st.Alive() != alive || st.sentEnd() != sentEnd || st.PeerEnded() != peerEnded {
			t.Errorf("%s %s is %+v", when, s.Owner, st)
		}
	}
	check("first", a, true, true, false, false)
	unix.Shutdown(a.FD, unix.SHUT_WR)
	check("half closed", a, true, true, true, false)
	check("half closed", b, true, true, false, true)
	unix.Shutdown(b.FD, unix.SHUT_WR)
	check("closed", a, true, false, true, true)
	check("closed", b, true, false, true, true)
	fd, err := boundSocket(unix.AF_INET, four, nil)
	if err != nil {
		t.Fatal(err)
	}
	check("not connected", &Socket{FD: fd, Owner: "socket"}, false, false, true, false)
	unix.Close(fd)
}

// TestPeekUrgent: data behind an urgent byte cannot be copied unnoticed.
func TestPeekUrgent(t *testing.T) {
	a, b := connection(t, unix.AF_INET, four)
	send(a.FD, []byte("before"))
	if err := unix.Sendto(a.FD, []byte("!"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	send(a.FD, []byte("after"))
	if _, err := Peek(b.FD); !errors.Is(err, ErrUrgent) {
		t.Errorf("got %v", err)
	}
	take(t, b.FD, len("before"))
	take(t, b.FD, len("after"))
	if data, err := Peek(b.FD); err != nil || len(data) > 0 {
		t.Errorf("%q wait (%v)", data, err)
	}
}

func TestParseInetDiag(t *testing.T) {
	b := make([]byte, 72)
	b[1], b[56], b[60], b[68] = closeWait, 8, 5, 9
	m, err := parseInetDiag(b)
	if err != nil || *m != (mate{state: closeWait, unread: 7, unsent: 5, inode: 9}) {
		t.Errorf("%+v (%v)", m, err)
	}
	if _, err := parseInetDiag(b[:71]); err == nil {
		t.Error("a short answer is taken")
	}
}

func TestParseEnd(t *testing.T) {
	for _, text := range []string{"127.0.0.1:80 127.0.0.1:4000 boot/1", "[::1]:80 [::1]:4000 ", "192.0.2.1:1 192.0.2.2:2 "} {
		if e, err := ParseEnd(text); err != nil || e.String() != text {
			t.Errorf("%q is read as %q (%v)", text, e, err)
		}
	}
	for _, text := range []string{"", "127.0.0.1:80 127.0.0.1:4000", "127.0.0.1 127.0.0.1:4000 ", "a b c", "1 2 3 4"} {
		if e, err := ParseEnd(text); err == nil {
			t.Errorf("%q is read as %q", text, e)
		}
	}
}
