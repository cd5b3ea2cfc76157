package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errDiffers is what compares ends with when two files differ.
var errDiffers = errors.New("the contents differ")

// prepareKept looks whether a file whose contents were saved still has them. One
// that is gone is made again; what differs is replaced when all else has
// succeeded (see CutBack), if that is allowed.
func (r *Restored) prepareKept(f *File) error {
	if !f.Kept {
		return nil
	}
	err := r.compare(f)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrNotExist):
		return r.create(f)
	case !errors.Is(err, errDiffers):
		return err
	case r.opt.Overwrite:
		r.replaced = append(r.replaced, f)
		return nil
	case f.AtEnd && !r.opt.NoTruncate && r.compareStart(f) == nil:
		return nil // it has grown and will be cut back
	}
	return fmt.Errorf("%s has changed since the checkpoint, which saved it; with --allow-file-overwrite at the launch (or "+
		"DMTCP_ALLOW_OVERWRITE_WITH_CKPTED_FILES=1 now) it is replaced: %w", f.Path, err)
}

// create makes the file with its saved contents.
func (r *Restored) create(f *File) error {
	out, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(f.Mode&0o777))
	if err != nil {
		return err
	}
	r.opt.Warn("%s is gone: made anew with its contents at the checkpoint", f.Path)
	return errors.Join(r.write(out, f), out.Close())
}

func (r *Restored) write(out *os.File, f *File) error {
	if err := r.eachPart(f, func(b []byte, pos int64) error {
		_, err := out.WriteAt(b, pos)
		return err
	}); err != nil {
		return err
	}
	return out.Truncate(f.Size)
}

// compare returns nil if the file is as it was saved.
func (r *Restored) compare(f *File) error {
	fi, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if fi.Size() != f.Size {
		return fmt.Errorf("%w: %d bytes, %d at the checkpoint", errDiffers, fi.Size(), f.Size)
	}
	return r.compareStart(f)
}

// compareStart compares as much of the file as was saved. What was a hole must
// be zero.
func (r *Restored) compareStart(f *File) error {
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	end := int64(0)
	if err := r.eachPart(f, func(b []byte, pos int64) error {
		if err := zero(in, end, pos); err != nil {
			return err
		}
		end = pos + int64(len(b))
		have := make([]byte, len(b))
		if _, err := in.ReadAt(have, pos); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(have, b) {
			return fmt.Errorf("%w: between %d and %d", errDiffers, pos, end)
		}
		return nil
	}); err != nil {
		return err
	}
	return zero(in, end, f.Size)
}

// zero tells whether a range of a file is.
func zero(in *os.File, from, to int64) error {
	b := make([]byte, 64<<10)
	for from < to {
		start, err := unix.Seek(int(in.Fd()), from, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || err == nil && start >= to {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for data: %w", err)
		}
		n, err := in.ReadAt(b[:min(int64(len(b)), to-start)], start)
		if bytes.ContainsFunc(b[:n], func(c rune) bool { return c != 0 }) {
			return fmt.Errorf("%w: at %d", errDiffers, start)
		}
		if err != nil {
			return err
		}
		from = start + int64(n)
	}
	return nil
}

// putBack replaces the contents of a file and keeps a copy of what was there.
func (r *Restored) putBack(f *File) error {
	backup := f.Path + time.Now().Format("-2006-01-02-15-04-05") + ".bk"
	if err := copyFile(f.Path, backup); err != nil {
		return fmt.Errorf("keep a copy in %s: %w", backup, err)
	}
	out, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	r.opt.Warn("%s has its contents at the checkpoint again; the later ones are in %s", f.Path, backup)
	return errors.Join(r.write(out, f), out.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
