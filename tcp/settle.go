package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Socket is a connected socket of a program that stands still.
type Socket struct {
	FD    int    // our copy of the descriptor
	Owner string // who has it, for messages
	End
	State
	// Data is what is on its way to the socket, if Settle had to spill it: then not
	// all of it is in the receive queue.
	Data    []byte
	Spilled bool
}

// Set are all sockets of one agent's processes, each once.
type Set struct {
	Sockets   []*Socket
	Listeners []Listener
	// Guard says whether the death of this process is to end the owners.
	Guard func(on bool) error
}

// index finds living ends by how they see their connections.
func (s *Set) index() map[End]*Socket {
	m := make(map[End]*Socket)
	for _, x := range s.Sockets {
		if x.Alive() {
			m[x.End] = x
		}
	}
	return m
}

// Lone are the ends whose other end is not in the set.
func (s *Set) Lone() []*Socket {
	all := s.index()
	var out []*Socket
	for _, x := range s.Sockets {
		if x.Alive() && all[x.Peer()] == nil {
			out = append(out, x)
		}
	}
	return out
}

// ErrBusy says that what cannot be saved now may be so soon.
var ErrBusy = errors.New("a connection waits to be accepted")

// Settle waits until everything that the ends in the set, or an end that nobody
// has any more, have sent has arrived in receive queues. All owners stand still.
// It notes which lone ends wait to be accepted at the other side.
func (s *Set) Settle() error {
	flows := s.flows()
	for _, x := range s.Lone() {
		f, err := s.lone(x)
		if err != nil {
			return err
		}
		if f != nil {
			flows = append(flows, f)
		}
	}
	return arrive(flows)
}

// flows are those between ends of the set.
func (s *Set) flows() []*flow {
	all := s.index()
	var out []*flow
	for _, x := range all {
		y := all[x.Peer()]
		if y == nil {
			continue
		}
		f := y.flow(x.Owner, func() (int, error) { return unacknowledged(x.FD) })
		if !x.sentEnd() && !y.Ended { // else nothing can be sent again
			f.spill = func() error { return s.spill(x, y) }
		}
		out = append(out, f)
	}
	return out
}

// SettleWith waits until everything that some of the lone ends have sent has
// arrived at the other side, where somebody does the same: all owners there stand
// still too.
func (s *Set) SettleWith(ends map[End]bool) error {
	room := largest("tcp_wmem")
	var flows []*flow
	for _, x := range s.Sockets {
		if !ends[x.End] || !x.Alive() {
			continue
		}
		queued, err := unix.IoctlGetInt(x.FD, unix.SIOCINQ)
		if err == nil && queued > 0 { // more may wait for room
			err = widen(x.FD, queued/8*9+room)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", x.Owner, err)
		}
		flows = append(flows, &flow{to: -1, left: func() (int, error) { announce(x.FD); return unacknowledged(x.FD) },
			name: "from " + x.Owner + " to " + x.Remote.String()})
	}
	return arrive(flows)
}

// Announce tells the peers of some ends about the room that there is for them.
func (s *Set) Announce(ends map[End]bool) {
	for _, x := range s.Sockets {
		if ends[x.End] {
			announce(x.FD)
		}
	}
}

// flow is one that is to arrive in x.
func (x *Socket) flow(from string, left func() (int, error)) *flow {
	return &flow{to: x.FD, left: left, name: "from " + from + " to " + x.Owner}
}

// lone looks at the end to which x leads, if it is on this machine.
func (s *Set) lone(x *Socket) (*flow, error) {
	mate, err := lookUp(x.Peer())
	if err != nil || mate == nil || mate.inode != 0 {
		return nil, nil // somebody has it, or nobody can tell
	}
	switch mate.state {
	case established, closeWait:
		n, err := unacknowledged(x.FD)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Owner, err)
		}
		if n += mate.unread; n == 0 {
			x.Unaccepted = true
		} else if s.listening(x.Remote) {
			return nil, fmt.Errorf("%w: %s has sent %d bytes through it", ErrBusy, x.Owner, n)
		}
	default:
		// Closed, but not all that was sent has arrived.
		return x.flow("the closed end of its connection", func() (int, error) {
			m, err := lookUp(x.Peer())
			if err != nil || m == nil || m.inode != 0 {
				return 0, err
			}
			return m.unsent, nil
		}), nil
	}
	return nil, nil
}

// listening tells whether the set has a listener for an address.
func (s *Set) listening(at netip.AddrPort) bool {
	return slices.ContainsFunc(s.Listeners, func(l Listener) bool { return l.Hears(at) })
}
