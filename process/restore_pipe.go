package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// pipeEnds are the two ends of a rebuilt pipe, above fdBase.
type pipeEnds struct{ read, write int }

// openPipe returns an end of a pipe that the program has both ends of. Of
// other pipes only the standard descriptors have a substitute.
func (r *Restored) openPipe(f *File) (int, error) {
	if !r.bothEnds(f) {
		if r.standard(f) {
			return r.openStdio(f)
		}
		return -1, nil
	}
	p, ok := r.pipes[f.Inode]
	if !ok {
		var err error
		if p, err = r.newPipe(f); err != nil {
			return -1, err
		}
		r.pipes[f.Inode] = p
	}
	end := p.read
	if f.Flags&unix.O_ACCMODE == unix.O_WRONLY {
		end = p.write
	}
	// A description of its own for every saved one.
	fd, err := r.main.Openat(fmt.Sprintf("/proc/self/fd/%d", end), f.Flags&^creationFlags, 0)
	if err != nil {
		return -1, err
	}
	return r.lift(fd)
}

func (r *Restored) bothEnds(f *File) bool {
	var ends [2]bool
	for i := range r.State.Files {
		o := &r.State.Files[i]
		if o.Kind != FilePipe || o.Inode != f.Inode {
			continue
		}
		switch o.Flags & unix.O_ACCMODE {
		case unix.O_RDONLY:
			ends[0] = true
		case unix.O_WRONLY:
			ends[1] = true
		default:
			ends = [2]bool{true, true}
		}
	}
	return ends[0] && ends[1]
}

// newPipe makes a pipe with the saved capacity and contents.
func (r *Restored) newPipe(f *File) (pipeEnds, error) {
	rd, wr, err := r.main.Pipe2(0)
	if err != nil {
		return pipeEnds{}, fmt.Errorf("make a pipe: %w", err)
	}
	var p pipeEnds
	if p.read, err = r.lift(rd); err != nil {
		return p, err
	}
	if p.write, err = r.lift(wr); err != nil {
		return p, err
	}
	for i := range r.State.Files {
		o := &r.State.Files[i]
		if o.Kind != FilePipe || o.Inode != f.Inode {
			continue
		}
		if o.Pipe != nil && o.Pipe.Size > 0 {
			if _, err := r.main.Fcntl(p.write, unix.F_SETPIPE_SZ, uint64(o.Pipe.Size)); err != nil {
				r.opt.Warn("the pipe at fd %d has not its size %d: %v", o.FD, o.Pipe.Size, err)
			}
		}
		if err := r.writeAll(p.write, o.Data); err != nil {
			return p, fmt.Errorf("refill the pipe: %w", err)
		}
	}
	return p, nil
}

// writeAll writes bytes to a descriptor of the process that takes them all
// without waiting.
func (r *Restored) writeAll(fd int, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if _, err := r.main.Fcntl(fd, unix.F_SETFL, unix.O_NONBLOCK); err != nil {
		return err
	}
	for len(data) > 0 {
		n, err := r.main.WriteBytes(fd, data[:min(len(data), 64<<10)])
		if err != nil {
			return err
		}
		data = data[n:]
	}
	_, err := r.main.Fcntl(fd, unix.F_SETFL, 0)
	return err
}

// openFIFO opens a named pipe; with both ends open for a moment neither waits
// for the other.
func (r *Restored) openFIFO(f *File) (int, error) {
	both, err := r.main.Openat(f.Path, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := r.writeAll(both, f.Data); err != nil {
		return -1, err
	}
	fd, err := r.main.Openat(f.Path, f.Flags&^creationFlags, 0)
	if err != nil {
		return -1, err
	}
	if fd, err = r.lift(fd); err != nil {
		return -1, err
	}
	// Kept open until all descriptors are back, or the contents would be lost.
	_, err = r.lift(both)
	return fd, err
}
