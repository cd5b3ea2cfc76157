package coordinator

import (
	"strings"
	"testing"
	"time"

	"mana/wire"
)

const (
	server  = "127.0.0.1:80 127.0.0.1:4001 net"
	client1 = "127.0.0.1:4001 127.0.0.1:80 net"
	outside = "192.0.2.1:4002 192.0.2.2:80 "
)

// silent wants nothing from the coordinator for a moment.
func (c client) silent(why string) {
	c.t.Helper()
	if m, err := c.Recv(50 * time.Millisecond); err == nil {
		c.t.Fatalf("%s: %s", why, m)
	}
}

// TestMates: members whose programs are connected copy only when all stand still
// and nothing is in flight; others need not wait.
func TestMates(t *testing.T) {
	c, _ := start(t, Config{})
	dir := t.TempDir()
	a, b, other := join(t, c, dir, "1-1-1"), join(t, c, dir, "1-1-2"), join(t, c, dir, "1-1-3")
	call(t, c, "checkpoint", 0)
	for _, x := range []client{a, b, other} {
		x.want("CKPT")
		x.send("CLOCKS", "gen", 1, "mpi", 0)
	}
	for _, x := range []client{a, b, other} {
		x.want("DRAIN")
	}
	a.send("STILL", "gen", 1, "end", server, "end", outside, "end", "nonsense")
	other.send("STILL", "gen", 1)
	other.send("SNAPSHOT", "gen", 1)
	a.silent("before all stand still")
	b.send("STILL", "gen", 1, "end", client1)
	if m := a.want("MATES"); len(m.All("end")) != 1 || m.Get("end") != server {
		t.Errorf("the server's mates: %s", m)
	}
	if m := b.want("MATES"); m.Get("end") != client1 {
		t.Errorf("the client's mates: %s", m)
	}
	a.send("SETTLED", "gen", 1)
	a.silent("while the other has not settled")
	b.send("SETTLED", "gen", 1)
	a.want("COPY")
	b.want("COPY")
	a.send("SNAPSHOT", "gen", 1)
	a.silent("while the other has not copied")
	b.send("SNAPSHOT", "gen", 1)
	for _, x := range []client{a, b, other} {
		x.want("RUN")
	}
}

// TestNoMates: a connection to the outside keeps nobody.
func TestNoMates(t *testing.T) {
	c, _ := start(t, Config{})
	a := join(t, c, t.TempDir(), "1-1-1")
	call(t, c, "checkpoint", 0)
	a.want("CKPT")
	a.send("CLOCKS", "gen", 1, "mpi", 0)
	a.want("DRAIN")
	a.send("STILL", "gen", 1, "end", outside)
	if m := a.want("MATES"); len(m.All("end")) != 0 {
		t.Errorf("mates: %s", m)
	}
	a.send("SNAPSHOT", "gen", 1)
	a.want("RUN")
}

// TestRendezvous: at a restart the one end is told to wait for the other.
func TestRendezvous(t *testing.T) {
	c, _ := start(t, Config{})
	args := []any{"restart", 1, "comp", "x-1-1", "gen", 3, "total", 2}
	a := join(t, c, "/d", "1-1-1", args...)
	a.send("ENDS", "end", server, "at", "127.0.0.1:80", "token", "ta",
		"end", "127.0.0.1:80 127.0.0.1:4003 net", "at", "127.0.0.1:80", "token", "tb")
	a.silent("before all have come")
	b := join(t, c, "/d", "1-1-2", args...)
	a.silent("before all have told their ends")
	b.send("ENDS", "end", client1, "at", "127.0.0.1:4001", "token", "tc")
	if m := a.want("MATES"); m.Get("accept") != server || len(m.Args) != 1 {
		t.Errorf("the server is told %s", m)
	}
	if m := b.want("MATES"); m.Get("connect") != client1+" 127.0.0.1:80 ta" || len(m.Args) != 1 {
		t.Errorf("the client is told %s", m)
	}
	a.send("RESTORED", "gen", 3)
	b.send("RESTORED", "gen", 3)
	a.want("RESUME")
	b.want("RESUME")
}

func TestParseEnds(t *testing.T) {
	m := wire.New("ENDS", "end", server, "end", "x", "end", strings.Repeat(" ", 2), "end", client1)
	ends := parseEnds(m)
	if len(ends) != 4 || ends[0].String() != server || ends[1].Local.IsValid() || ends[2].Local.IsValid() || ends[3] != ends[0].Peer() {
		t.Errorf("%v", ends)
	}
}
