package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// openSocket brings back a socket: one that was connected to another socket of the
// program, a listener, or one without a connection.
func (r *Restored) openSocket(f *File) (int, error) {
	s := f.Socket
	if s == nil {
		return -1, nil
	}
	if fd, err := r.openStream(f); fd >= 0 || err != nil {
		return fd, err
	}
	switch {
	case r.peer(f) != nil:
		return r.openPair(f)
	case r.standard(f):
		return r.openStdio(f)
	case s.Listen:
		return r.openListener(f)
	case s.loose():
		return r.openLoose(f)
	}
	return r.openLost(f)
}

// peer returns the program's other end of a unix socket.
func (r *Restored) peer(f *File) *File {
	if f.Socket.PeerIno == 0 || f.Socket.Domain != unix.AF_UNIX {
		return nil
	}
	for _, st := range r.states() {
		for i := range st.Files {
			o := &st.Files[i]
			if o.Kind == FileSocket && o.Inode == f.Socket.PeerIno && o.Socket != nil {
				return o
			}
		}
	}
	return nil
}

// openPair makes both ends, with what waits to be read in them, when the first
// is asked for, and returns the end of f.
func (r *Restored) openPair(f *File) (int, error) {
	if fd, ok := r.pairs[f.Inode]; ok {
		return r.setFlags(fd, f)
	}
	if fd, err := r.take(fmt.Sprint("socket ", f.Inode)); fd >= 0 || err != nil {
		if err != nil {
			return -1, err
		}
		return r.setFlags(fd, f)
	}
	o := r.peer(f)
	a, b, err := r.main.Socketpair(f.Socket.Domain, f.Socket.Type, 0)
	if err != nil {
		return -1, fmt.Errorf("make a socket pair: %w", err)
	}
	if a, err = r.lift(a); err != nil {
		return -1, err
	}
	if b, err = r.lift(b); err != nil {
		return -1, err
	}
	r.setOptions(a, f)
	r.setOptions(b, o)
	r.refill(b, f)
	r.refill(a, o)
	r.shut(a, f)
	r.shut(b, o)
	r.pairs[o.Inode] = b
	if err := r.offer(fmt.Sprint("socket ", o.Inode), b); err != nil {
		return -1, err
	}
	return r.setFlags(a, f)
}

// openLost puts a socket without a peer in the place of one whose other end is
// outside the program: so the program sees that the connection is lost, as it
// would if its peer had gone.
func (r *Restored) openLost(f *File) (int, error) {
	s := f.Socket
	var fd int
	var err error
	if s.Domain == unix.AF_UNIX {
		var peer int
		if fd, peer, err = r.main.Socketpair(s.Domain, s.Type, 0); err == nil {
			r.setOptions(fd, f)
			r.refill(peer, f)
			r.shut(fd, f)
			err = r.main.Close(peer)
		}
	} else {
		fd, err = r.main.Socket(s.Domain, s.Type, s.Protocol)
	}
	if err != nil {
		return -1, nil
	}
	if s.Domain != unix.AF_UNIX || s.PeerIno != 0 { // else it had ended before
		r.opt.Warn("the connection of the socket at fd %d is lost", f.FD)
	}
	return r.setFlags(fd, f)
}

// shut shuts down what was.
func (r *Restored) shut(fd int, f *File) {
	if f.Socket.Shut == 0 {
		return
	}
	if err := r.main.Shutdown(fd, f.Socket.Shut-1); err != nil {
		r.opt.Warn("the socket at fd %d is not shut down as it was: %v", f.FD, err)
	}
}

// refill puts back what waits to be read at f, through the other end.
func (r *Restored) refill(other int, f *File) {
	for _, msg := range f.Socket.Queue {
		if f.Socket.Type != unix.SOCK_STREAM {
			if _, err := r.main.WriteBytes(other, msg); err != nil {
				r.opt.Warn("a message of %d bytes to fd %d is lost: %v", len(msg), f.FD, err)
			}
			continue
		}
		if err := r.writeAll(other, msg); err != nil {
			r.opt.Warn("data waiting at fd %d is lost: %v", f.FD, err)
		}
	}
}

// openListener listens again at the saved address.
func (r *Restored) openListener(f *File) (int, error) {
	s := f.Socket
	fd, err := r.main.Socket(s.Domain, s.Type, s.Protocol)
	if err != nil {
		return -1, fmt.Errorf("make a socket: %w", err)
	}
	r.setOptions(fd, f)
	const backlog = 4096 // the kernel cuts it to its own limit
	if s.Domain != unix.AF_UNIX {
		err = r.main.Setsockopt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	} else if path := unixPath(s.Local); path != "" {
		_ = r.main.Unlink(path) // the saved process made it
	}
	if err == nil {
		err = r.main.Bind(fd, s.Local)
	}
	if err == nil {
		err = r.main.Listen(fd, backlog)
	}
	if err != nil {
		r.opt.Warn("fd %d does not listen again: %v", f.FD, err)
		return -1, r.main.Close(fd)
	}
	return r.setFlags(fd, f)
}

// unixPath is the name in the file system that a unix address has, if any.
func unixPath(addr []byte) string {
	if len(addr) < 3 || addr[2] == 0 {
		return ""
	}
	return unix.ByteSliceToString(addr[2:])
}
