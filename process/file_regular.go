package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// MemFD is a memfd.
type MemFD struct {
	Name  string `json:"name"`
	Seals int    `json:"seals"`
}

// regular: a file with a name is only described, one without is saved.
func (c *collector) regular(o *openFile) error {
	writable := o.Flags&unix.O_ACCMODE != unix.O_RDONLY
	o.AtEnd = writable && (o.Flags&unix.O_APPEND != 0 || o.Pos == o.Size)
	switch {
	case o.Deleted:
		o.SharedID = sharedID(o.Dev, o.Inode)
		return c.contents(o)
	case c.f.opts.OpenFiles && o.owned():
		return c.keepFile(o)
	}
	return nil
}

// owned tells whether the file is the user's own, and not the kernel's.
func (o *openFile) owned() bool {
	return o.uid == uint32(os.Geteuid()) && !strings.HasPrefix(o.Path, "/proc/") && !strings.HasPrefix(o.Path, "/dev/") &&
		!strings.HasPrefix(o.Path, "/sys/")
}

// keepFile saves a file that has a name, unless another descriptor has done so.
func (c *collector) keepFile(o *openFile) error {
	for _, f := range c.st.Files {
		if f.Kept && f.Dev == o.Dev && f.Inode == o.Inode {
			return nil
		}
	}
	if c.keptFiles += uint64(o.Size); c.keptFiles > keptMax {
		return refuse(c.pid, "has more than %d bytes in open files that are to be saved", keptMax)
	}
	o.Kept = true
	return c.contents(o)
}

// contents saves the data of a file.
func (c *collector) contents(o *openFile) error {
	// The link reopens the inode, also for reading if the program only writes.
	f, err := os.Open(fmt.Sprintf("/proc/%d/fd/%d", c.pid, o.FD))
	if err != nil {
		return err
	}
	defer f.Close()
	for pos := int64(0); pos < o.Size; {
		start, err := unix.Seek(int(f.Fd()), pos, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // only a hole remains
		}
		if err != nil {
			return fmt.Errorf("look for data: %w", err)
		}
		end, err := unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("look for a hole: %w", err)
		}
		data := make([]byte, end-start)
		if _, err := f.ReadAt(data, start); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		c.files = append(c.files, captured{vma: -1, file: len(c.st.Files), addr: uint64(start), data: data})
		pos = end
	}
	return nil
}

func (c *collector) memfd(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return fmt.Errorf("read seals: %w", err)
	}
	o.SharedID = sharedID(o.Dev, o.Inode)
	o.MemFD = &MemFD{Name: o.Path[len("/memfd:"):], Seals: seals}
	return c.contents(o)
}
