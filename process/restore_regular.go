package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// creationFlags act only while opening (fs/open.c); fdinfo shows none of them
// on most kernels, and they must not be repeated. Nor must O_ASYNC be given to
// open(2), which sets it without doing anything about it, for good (setOwner).
const creationFlags = unix.O_CREAT | unix.O_EXCL | unix.O_TMPFILE | unix.O_TRUNC | unix.O_NOCTTY | unix.O_CLOEXEC | unix.O_ASYNC

// openPath opens what has a name and no contents of its own.
func (r *Restored) openPath(f *File) (int, error) {
	if f.Deleted && f.Kind == FileDir {
		defer makeDirs(f.Path, os.FileMode(f.Mode&0o777))()
	}
	fd, err := r.main.Openat(f.Path, f.Flags&^creationFlags|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENOENT) && strings.HasPrefix(f.Path, "/proc/") {
		return -1, nil // of a process that had ended
	}
	if err != nil {
		return -1, err
	}
	if f.Pos != 0 && f.Kind != FilePath {
		_, _ = r.main.Lseek(fd, f.Pos, unix.SEEK_SET) // devices may not seek
	}
	return r.lift(fd)
}

// makeDirs makes a directory that has been deleted, and what is missing above it,
// until remove is called.
func makeDirs(path string, mode os.FileMode) (remove func()) {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	_ = os.MkdirAll(filepath.Dir(path), 0o700)
	_ = os.Mkdir(path, mode) // opening it tells what failed
	return func() {
		for _, at := range missing {
			_ = os.Remove(at)
		}
	}
}

// openRegularOrStdio opens a file; where the standard output of a past job
// cannot be reached any more the restarter's takes its place, for a program
// should not fail to come back because a log file is gone.
func (r *Restored) openRegularOrStdio(f *File) (int, error) {
	if r.ownOutput(f) {
		return r.openStdio(f)
	}
	fd, err := r.openRegular(f)
	unreachable := errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist)
	if !unreachable || !r.standard(f) {
		return fd, err
	}
	r.opt.Warn("fd %d goes where the restarter's goes: %v", f.FD, err)
	return r.openStdio(f)
}

// ownOutput tells whether the file is the very one that the restarter's output
// goes to, as the log of a requeued batch job is. Others write to it too, so it
// is not cut back to its length at the checkpoint, and the position is shared.
func (r *Restored) ownOutput(f *File) bool {
	if f.Deleted || f.Flags&unix.O_ACCMODE == unix.O_RDONLY || !r.standard(f) {
		return false
	}
	out := r.opt.Stdio[stdioNumber(f)]
	if out == nil {
		return false
	}
	theirs, err := os.Stat(f.Path)
	if err != nil {
		return false
	}
	ours, err := out.Stat()
	return err == nil && os.SameFile(theirs, ours)
}

// openRegular opens a file at its saved position.
func (r *Restored) openRegular(f *File) (int, error) {
	if f.Deleted {
		if fd, err := r.sharedFile(f); fd >= 0 || err != nil {
			return fd, err
		}
		return r.openDeleted(f)
	}
	flags := f.Flags &^ creationFlags
	if err := r.prepareKept(f); err != nil {
		return -1, err
	}
	_, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, os.ErrNotExist) && (f.Path == "" || strings.HasPrefix(f.Path, "/proc/")):
		return r.openOwn(f)
	case errors.Is(err, os.ErrNotExist) && f.Flags&unix.O_ACCMODE == unix.O_WRONLY:
		r.opt.Warn("%s is gone: made anew, without what had been written to it", f.Path)
		flags |= unix.O_CREAT
	case errors.Is(err, os.ErrNotExist):
		return -1, fmt.Errorf("%w since the checkpoint (--checkpoint-open-files at the launch saves such files)", err)
	case err != nil:
		return -1, err
	case f.Flags&unix.O_ACCMODE != unix.O_RDONLY:
		r.written = append(r.written, f)
	}
	fd, err := r.main.Openat(f.Path, flags, f.Mode&0o777)
	if err != nil {
		return -1, err
	}
	return r.seek(fd, f)
}

// openOwn opens a namespace (net:[…]), which is the present one of its sort, and
// leaves what told of a process that has ended.
func (r *Restored) openOwn(f *File) (int, error) {
	name, _, ok := strings.Cut(f.Link, ":[")
	if !ok || f.Path != "" {
		return -1, nil
	}
	fd, err := r.main.Openat("/proc/self/ns/"+name, unix.O_RDONLY, 0)
	if err != nil {
		return -1, nil
	}
	return r.lift(fd)
}

func (r *Restored) seek(fd int, f *File) (int, error) {
	if f.Flags&unix.O_PATH == 0 {
		if _, err := r.main.Lseek(fd, f.Pos, unix.SEEK_SET); err != nil {
			return -1, fmt.Errorf("seek to %d: %w", f.Pos, err)
		}
	}
	return r.lift(fd)
}

