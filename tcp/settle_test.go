package tcp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// local is an address of the loopback interface with a free port.
var (
	four = netip.MustParseAddrPort("127.0.0.1:0")
	six  = netip.MustParseAddrPort("[::1]:0")
)

// connection is a new pair of sockets that do not block.
func connection(t *testing.T, domain int, at netip.AddrPort) (a, b *Socket) {
	t.Helper()
	fa, fb, err := Pair(Spec{Domain: domain, End: End{Local: at}}, Spec{Domain: domain, End: End{Local: at}})
	if err != nil {
		t.Fatal(err)
	}
	return socket(t, fa, "a"), socket(t, fb, "b")
}

// socket describes a socket as it is now.
func socket(t *testing.T, fd int, owner string) *Socket {
	t.Helper()
	t.Cleanup(func() { unix.Close(fd) })
	return &Socket{FD: fd, Owner: owner, End: endOf(t, fd), State: stateOf(t, fd)}
}

func endOf(t *testing.T, fd int) End {
	t.Helper()
	local, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	remote, err := unix.Getpeername(fd)
	if err != nil {
		t.Fatal(err)
	}
	return End{Local: addrPort(local), Remote: addrPort(remote)}
}

func stateOf(t *testing.T, fd int) State {
	t.Helper()
	s, err := StateOf(fd)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noise is data of which no two pieces are alike.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// stuff sends until the kernel takes no more and returns what it took.
func stuff(t *testing.T, fd int, seed uint64) []byte {
	t.Helper()
	data := noise(seed, 12<<20)
	n := 0
	for n < len(data) {
		k, err := unix.SendmsgN(fd, data[n:min(len(data), n+48<<10)], nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EAGAIN {
			if await(fd, unix.POLLOUT, time.Now().Add(50*time.Millisecond)) != nil {
				return data[:n]
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	return data[:n]
}

// take reads n bytes for good.
func take(t *testing.T, fd, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	deadline := time.Now().Add(20 * time.Second)
	for got := 0; got < n; {
		k, err := unix.Read(fd, b[got:])
		if err == unix.EAGAIN {
			err = await(fd, unix.POLLIN, deadline)
			k = 0
		} else if k == 0 {
			t.Fatalf("ended after %d of %d bytes (%v)", got, n, err)
		}
		if err != nil {
			t.Fatalf("%d of %d bytes: %v", got, n, err)
		}
		got += k
	}
	return b
}

// pending is what a checkpoint finds on its way to a socket.
func pending(t *testing.T, s *Socket) []byte {
	t.Helper()
	if s.Spilled {
		return s.Data
	}
	b, err := Peek(s.FD)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSettle has full sockets settle, again and again, while nobody reads all.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		rcvbuf int
		spill  bool
	}{{0, false}, {8 << 10, false}, {0, true}} {
		t.Run(fmt.Sprintf("rcvbuf=%d,spill=%v", c.rcvbuf, c.spill), func(t *testing.T) {
			a, b := connection(t, unix.AF_INET, four)
			if c.rcvbuf > 0 {
				unix.SetsockoptInt(b.FD, unix.SOL_SOCKET, unix.SO_RCVBUF, c.rcvbuf)
			}
			var sent, got []byte
			for i := range 4 {
				sent = append(sent, stuff(t, a.FD, uint64(i))...)
				settle(t, a, b, c.spill)
				if data := pending(t, b); !bytes.Equal(data, sent[len(got):]) {
					t.Fatalf("%d bytes wait to be read that are not the %d that were sent", len(data), len(sent)-len(got))
				}
				got = append(got, take(t, b.FD, len(sent)-len(got)-100<<10)...)
			}
			got = append(got, take(t, b.FD, len(sent)-len(got))...)
			if !bytes.Equal(got, sent) {
				t.Error("what was read is not what was sent")
			}
		})
	}
}

// settle has what a sent to b arrive, by one means or the other.
func settle(t *testing.T, a, b *Socket, spill bool) {
	t.Helper()
	b.Spilled = false
	guards := 0
	s := &Set{Sockets: []*Socket{a, b}, Guard: func(bool) error { guards++; return nil }}
	unix.SetsockoptInt(b.FD, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 7)
	err := error(nil)
	if spill {
		err = s.spill(a, b)
	} else {
		err = s.Settle()
	}
	if err != nil {
		t.Fatal(err)
	}
	if b.Spilled != (guards == 2) || spill && !b.Spilled {
		t.Errorf("spilled: %v, guarded %d times", b.Spilled, guards)
	}
	if n, _ := unix.GetsockoptInt(b.FD, unix.SOL_SOCKET, unix.SO_RCVLOWAT); n != 7 {
		t.Errorf("SO_RCVLOWAT is %d", n)
	}
}

// TestReset: a connection that has lost data is broken for both.
func TestReset(t *testing.T) {
	a, b := connection(t, unix.AF_INET6, six)
	if err := reset(a.FD); err != nil {
		t.Fatal(err)
	}
	if err := await(b.FD, unix.POLLRDHUP, time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Read(b.FD, make([]byte, 1)); err != unix.ECONNRESET {
		t.Errorf("the other end reads: %v", err)
	}
	if st := stateOf(t, a.FD); st.Code != closed {
		t.Errorf("this end is in state %d", st.Code)
	}
}
