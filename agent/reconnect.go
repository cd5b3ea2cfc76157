package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"mana/process"
	"mana/tcp"
	"mana/wire"
)

// reconnect makes the TCP connections of the programs again: with other agents
// those that led to their programs, here those that led nowhere else.
func reconnect(a *agent, all saved, conn *wire.Conn) (*process.Connections, error) {
	var tree []process.Saved
	for _, o := range all {
		tree = append(tree, o.Saved)
	}
	c := process.NewConnections(tree, a.warn)
	r := &rendezvous{a: a, conn: conn, to: c}
	err := r.offer()
	if err == nil && len(r.all) > 0 {
		err = r.meet(<-a.mates)
	}
	if err == nil {
		err = c.Make()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect the programs again: %w", err)
	}
	return c, nil
}

// rendezvous is where the agents of a restart find each other.
type rendezvous struct {
	a    *agent
	conn *wire.Conn
	to   *process.Connections
	all  []*tcp.Meeting
}

// offer tells the coordinator which ends lack their other one.
func (r *rendezvous) offer() error {
	lone, err := r.to.Lone()
	if err != nil {
		return err
	}
	m := wire.New("ENDS")
	for _, x := range lone {
		if err := x.Listen(r.all, hostOf(r.conn.LocalAddr())); err != nil {
			r.a.warn("a connection to %s is lost: %v", x.Remote, err)
			continue
		}
		r.all = append(r.all, x)
		m = m.With("end", x.End).With("at", x.At).With("token", x.Token)
	}
	return r.conn.Send(m)
}

func hostOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(t.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}

// meet connects those ends that other agents have the other ends of.
func (r *rendezvous) meet(mates wire.Message) error {
	var accept []*tcp.Meeting
	for _, s := range mates.All("accept") {
		if m := r.find(s); m != nil {
			accept = append(accept, m)
		}
	}
	tcp.StopListening(r.all, accept)
	defer tcp.StopListening(accept, nil)
	met := accept
	// Nobody waits for an answer here, so that no two agents wait for each other.
	for _, s := range mates.All("connect") {
		if m := r.connect(s); m != nil {
			met = append(met, m)
		}
	}
	if err := tcp.AcceptAll(accept); err != nil {
		r.a.warn("%v", err)
	}
	return r.refill(met)
}

func (r *rendezvous) find(end string) *tcp.Meeting {
	for _, m := range r.all {
		if m.End.String() == end {
			return m
		}
	}
	return nil
}

// connect goes to where another agent listens: "<end> <address> <token>".
func (r *rendezvous) connect(order string) *tcp.Meeting {
	f := strings.Split(order, " ")
	if len(f) != 5 {
		return nil
	}
	m := r.find(strings.Join(f[:3], " "))
	at, err := netip.ParseAddrPort(f[3])
	if m == nil || err != nil {
		return nil
	}
	if at.Addr().IsLoopback() && !m.Remote.Addr().IsLoopback() { // that of the coordinator's machine
		at = netip.AddrPortFrom(hostOf(r.conn.RemoteAddr()), at.Port())
	}
	if err := m.Connect(at, f[4]); err != nil {
		r.a.warn("the other end of the connection to %s is not found: %v", m.Remote, err)
		return nil
	}
	return m
}

// refill puts in flight what was, in all connections at once: the other sides go
// through theirs in another order.
func (r *rendezvous) refill(met []*tcp.Meeting) error {
	fds, errs := make([]int, len(met)), make([]error, len(met))
	var wg sync.WaitGroup
	for i, m := range met {
		wg.Add(1)
		go func() {
			defer wg.Done()
			fds[i], errs[i] = m.Refill()
		}()
	}
	wg.Wait()
	for i, m := range met {
		if errs[i] == nil && fds[i] >= 0 {
			r.to.Put(m.End, fds[i])
		}
	}
	return errors.Join(errs...)
}
