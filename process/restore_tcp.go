package process

import (
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"mana/tcp"
)

// Connections are the TCP connections of processes that are rebuilt, made again
// in this process before the sockets are handed to theirs.
type Connections struct {
	ends  []*savedEnd
	made  map[string]int // our descriptors, by socket
	lost  map[string]bool
	heard map[string]tcp.Listener // saved listeners, by socket
	files map[string]*File
	warn  func(format string, args ...any)
}

// savedEnd is a socket that is or was connected, whoever shares it.
type savedEnd struct {
	key    string
	file   *File
	memory io.ReaderAt
	tcp.Spec
}

// socketKey names a socket: its inode is its own until the machine boots anew.
func socketKey(st *State, f *File) string { return fmt.Sprint("tcp ", st.BootID, " ", f.Inode) }

// NewConnections finds out which sockets of the processes were connected.
func NewConnections(all []Saved, warn func(format string, args ...any)) *Connections {
	c := &Connections{made: make(map[string]int), lost: make(map[string]bool), heard: make(map[string]tcp.Listener),
		files: make(map[string]*File), warn: warn}
	for _, s := range all {
		for i := range s.State.Files {
			f := &s.State.Files[i]
			key := socketKey(s.State, f)
			if f.Kind != FileSocket || f.Socket == nil || !f.Socket.stream() || c.files[key] != nil {
				continue
			}
			switch {
			case f.Socket.TCP != nil:
				spec := tcp.Spec{Domain: f.Socket.Domain, State: *f.Socket.TCP,
					End: tcp.EndOf(f.Socket.Local, f.Socket.Remote, f.Socket.TCP.Net)}
				c.ends = append(c.ends, &savedEnd{key, f, s.Memory, spec})
			case f.Socket.Listen:
				at, _ := tcp.ParseAddr(f.Socket.Local)
				c.heard[key] = tcp.Listener{Domain: f.Socket.Domain, Local: at}
			default:
				continue
			}
			c.files[key] = f
		}
	}
	return c
}

// Make makes all sockets: pairs where both ends are here, connections that wait
// to be accepted, and ends whose peer is gone.
func (c *Connections) Make() error {
	living := c.living()
	var waiting []*savedEnd
	for _, e := range c.ends {
		_, made := c.made[e.key]
		peer := living[e.Peer()]
		var err error
		switch {
		case made:
		case e.Alive() && peer != nil && peer != e:
			err = c.pair(e, peer)
		case e.Unaccepted:
			waiting = append(waiting, e)
		default:
			err = c.alone(e)
		}
		if err != nil {
			return fmt.Errorf("make the connection of the socket at fd %d again: %w", e.file.FD, err)
		}
	}
	for _, e := range waiting { // now nothing else listens at the addresses
		if err := c.queue(e); err != nil {
			return fmt.Errorf("connect the socket at fd %d again: %w", e.file.FD, err)
		}
	}
	return nil
}

// Lone are ends whose other end is not here and may be rebuilt by another agent.
func (c *Connections) Lone() ([]*tcp.Meeting, error) {
	living := c.living()
	var out []*tcp.Meeting
	for _, e := range c.ends {
		if !e.Alive() || e.Unaccepted || living[e.Peer()] != nil {
			continue
		}
		data, err := e.data()
		if err != nil {
			return nil, err
		}
		out = append(out, &tcp.Meeting{Spec: e.Spec, Data: data})
	}
	return out, nil
}

// Put takes a socket over that has been connected to another agent's.
func (c *Connections) Put(end tcp.End, fd int) {
	c.take(c.living()[end], fd)
}

// take takes a connected socket over, whose name may not be the saved one.
func (c *Connections) take(e *savedEnd, fd int) {
	c.made[e.key] = fd
	if now, renamed := tcp.Renamed(fd, e.Local); renamed {
		c.warn("fd %d: the address %s is in use or not of this machine: its connection has %s now", e.file.FD, e.Local, now)
	}
}

// living finds living ends by how they see their connections.
func (c *Connections) living() map[tcp.End]*savedEnd {
	m := make(map[tcp.End]*savedEnd)
	for _, e := range c.ends {
		if e.Alive() {
			m[e.End] = e
		}
	}
	return m
}

// data reads what waited in the socket.
func (e *savedEnd) data() ([]byte, error) {
	var data []byte
	for _, run := range e.file.Contents {
		b := make([]byte, run.Len)
		if _, err := e.memory.ReadAt(b, run.Offset); err != nil {
			return nil, fmt.Errorf("read what was in flight: %w", err)
		}
		data = append(data, b...)
	}
	return data, nil
}

// pair connects two ends, with what was in flight between them.
func (c *Connections) pair(a, b *savedEnd) error {
	var err error
	var fds [2]int
	if fds[0], fds[1], err = tcp.Pair(a.Spec, b.Spec); err != nil {
		return err
	}
	c.take(a, fds[0])
	c.take(b, fds[1])
	for i, e := range []*savedEnd{a, b} {
		data, err := e.data()
		if err == nil {
			err = tcp.Send(fds[1-i], fds[i], data)
		}
		if err != nil {
			return err
		}
	}
	for i, e := range []*savedEnd{a, b} {
		if err := e.Close(fds[i]); err != nil {
			return err
		}
	}
	return nil
}

// alone makes an end whose peer is not here.
func (c *Connections) alone(e *savedEnd) error {
	data, err := e.data()
	if err != nil {
		return err
	}
	c.lost[e.key] = e.Alive() && !e.PeerEnded()
	if c.made[e.key], err = tcp.Alone(e.Spec, data); err != nil {
		delete(c.made, e.key) // it becomes an unconnected socket
		c.warn("fd %d: %v", e.file.FD, err)
	}
	return nil
}

// queue connects an end to its listener, which has not accepted it yet.
func (c *Connections) queue(e *savedEnd) error {
	for key, l := range c.heard {
		if !l.Hears(e.Remote) {
			continue
		}
		if _, ok := c.made[key]; !ok {
			fd, err := l.Listen(func(fd int) { c.files[key].Socket.apply(fd) })
			if err != nil {
				c.warn("%v", err)
				continue
			}
			c.made[key] = fd
		}
		fd, err := tcp.Connect(e.Spec)
		if err != nil {
			return err
		}
		c.take(e, fd)
		return e.Close(fd)
	}
	return c.alone(e)
}

// apply sets the saved options of a socket of ours; what is not set now is told
// when its process gets it.
func (s *Socket) apply(fd int) {
	for _, o := range s.Options {
		_ = unix.SetsockoptString(fd, o.Level, o.Name, string(o.Value))
	}
}

// Close closes our descriptors.
func (c *Connections) Close() {
	for _, fd := range c.made {
		unix.Close(fd)
	}
	clear(c.made)
}

// openStream takes a TCP socket over that has been made for the process.
func (r *Restored) openStream(f *File) (int, error) {
	key := socketKey(r.State, f)
	own, ok := r.opt.Connections.made[key]
	if lost := r.opt.Connections.lost[key]; !ok || lost && r.standard(f) {
		return -1, nil
	} else if lost {
		r.opt.Warn("the connection of the socket at fd %d is lost", f.FD)
	}
	fd, err := r.receive(own)
	if err != nil {
		return -1, err
	}
	// bind(2) has set it as it was, and it cannot be set any more.
	f.Socket.Options = slices.DeleteFunc(f.Socket.Options, func(o SockOpt) bool {
		return o.Level == unix.IPPROTO_IPV6 && o.Name == unix.IPV6_V6ONLY
	})
	r.setOptions(fd, f)
	return r.setFlags(fd, f)
}
