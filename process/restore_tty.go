package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

func masterID(device uint64) string   { return fmt.Sprint("master of ", device) }
func terminalID(device uint64) string { return fmt.Sprint("terminal ", device) }

// makePtys makes the pseudo-terminals whose masters the tree has. Descriptors of
// both sides wait in fam.files for the processes.
func (fam *family) makePtys() error {
	masters := make(map[uint64]*File)
	opened := make(map[uint64]bool)
	for _, m := range fam.members {
		for i := range m.State.Files {
			f := &m.State.Files[i]
			switch {
			case f.TTY == nil || f.TTY.Device == 0:
			case f.TTY.Master == nil:
				opened[f.TTY.Device] = true
			case masters[f.TTY.Device] == nil || f.TTY.Master.carries():
				masters[f.TTY.Device] = f
			}
		}
		if t := m.State.Terminal; t != nil {
			opened[t.Device] = true
		}
	}
	var order []*File
	for _, f := range masters {
		order = append(order, f)
	}
	slices.SortFunc(order, func(a, b *File) int { return a.TTY.Master.Number - b.TTY.Master.Number })
	for _, f := range order {
		if err := fam.makePty(f, opened[f.TTY.Device] || f.TTY.Master.HangUp); err != nil {
			return fmt.Errorf("make pseudo-terminal %d again: %w", f.TTY.Master.Number, err)
		}
	}
	return nil
}

// carries tells whether this process' image has what was in flight.
func (m *Master) carries() bool { return len(m.Input)+len(m.Output) > 0 || m.Stopped || m.End }

func (fam *family) makePty(f *File, opened bool) error {
	m := f.TTY.Master
	master, number, err := openMaster(m.Number)
	if err != nil {
		return err
	}
	fam.files[masterID(f.TTY.Device)] = master
	if number != m.Number {
		fam.members[0].opt.Warn("the pseudo-terminal /dev/pts/%d is now /dev/pts/%d", m.Number, number)
	}
	if len(f.TTY.Winsize) > 0 {
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, winsizeOf(f.TTY.Winsize)); err != nil {
			return fmt.Errorf("set its size: %w", err)
		}
	}
	if m.Locked {
		return nil
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock it: %w", err)
	}
	p := ptyEnds{master: master, slave: master} // its settings are the terminal's
	if opened {
		if p.slave, err = openPeer(master); err != nil {
			return err
		}
		fam.files[terminalID(f.TTY.Device)] = p.slave
	}
	return p.put(f.TTY)
}

// openMaster makes a pseudo-terminal, if possible with the given number: the
// kernel gives out the lowest that is free.
func openMaster(number int) (fd, got int, err error) {
	var others []int
	defer func() {
		for _, o := range others {
			unix.Close(o)
		}
	}()
	const tries = 256
	for len(others) < tries {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, 0, fmt.Errorf("open /dev/ptmx: %w", err)
		}
		got, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		if err != nil || got == number {
			return fd, got, err
		}
		others = append(others, fd)
		if got > number {
			break
		}
	}
	fd, others = others[len(others)-1], others[:len(others)-1]
	return fd, got, nil
}

// openPty opens a side of a pseudo-terminal that has been made again, or returns
// -1. A master has but one description.
func (r *Restored) openPty(f *File) (int, error) {
	if f.TTY == nil {
		return -1, nil
	}
	if f.TTY.Master != nil {
		fd, err := r.take(masterID(f.TTY.Device))
		if fd < 0 || err != nil {
			return -1, err
		}
		return r.setFlags(fd, f)
	}
	fd, err := r.take(terminalID(f.TTY.Device))
	if fd < 0 || err != nil {
		return -1, err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	if f.Path == "/dev/tty" {
		path = f.Path
	}
	n, err := r.main.Openat(path, f.Flags&^creationFlags|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	if err := r.main.Close(fd); err != nil {
		return -1, err
	}
	return r.lift(n)
}

// takeTerminal makes a pseudo-terminal of the program's own the controlling one
// of a session that has just begun. Children get it at their birth.
func (r *Restored) takeTerminal() error {
	if r.State.Terminal == nil {
		return nil
	}
	return r.withTerminal(unix.TIOCSCTTY, nil)
}

// putInForeground does so with the process group that was.
func (r *Restored) putInForeground() error {
	t := r.State.Terminal
	if t == nil || r.State.PID != r.State.SID {
		return nil
	}
	leader := r.fam.byPID(t.Foreground)
	if leader == nil {
		return nil
	}
	pid, err := leader.main.Getpid()
	if err != nil {
		return err
	}
	return r.withTerminal(unix.TIOCSPGRP, binary.LittleEndian.AppendUint32(nil, uint32(pid)))
}

// withTerminal makes an ioctl on the controlling terminal if it is the program's own.
func (r *Restored) withTerminal(op uint64, data []byte) error {
	fd, err := r.take(terminalID(r.State.Terminal.Device))
	if fd < 0 || err != nil {
		return err
	}
	if data == nil {
		_, err = r.main.Ioctl(fd, op, 0)
	} else {
		_, err = r.main.IoctlIn(fd, op, data)
	}
	if err != nil {
		err = fmt.Errorf("ioctl %#x of its terminal: %w", op, err)
	}
	return errors.Join(err, r.main.Close(fd))
}

// openTTY opens a pseudo-terminal of the program's own, or gives the restarter's
// terminal in place of another, set up as the program had it.
func (r *Restored) openTTY(f *File) (int, error) {
	if fd, err := r.openPty(f); fd >= 0 || err != nil {
		return fd, err
	}
	fd, err := r.anyTTY(f)
	if err != nil || f.TTY == nil || !f.TTY.Controlling || len(f.TTY.Termios) == 0 {
		return fd, err
	}
	// Fails where the restarter has no terminal; then there is nothing to set up.
	if _, err := r.main.IoctlIn(fd, unix.TCSETS, f.TTY.Termios); err != nil {
		return fd, nil
	}
	if r.State.PGID == r.State.PID && f.TTY.Foreground == r.State.PGID && ownsTerminal() {
		pid, err := r.main.Getpid()
		if err == nil {
			_, err = r.main.IoctlIn(fd, unix.TIOCSPGRP, binary.LittleEndian.AppendUint32(nil, uint32(pid)))
		}
		if err != nil {
			r.opt.Warn("process group %d is not in the foreground of the terminal: %v", r.State.PGID, err)
		}
	}
	return fd, nil
}

// ownsTerminal tells whether the restarter's process group is in the foreground.
func ownsTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	owner, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && owner == unix.Getpgrp()
}

func (r *Restored) anyTTY(f *File) (int, error) {
	if f.Path == "/dev/tty" {
		if fd, err := r.main.Openat(f.Path, f.Flags&^creationFlags|unix.O_NOCTTY, 0); err == nil {
			return r.lift(fd)
		}
	}
	return r.openStdio(f)
}
