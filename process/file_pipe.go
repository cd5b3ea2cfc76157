package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// pipe copies what is in a pipe without consuming it, if the program is the one
// that reads it.
func (c *collector) pipe(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return fmt.Errorf("read the size of the pipe: %w", err)
	}
	ends := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}
	if _, err := unix.Poll(ends, 0); err != nil {
		return fmt.Errorf("poll the pipe: %w", err)
	}
	o.Pipe = &Pipe{Size: size, HangUp: ends[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0}
	if o.Flags&unix.O_ACCMODE == unix.O_WRONLY {
		return nil
	}
	for _, f := range c.st.Files { // another reading end has it already
		if f.Kind == o.Kind && f.Inode == o.Inode && f.Data != nil {
			return nil
		}
	}
	o.Data, err = peekPipe(fd, size)
	return err
}

// peekPipe duplicates the contents of a pipe by tee(2).
func peekPipe(fd, size int) ([]byte, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	if size > 64<<10 {
		if _, err := unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, size); err != nil {
			return nil, fmt.Errorf("make a pipe of %d bytes: %w", size, err)
		}
	}
	n, err := unix.Tee(fd, p[1], size, unix.SPLICE_F_NONBLOCK)
	if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("copy the contents of the pipe: %w", err)
	}
	data := make([]byte, n)
	for done := 0; done < len(data); {
		k, err := unix.Read(p[0], data[done:])
		if err != nil || k == 0 {
			return nil, fmt.Errorf("copy the contents of the pipe: %w", err)
		}
		done += k
	}
	return data, nil
}

// pipePeers notes of which pipes the program holds both ends.
func (c *collector) pipePeers() {
	ends := map[uint64]int{}
	for _, f := range c.st.Files {
		if f.Kind == FilePipe {
			ends[f.Inode] |= pipeEnd(f.Flags)
		}
	}
	for i := range c.st.Files {
		if f := &c.st.Files[i]; f.Pipe != nil {
			f.Pipe.Peer = ends[f.Inode] == 3
		}
	}
}

func pipeEnd(flags int) int {
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		return 1
	case unix.O_WRONLY:
		return 2
	}
	return 3
}
