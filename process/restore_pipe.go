package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pipeEnds are the two ends of a rebuilt pipe, above fdBase.
type pipeEnds struct{ read, write int }

// openPipe returns an end of a pipe. The other end is the program's too, or
// nobody's any more: then what is left in the pipe can be read, and its end is
// seen. If somebody else has it, the standard descriptors get a substitute and
// others meet the end of the pipe.
func (r *Restored) openPipe(f *File) (int, error) {
	if !r.bothEnds(f) && (f.Pipe == nil || !f.Pipe.HangUp) {
		if r.standard(f) {
			return r.openStdio(f)
		}
		r.opt.Warn("fd %d (%s) led out of the program and is at its end", f.FD, f.Link)
	}
	p, err := r.pipe(f)
	if err != nil {
		return -1, err
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

// pipe returns the pipe of f, made by whoever needs it first.
func (r *Restored) pipe(f *File) (pipeEnds, error) {
	p, ok := r.pipes[f.Inode]
	if ok {
		return p, nil
	}
	ids := [2]string{fmt.Sprint("pipe out of ", f.Inode), fmt.Sprint("pipe into ", f.Inode)}
	var err error
	if p.read, err = r.take(ids[0]); err != nil {
		return p, err
	}
	if p.read >= 0 {
		p.write, err = r.take(ids[1])
	} else if p, err = r.newPipe(f); err == nil {
		err = errors.Join(r.offer(ids[0], p.read), r.offer(ids[1], p.write))
	}
	r.pipes[f.Inode] = p
	return p, err
}

// pipeFiles are all descriptors of the pipe of f in all processes.
func (r *Restored) pipeFiles(f *File) []*File {
	var out []*File
	for _, st := range r.states() {
		for i := range st.Files {
			if o := &st.Files[i]; o.Kind == FilePipe && o.Inode == f.Inode {
				out = append(out, o)
			}
		}
	}
	return out
}

// bothEnds tells whether the program has both ends of the pipe of f.
func (r *Restored) bothEnds(f *File) bool {
	ends := 0
	for _, o := range r.pipeFiles(f) {
		ends |= pipeEnd(o.Flags)
	}
	return ends == 3
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
	var data []byte // every reading process may have it
	for _, o := range r.pipeFiles(f) {
		if o.Pipe != nil && o.Pipe.Size > 0 {
			if _, err := r.main.Fcntl(p.write, unix.F_SETPIPE_SZ, uint64(o.Pipe.Size)); err != nil {
				r.opt.Warn("the pipe at fd %d has not its size %d: %v", o.FD, o.Pipe.Size, err)
			}
		}
		if len(o.Data) > 0 {
			data = o.Data
		}
	}
	if err := r.writeAll(p.write, data); err != nil {
		return p, fmt.Errorf("refill the pipe: %w", err)
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
	if f.Deleted {
		if err := unix.Mkfifo(f.Path, f.Mode&0o777); err == nil {
			defer os.Remove(f.Path)
		}
	}
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
