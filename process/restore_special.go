package process

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// setFlags sets the status flags that can change after opening.
func (r *Restored) setFlags(fd int, f *File) (int, error) {
	if _, err := r.main.Fcntl(fd, unix.F_SETFL, uint64(f.Flags&^creationFlags)); err != nil {
		return -1, fmt.Errorf("set flags %#o: %w", f.Flags, err)
	}
	return r.lift(fd)
}

func (r *Restored) openEventFD(f *File) (int, error) {
	if f.EventFD == nil {
		return -1, nil
	}
	const semaphore = 1 // EFD_SEMAPHORE
	flags := 0
	if f.EventFD.Semaphore {
		flags = semaphore
	}
	fd, err := r.main.Eventfd2(0, flags)
	if err != nil {
		return -1, err
	}
	if f.EventFD.Count > 0 {
		if _, err := r.main.WriteBytes(fd, binary.LittleEndian.AppendUint64(nil, f.EventFD.Count)); err != nil {
			return -1, fmt.Errorf("set its count: %w", err)
		}
	}
	return r.setFlags(fd, f)
}

func (r *Restored) openTimerFD(f *File) (int, error) {
	t := f.TimerFD
	if t == nil {
		return -1, nil
	}
	fd, err := r.main.TimerfdCreate(t.Clock, 0)
	if err != nil {
		return -1, err
	}
	value := t.Value
	if value == 0 && (t.Ticks > 0 || t.Interval > 0) {
		value = 1 // it has expired and has not been read
	}
	if value > 0 || t.Interval > 0 {
		var spec []byte
		for _, v := range []int64{t.Interval / 1e9, t.Interval % 1e9, value / 1e9, value % 1e9} {
			spec = binary.LittleEndian.AppendUint64(spec, uint64(v))
		}
		if err := r.main.TimerfdSettime(fd, 0, spec); err != nil {
			return -1, err
		}
	}
	if t.Ticks > 0 {
		const setTicks = 0x40085400 // TFD_IOC_SET_TICKS
		if _, err := r.main.IoctlIn(fd, setTicks, binary.LittleEndian.AppendUint64(nil, t.Ticks)); err != nil {
			r.opt.Warn("%d expirations of the timer at fd %d are lost: %v", t.Ticks, f.FD, err)
		}
	}
	return r.setFlags(fd, f)
}

func (r *Restored) openSignalFD(f *File) (int, error) {
	fd, err := r.main.Signalfd4(-1, f.SignalFD, 0)
	if err != nil {
		return -1, err
	}
	return r.setFlags(fd, f)
}

// openEpoll makes the set; finishFile registers its members.
func (r *Restored) openEpoll(f *File) (int, error) {
	fd, err := r.main.EpollCreate1(0)
	if err != nil {
		return -1, err
	}
	return r.lift(fd)
}

// openInotify watches again, giving each watch its old number.
func (r *Restored) openInotify(f *File) (int, error) {
	fd, err := r.main.InotifyInit1(0)
	if err != nil {
		return -1, err
	}
	for _, w := range f.Inotify {
		if w.Path == "" {
			r.opt.Warn("watch %d of the inotify fd %d is lost: its file was not found", w.WD, f.FD)
			continue
		}
		const setNextWD = 0x40044900 // INOTIFY_IOC_SETNEXTWD; its argument is the number itself
		_, _ = r.main.Ioctl(fd, setNextWD, uint64(w.WD))
		got, err := r.main.InotifyAddWatch(fd, w.Path, w.Mask)
		if err != nil || got != w.WD {
			r.opt.Warn("watch %d (%s) of the inotify fd %d is now %d: %v", w.WD, w.Path, f.FD, got, err)
		}
	}
	return r.setFlags(fd, f)
}

// sealMemFDs seals memfds again when nothing has to be written to them any more.
func (r *Restored) sealMemFDs() error {
	for i := range r.State.Files {
		f := &r.State.Files[i]
		if f.MemFD == nil || f.MemFD.Seals == 0 {
			continue
		}
		_, err := r.main.Fcntl(f.FD, unix.F_ADD_SEALS, uint64(f.MemFD.Seals))
		if err != nil && f.MemFD.Seals != unix.F_SEAL_SEAL {
			return fmt.Errorf("seal fd %d (%s): %w", f.FD, f.Link, err)
		}
	}
	return nil
}

// openStdio duplicates the restarter's own input or output: the one of the
// same number, or by direction.
func (r *Restored) openStdio(f *File) (int, error) {
	fd, err := r.main.Fcntl(r.stdioFDs[stdioNumber(f)], unix.F_DUPFD, uint64(r.fdBase))
	return int(fd), err
}

// stdioNumber is which of the restarter's descriptors stands in for the file.
func stdioNumber(f *File) int {
	switch {
	case f.FD <= 2:
		return f.FD
	case f.Flags&unix.O_ACCMODE == unix.O_RDONLY:
		return 0
	}
	return 1
}

// standard tells whether something that led out of the saved process stood at one
// of its descriptors 0, 1 and 2.
func (r *Restored) standard(f *File) bool {
	for i := range r.State.Files {
		o := &r.State.Files[i]
		if o.FD <= 2 && o.Description == f.Description {
			return true
		}
	}
	return false
}

// openPIDFD opens a process of the family; one that is not of it, or has ended,
// cannot be named any more.
func (r *Restored) openPIDFD(f *File) (int, error) {
	m := r.fam.byPID(f.PIDFD)
	if m == nil || m.main == nil {
		return -1, nil
	}
	pid := m.State.PID
	if !r.opt.SetTIDs {
		pid = m.main.TID
	}
	fd, err := r.main.PidfdOpen(pid, f.Flags&unix.O_NONBLOCK)
	if err != nil {
		return -1, err
	}
	return r.lift(fd)
}
