package coordinator

import (
	"fmt"
	"net/netip"

	"mana/tcp"
	"mana/wire"
)

// parseEnds reads the ends of connections in a message. Those that cannot be read
// lead nowhere.
func parseEnds(m wire.Message) []tcp.End {
	var out []tcp.End
	for _, s := range m.All("end") {
		e, err := tcp.ParseEnd(s)
		if err != nil {
			e = tcp.End{}
		}
		out = append(out, e)
	}
	return out
}

// introduce tells the members, once all stand still, which of their connections
// lead to each other, and lets those copy once all has arrived that went through
// them. It tells whether it has taken a step.
func (k *checkpoint) introduce() bool {
	switch {
	case !k.mated && k.all(func(p *part) bool { return p.still || p.copied }):
		k.mated = true
		k.mate()
		for m, p := range k.parts {
			if len(p.ends) == 0 {
				continue
			}
			msg := wire.New("MATES", "gen", k.gen)
			for _, e := range p.mates {
				msg = msg.With("end", e)
			}
			m.send(msg)
		}
		return true
	case k.mated && !k.copying && k.all(func(p *part) bool { return p.settled || len(p.mates) == 0 }):
		k.copying = true
		for m, p := range k.parts {
			if len(p.mates) > 0 {
				m.send(wire.New("COPY", "gen", k.gen))
			}
		}
		return true
	}
	return false
}

// mate finds the ends whose other end another member has.
func (k *checkpoint) mate() {
	owner := make(map[tcp.End]*part)
	for _, p := range k.parts {
		for _, e := range p.ends {
			owner[e] = p
		}
	}
	for _, p := range k.parts {
		for _, e := range p.ends {
			if o := owner[e.Peer()]; o != nil && o != p && e.Local.IsValid() {
				p.mates = append(p.mates, e)
			}
		}
	}
}

// offer is an end of a connection that an agent makes again, where it listens for
// the other end's agent, and what that one has to say there.
type offer struct {
	tcp.End
	at, token string
}

// offered takes note of the ends that a restarting agent has.
func (c *Coordinator) offered(m *member, msg wire.Message) {
	if c.restart == nil || c.restart.offers == nil {
		return
	}
	ends, at, token := parseEnds(msg), msg.All("at"), msg.All("token")
	if len(at) < len(ends) || len(token) < len(ends) {
		ends = nil
	}
	c.restart.offers[m] = []offer{}
	for i, e := range ends {
		c.restart.offers[m] = append(c.restart.offers[m], offer{e, at[i], token[i]})
	}
	c.advanceRestart()
}

// introduce tells restarting agents which of them have two ends of a connection,
// and who of the two goes to the other.
func (r *restart) introduce() {
	all := make(map[tcp.End]offer)
	uses := make(map[netip.AddrPort]int)
	for _, offers := range r.offers {
		for _, o := range offers {
			all[o.End] = o
			uses[o.Local]++
		}
	}
	for m, offers := range r.offers {
		if len(offers) == 0 {
			continue
		}
		msg := wire.New("MATES")
		for _, o := range offers {
			switch p, ok := all[o.Peer()]; {
			case !ok:
			case waits(o, p, uses):
				msg = msg.With("accept", o.End)
			default:
				msg = msg.With("connect", fmt.Sprint(o.End, " ", p.at, " ", p.token))
			}
		}
		m.send(msg)
	}
	r.offers = nil
}

// waits tells whether o is the end that is come to: the one whose address serves
// more connections, as a server's does.
func waits(o, peer offer, uses map[netip.AddrPort]int) bool {
	if n := uses[o.Local] - uses[peer.Local]; n != 0 {
		return n > 0
	}
	return o.End.String() < peer.End.String()
}
