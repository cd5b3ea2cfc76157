package process

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"mana/image"
	"mana/task"
)

// selfWriter makes a task write its own memory to a file.
type selfWriter struct {
	t    *task.Task
	mem  *task.Memory
	file *os.File // our own descriptor of the file
	fd   int      // the task's
	done func(int64)
}

// pieceMax bounds one remote write, so that each is short and a stop request of
// ours never waits long.
const pieceMax = 16 << 20

// open opens the file in the task, unless there it is another file (its root or
// mount namespace may differ from ours).
func (w *selfWriter) open(name string) error {
	if err := unix.Prlimit(w.t.TID, unix.RLIMIT_FSIZE, fileLimit(w.t.TID), nil); err != nil {
		return fmt.Errorf("raise the file size limit: %w", err)
	}
	fd, err := w.t.Openat(name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.fd = fd
	var ours, theirs unix.Stat_t
	err = unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", w.t.TID, fd), &theirs)
	if err == nil {
		err = unix.Fstat(int(w.file.Fd()), &ours)
	}
	if err == nil && (ours.Dev != theirs.Dev || ours.Ino != theirs.Ino) {
		err = fmt.Errorf("%s is another file there", name)
	}
	if err != nil {
		w.close()
	}
	return err
}

// fileLimit is the process' RLIMIT_FSIZE with the soft limit at the hard one.
func fileLimit(pid int) *unix.Rlimit {
	var l unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &l) != nil {
		return nil
	}
	l.Cur = l.Max
	return &l
}

func (w *selfWriter) close() { w.t.Close(w.fd) }

// write stores extents in batches of adjacent ones.
func (w *selfWriter) write(es []image.Extent) error {
	for len(es) > 0 {
		vec, size := batch(es)
		n, err := w.t.Pwritev(w.fd, vec, es[0].Off)
		switch {
		case n > 0 && err == nil:
			w.done(es[0].Off + int64(n))
			es = advance(es, int64(n))
		case errors.Is(err, unix.EINTR):
		case err == nil || errors.Is(err, unix.EFAULT) || errors.Is(err, unix.EFBIG):
			// A page that the task itself may not read, or a limit of its own.
			k := min(size, image.PageSize)
			if err := w.copy(es[0], k); err != nil {
				return err
			}
			es = advance(es, k)
		default:
			return fmt.Errorf("write %d bytes at %#x: %w", size, es[0].Off, err)
		}
	}
	return nil
}

// batch returns as many of the first extents as one write can take.
func batch(es []image.Extent) ([]task.Range, int64) {
	var vec []task.Range
	var size int64
	off := es[0].Off
	for _, e := range es {
		if len(vec) == task.MaxVec || size >= pieceMax || e.Off != off {
			break
		}
		n := min(e.Len, pieceMax-size)
		vec = append(vec, task.Range{Addr: e.Addr, Len: uint64(n)})
		size += n
		off += n
		if n < e.Len {
			break
		}
	}
	return vec, size
}

// advance drops the first n bytes of es.
func advance(es []image.Extent, n int64) []image.Extent {
	for n > 0 && len(es) > 0 {
		if e := &es[0]; n < e.Len {
			e.Addr, e.Off, e.Len = e.Addr+uint64(n), e.Off+n, e.Len-n
			return es
		}
		n -= es[0].Len
		es = es[1:]
	}
	return es
}

// copy stores the first n bytes of an extent through our own memory.
func (w *selfWriter) copy(e image.Extent, n int64) error {
	b := make([]byte, n)
	if err := w.mem.Read(e.Addr, b); err != nil {
		return err
	}
	_, err := w.file.WriteAt(b, e.Off)
	return err
}

// copyAll is the way that needs nothing from the task.
func (w *selfWriter) copyAll(es []image.Extent) error {
	buf := make([]byte, image.ChunkSize)
	for _, e := range es {
		for e.Len > 0 {
			b := buf[:min(e.Len, int64(len(buf)))]
			if err := w.mem.Read(e.Addr, b); err != nil {
				return err
			}
			if n, err := w.file.WriteAt(b, e.Off); err != nil {
				return err
			} else if n < len(b) {
				return io.ErrShortWrite
			}
			e.Addr, e.Off, e.Len = e.Addr+uint64(len(b)), e.Off+int64(len(b)), e.Len-int64(len(b))
			w.done(e.Off)
		}
	}
	return nil
}
