package process

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
)

// ptyEnds are descriptors of ours of both sides of a pseudo-terminal; the
// terminal's does not block, and is -1 if it is not open.
type ptyEnds struct{ master, slave int }

// NotePtys saves what is in flight in the pseudo-terminals of processes that all
// stand still. It cannot be looked at: it is read, and put back.
func NotePtys(snaps []*Snapshot) error {
	open := make(map[uint64]bool)
	for _, s := range snaps {
		for i := range s.State.Files {
			if t := s.State.Files[i].TTY; t != nil && t.Master == nil {
				open[t.Device] = true
			}
		}
		if t := s.State.Terminal; t != nil {
			open[t.Device] = true
		}
	}
	seen := make(map[uint64]bool)
	for _, s := range snaps {
		for i := range s.State.Files {
			f := &s.State.Files[i]
			if f.TTY == nil || f.TTY.Master == nil || seen[f.TTY.Device] {
				continue
			}
			seen[f.TTY.Device] = true
			if err := notePty(s.State.PID, f, open[f.TTY.Device]); err != nil {
				return fmt.Errorf("read the pseudo-terminal at fd %d of process %d: %w", f.FD, s.State.PID, err)
			}
		}
	}
	return nil
}

// notePty does it for one. A terminal that nobody has opened yet stays so:
// opening it would end the master's wait for that.
func notePty(pid int, f *File, open bool) error {
	m := f.TTY.Master
	if len(f.TTY.Termios) == 0 || m.Locked || !open && !m.HangUp {
		return nil
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(pidfd)
	master, err := unix.PidfdGetfd(pidfd, f.FD, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	defer unix.Close(master)
	p := ptyEnds{master: master}
	if p.slave, err = openPeer(master); err != nil {
		return err
	}
	defer unix.Close(p.slave)
	return errors.Join(p.drain(f.TTY), p.put(f.TTY))
}

func openPeer(master int) (int, error) {
	return task.OpenPeer(master, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC)
}

// plain are settings under which bytes pass unchanged both ways. Lines stay
// lines if keep has ICANON, and what is written to the master comes back.
func plain(t *unix.Termios, keep uint32) *unix.Termios {
	p := *t
	p.Iflag, p.Oflag, p.Lflag = 0, p.Oflag&^unix.OPOST, t.Lflag&keep
	p.Cc = [len(t.Cc)]uint8{} // _POSIX_VDISABLE
	p.Cc[unix.VEOL] = t.Cc[unix.VEOL]
	p.Cc[unix.VMIN] = 1
	return &p
}

// drain reads what is in flight. The settings stay plain.
func (p ptyEnds) drain(t *TTY) error {
	m, settings := t.Master, termiosOf(t.Termios)
	if m.Packet { // a byte would precede all that is read
		if err := unix.IoctlSetPointerInt(p.master, unix.TIOCPKT, 0); err != nil {
			return fmt.Errorf("leave packet mode: %w", err)
		}
	}
	// First under its own settings: until there is no more the kernel has not
	// handed on all that was written to the master (n_tty_poll in drivers/tty/n_tty.c).
	lines, end, err := readReady(p.slave)
	m.Input, m.End = lines, end && settings.Lflag&unix.ICANON != 0
	if err == nil {
		err = unix.IoctlSetTermios(p.slave, unix.TCSETS, plain(settings, 0))
	}
	if err == nil { // now also a line that has no end yet
		lines, _, err = readReady(p.slave)
		m.Input = append(m.Input, lines...)
	}
	if err != nil {
		return fmt.Errorf("read its input: %w", err)
	}
	if m.Output, _, err = readReady(p.master); err != nil {
		return fmt.Errorf("read its output: %w", err)
	}
	events, err := pollNow(p.slave, unix.POLLOUT) // there is room now
	m.Stopped = events&unix.POLLOUT == 0
	return err
}

// readReady reads all that is there, and tells whether the last piece was not a
// whole line, or nothing: an end of input had been typed (Ctrl-D). The descriptor
// may block.
func readReady(fd int) (out []byte, end bool, err error) {
	buf := make([]byte, 4096)
	for {
		events, err := pollNow(fd, unix.POLLIN)
		if err != nil || events&unix.POLLIN == 0 {
			return out, end, err
		}
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return out, end, nil
		}
		if err != nil {
			return out, end, err
		}
		out = append(out, buf[:n]...)
		end = n == 0 || buf[n-1] != '\n'
	}
}

// put fills an empty pseudo-terminal and gives it its settings.
func (p ptyEnds) put(t *TTY) error {
	m, settings := t.Master, termiosOf(t.Termios)
	if m.Stopped {
		if err := unix.IoctlSetInt(p.slave, unix.TCXONC, tcoOn); err != nil {
			return fmt.Errorf("start its output: %w", err)
		}
	}
	if err := p.putInput(m.Input, settings); err != nil {
		return fmt.Errorf("put back %d bytes of input: %w", len(m.Input), err)
	}
	if err := writeFully(p.slave, m.Output); err != nil {
		return fmt.Errorf("put back %d bytes of output: %w", len(m.Output), err)
	}
	if err := unix.IoctlSetTermios(p.slave, unix.TCSETS, settings); err != nil {
		return fmt.Errorf("set its settings: %w", err)
	}
	if m.End {
		if err := writeFully(p.master, []byte{settings.Cc[unix.VEOF]}); err != nil {
			return fmt.Errorf("put back the end of its input: %w", err)
		}
	}
	if m.Stopped {
		if err := unix.IoctlSetInt(p.slave, unix.TCXONC, tcoOff); err != nil {
			return fmt.Errorf("stop its output: %w", err)
		}
	}
	if m.Packet {
		if err := unix.IoctlSetPointerInt(p.master, unix.TIOCPKT, 1); err != nil {
			return fmt.Errorf("enter packet mode: %w", err)
		}
	}
	return nil
}

// From include/uapi/asm-generic/termbits.h.
const (
	tcoOff = 0
	tcoOn  = 1
)

// putInput writes to the master. The kernel hands that on in the background, so
// it is echoed: when the echo has come, the input has arrived.
func (p ptyEnds) putInput(input []byte, settings *unix.Termios) error {
	echo := plain(settings, unix.ICANON)
	echo.Lflag |= unix.ECHO
	if err := unix.IoctlSetTermios(p.slave, unix.TCSETS, echo); err != nil {
		return err
	}
	const piece = 256 // much less than what the line discipline holds
	for len(input) > 0 {
		part := input[:min(piece, len(input))]
		if err := writeFully(p.master, part); err != nil {
			return err
		}
		for got := 0; got < len(part); {
			b, _, err := readReady(p.master)
			if err != nil {
				return err
			}
			if got += len(b); got < len(part) && len(b) == 0 {
				if err := await(p.master, unix.POLLIN); err != nil {
					return err
				}
			}
		}
		input = input[len(part):]
	}
	return nil
}

func writeFully(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if errors.Is(err, unix.EAGAIN) {
			n, err = 0, await(fd, unix.POLLOUT)
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// await waits until a descriptor of a pseudo-terminal is ready.
func await(fd int, events int16) error {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(p, int((5 * time.Second).Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if n == 0 && err == nil {
		err = unix.ETIMEDOUT
	}
	return err
}
