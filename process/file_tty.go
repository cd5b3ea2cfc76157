package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// tty reads the settings of a terminal, or of that behind a master.
func (c *collector) tty(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	o.TTY = &TTY{}
	if t, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		o.TTY.Termios = termiosBytes(t)
	}
	if w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
		o.TTY.Winsize = winsizeBytes(w)
	}
	if dev, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV); err == nil { // not of one that was hung up
		o.TTY.Device = uint64(dev)
	}
	if o.Rdev == makedev(5, 2) { // ptmx(4)
		return o.TTY.master(fd)
	}
	if t := c.st.Terminal; t != nil && t.Device == o.TTY.Device {
		o.TTY.Controlling, o.TTY.Foreground = true, t.Foreground
	}
	return nil
}

func (t *TTY) master(fd int) error {
	t.Master = &Master{}
	for _, q := range []struct {
		name uint
		to   func(int)
	}{
		{unix.TIOCGPTN, func(n int) { t.Master.Number = n }},
		{unix.TIOCGPTLCK, func(n int) { t.Master.Locked = n != 0 }},
		{unix.TIOCGPKT, func(n int) { t.Master.Packet = n != 0 }},
	} {
		n, err := unix.IoctlGetInt(fd, q.name)
		if err != nil {
			return fmt.Errorf("look at the pseudo-terminal: %w", err)
		}
		q.to(n)
	}
	events, err := pollNow(fd, unix.POLLIN)
	t.Master.HangUp = events&unix.POLLHUP != 0
	return err
}

// pollNow returns what a descriptor is ready for.
func pollNow(fd int, events int16) (int16, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := unix.Poll(p, 0); err != nil {
		return 0, fmt.Errorf("poll: %w", err)
	}
	return p[0].Revents, nil
}

// terminal reads the controlling terminal from the fields of /proc/PID/stat.
func terminal(f []string) *Terminal {
	dev := uint32(number(f[7])) // as the kernel encodes it, which is st_rdev's way
	if dev == 0 {
		return nil
	}
	return &Terminal{Device: uint64(dev), Foreground: number(f[8])}
}