// CutBack gives files the contents that were saved of them, and shortens those
// that the program was appending to, to what they were at the checkpoint: what
// came later the program will write again. What there was is kept. It is for the moment when all else has succeeded and nobody
// runs yet: a restart that fails leaves the user's files alone.
func (r *Restored) CutBack() error {
	for _, f := range r.replaced {
		if err := r.putBack(f); err != nil {
			return fmt.Errorf("put back the saved contents of %s: %w", f.Path, err)
		}
	}
	for _, f := range r.written {
		if err := r.cutBack(f); err != nil {
			return err
		}
	}
	return nil
}

func (r *Restored) cutBack(f *File) error {
	fi, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	size := fi.Size()
	switch {
	case size < f.Size:
		r.opt.Warn("%s has %d bytes, %d at the checkpoint", f.Path, size, f.Size)
		return nil
	case size == f.Size || !f.AtEnd || r.opt.NoTruncate:
		return nil
	}
	tail, err := r.saveTail(f, size)
	if err != nil {
		return fmt.Errorf("keep the end of %s before cutting it back: %w", f.Path, err)
	}
	if err := os.Truncate(f.Path, f.Size); err != nil {
		return err
	}
	r.opt.Warn("%s cut back to its %d bytes at the checkpoint; the later %d bytes are in %s",
		f.Path, f.Size, size-f.Size, tail)
	return nil
}

func (r *Restored) saveTail(f *File, size int64) (string, error) {
	in, err := os.Open(f.Path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	dir := r.opt.TailDir
	if dir == "" {
		dir = filepath.Dir(f.Path)
	}
	out, err := os.CreateTemp(dir, filepath.Base(f.Path)+".tail.*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, io.NewSectionReader(in, f.Size, size-f.Size))
	if e := out.Close(); err == nil {
		err = e
	}
	return out.Name(), err
}

// openDeleted makes a nameless file with the saved contents, in the directory
// of the old one if possible.
func (r *Restored) openDeleted(f *File) (int, error) {
	fd, err := r.main.Openat(filepath.Dir(f.Path), unix.O_TMPFILE|unix.O_RDWR, f.Mode&0o777|0o600)
	if err != nil {
		fd, err = r.main.Openat(os.TempDir(), unix.O_TMPFILE|unix.O_RDWR, f.Mode&0o777|0o600)
	}
	if err != nil {
		return -1, err
	}
	if fd, err = r.lift(fd); err != nil {
		return -1, err
	}
	return r.shareFilled(fd, f)
}

// openMemFD makes a memfd with the saved contents; memory mapped from the same
// one finds it in r.shared.
func (r *Restored) openMemFD(f *File) (int, error) {
	if fd, err := r.sharedFile(f); fd >= 0 || err != nil {
		return fd, err
	}
	name := "memfd"
	if f.MemFD != nil {
		name = f.MemFD.Name
	}
	fd, err := r.newMemfd(name, f.Size)
	if err != nil {
		return -1, err
	}
	return r.shareFilled(fd, f)
}

// shareFilled fills a new file without a name, offers it to whoever else had
// it, and opens it the way the program had.
func (r *Restored) shareFilled(fd int, f *File) (int, error) {
	if f.SharedID != "" {
		r.shared[f.SharedID] = fd
		if err := r.offer("memory "+f.SharedID, fd); err != nil {
			return -1, err
		}
	}
	if err := r.writeContents(fd, f); err != nil {
		return -1, err
	}
	n, err := r.reopen(fd, f)
	path := fmt.Sprintf("/proc/%d/fd/%d", r.main.TID, fd)
	if err == nil {
		err = unix.Chmod(path, f.Mode&0o7777) // without the umask
	}
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(f.MtimeNs)}, 0)
	}
	return n, err
}

// sharedFile opens again a file without a name that has already been made, or
// returns -1.
func (r *Restored) sharedFile(f *File) (int, error) {
	fd, ok := r.shared[f.SharedID]
	if !ok {
		var err error
		if fd, err = r.take("memory " + f.SharedID); fd < 0 || err != nil {
			return -1, err
		}
		r.shared[f.SharedID] = fd
	}
	return r.reopen(fd, f)
}

// reopen makes another description of an open file.
func (r *Restored) reopen(fd int, f *File) (int, error) {
	n, err := r.main.Openat(fmt.Sprintf("/proc/self/fd/%d", fd), f.Flags&^(creationFlags|unix.O_NOFOLLOW), 0)
	if err != nil {
		return -1, err
	}
	return r.seek(n, f)
}

func (r *Restored) writeContents(fd int, f *File) error {
	out, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", r.main.TID, fd), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	return r.write(out, f)
}

// eachPart hands out the saved contents of a file; between the parts are holes.
func (r *Restored) eachPart(f *File, do func(b []byte, pos int64) error) error {
	buf := make([]byte, 1<<20)
	for _, run := range f.Contents {
		for run.Len > 0 {
			n := min(run.Len, uint64(len(buf)))
			if err := readFull(r.opt.Memory, buf[:n], run.Offset); err != nil {
				return err
			}
			if err := do(buf[:n], int64(run.Addr)); err != nil {
				return err
			}
			run.Addr, run.Len, run.Offset = run.Addr+n, run.Len-n, run.Offset+int64(n)
		}
	}
	return nil
}
