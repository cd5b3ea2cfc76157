package process

import (
	"golang.org/x/sys/unix"
)

// SockOpt is one socket option, as raw bytes.
type SockOpt struct {
	Level int    `json:"level"`
	Name  int    `json:"name"`
	Value []byte `json:"value"`
}

// sockOpts are the options that are carried over. Buffer sizes are not here: the
// kernel doubles what is set, and stops to adapt them.
var sockOpts = []struct{ level, name int }{
	{unix.SOL_SOCKET, unix.SO_REUSEADDR}, {unix.SOL_SOCKET, unix.SO_REUSEPORT},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.SOL_SOCKET, unix.SO_BROADCAST},
	{unix.SOL_SOCKET, unix.SO_LINGER}, {unix.SOL_SOCKET, unix.SO_OOBINLINE},
	{unix.SOL_SOCKET, unix.SO_PASSCRED}, {unix.SOL_SOCKET, unix.SO_RCVLOWAT},
	{unix.SOL_SOCKET, unix.SO_RCVTIMEO}, {unix.SOL_SOCKET, unix.SO_SNDTIMEO},
	{unix.SOL_SOCKET, unix.SO_TIMESTAMP}, {unix.SOL_SOCKET, unix.SO_PEEK_OFF},
	{unix.SOL_SOCKET, unix.SO_PRIORITY}, {unix.SOL_SOCKET, unix.SO_DONTROUTE},
	{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
	{unix.IPPROTO_IP, unix.IP_TTL}, {unix.IPPROTO_IP, unix.IP_TOS},
	{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
}

// options reads those that differ from a fresh socket's.
func (s *Socket) options(fd int) {
	fresh, err := unix.Socket(s.Domain, s.Type|unix.SOCK_CLOEXEC, s.Protocol)
	if err != nil {
		fresh = -1
	} else {
		defer unix.Close(fresh)
	}
	for _, o := range sockOpts {
		if !s.has(o.level) {
			continue
		}
		v := getsockopt(fd, o.level, o.name)
		if v != nil && (fresh < 0 || string(v) != string(getsockopt(fresh, o.level, o.name))) {
			s.Options = append(s.Options, SockOpt{o.level, o.name, v})
		}
	}
}

// has tells whether options of a level apply to a socket.
func (s *Socket) has(level int) bool {
	inet := s.Domain == unix.AF_INET || s.Domain == unix.AF_INET6
	switch level {
	case unix.IPPROTO_TCP:
		return inet && s.Type == unix.SOCK_STREAM
	case unix.IPPROTO_IP:
		return s.Domain == unix.AF_INET
	case unix.IPPROTO_IPV6:
		return s.Domain == unix.AF_INET6
	}
	return true
}

// setOptions gives a new socket the options of the saved one.
func (r *Restored) setOptions(fd int, f *File) {
	for _, o := range f.Socket.Options {
		if err := r.main.SetsockoptBytes(fd, o.Level, o.Name, o.Value); err != nil {
			r.opt.Warn("option %d.%d of the socket at fd %d is not set: %v", o.Level, o.Name, f.FD, err)
		}
	}
}

// openLoose brings back a socket without a connection that another process
// would have to make again: a fresh one, or one for datagrams.
func (r *Restored) openLoose(f *File) (int, error) {
	s := f.Socket
	if s.Domain == unix.AF_UNIX && !bound(s.Local) && !bound(s.Remote) && (len(s.Queue) > 0 || len(s.Remote) > 0) {
		return r.openLost(f) // one of a pair of datagram sockets whose other end is closed
	}
	fd, err := r.main.Socket(s.Domain, s.Type, s.Protocol)
	if err != nil {
		r.opt.Warn("fd %d: cannot make a socket again: %v", f.FD, err)
		return -1, nil
	}
	r.setOptions(fd, f)
	if bound(s.Local) {
		if path := unixPath(s.Local); path != "" {
			_ = r.main.Unlink(path) // the saved process made it
		}
		err = r.main.Bind(fd, s.Local)
		if err == nil && len(s.Queue) > 0 {
			err = r.refillNamed(f)
		}
	}
	if err == nil && len(s.Remote) > 0 {
		err = r.main.Connect(fd, s.Remote)
	}
	if err != nil {
		r.opt.Warn("the socket at fd %d has lost its address: %v", f.FD, err)
	}
	return r.setFlags(fd, f)
}

// refillNamed puts back what waits to be read at a unix datagram socket, by its
// name. Who sent it is lost.
func (r *Restored) refillNamed(f *File) error {
	s := f.Socket
	sender, err := r.main.Socket(s.Domain, s.Type, s.Protocol)
	if err != nil {
		return err
	}
	if err = r.main.Connect(sender, s.Local); err == nil {
		r.refill(sender, f)
	}
	if e := r.main.Close(sender); err == nil {
		err = e
	}
	return err
}

// bound tells whether a raw address is more than a family.
func bound(addr []byte) bool {
	if len(addr) <= 2 {
		return false
	}
	family := int(addr[0]) | int(addr[1])<<8
	if family == unix.AF_INET || family == unix.AF_INET6 {
		return len(addr) > 4 && (addr[2] != 0 || addr[3] != 0) // a port
	}
	return true
}

// loose tells whether openLoose can bring the socket back.
func (s *Socket) loose() bool {
	switch s.Domain {
	case unix.AF_INET, unix.AF_INET6, unix.AF_UNIX:
		return s.Type == unix.SOCK_DGRAM && (s.Domain != unix.AF_UNIX || s.PeerIno == 0) || len(s.Remote) == 0 && s.PeerIno == 0
	}
	return false
}
