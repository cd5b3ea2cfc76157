package process

import (
	"testing"

	"golang.org/x/sys/unix"
)

// newPty is a pseudo-terminal with its settings changed, and what a snapshot
// would know of it.
func newPty(t *testing.T, change func(*unix.Termios)) (ptyEnds, *TTY) {
	t.Helper()
	master, _, err := openMaster(0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { unix.Close(master) })
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := openPeer(master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(slave) })
	settings, err := unix.IoctlGetTermios(slave, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO
	if change != nil {
		change(settings)
	}
	if err := unix.IoctlSetTermios(slave, unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	tty := &TTY{Termios: termiosBytes(settings)}
	return ptyEnds{master, slave}, tty
}

func (p ptyEnds) reads(t *testing.T, fd int, want ...string) {
	t.Helper()
	b := make([]byte, 256)
	for _, w := range want {
		if err := await(fd, unix.POLLIN); err != nil {
			t.Fatalf("waiting for %q: %v", w, err)
		}
		n, err := unix.Read(fd, b)
		if err != nil || string(b[:n]) != w {
			t.Errorf("read %q, %v, not %q", b[:max(n, 0)], err, w)
		}
	}
}

func write(t *testing.T, fd int, s string) {
	t.Helper()
	if err := writeFully(fd, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

func raw(s *unix.Termios) { s.Lflag, s.Iflag, s.Oflag = 0, 0, 0 }

// What is in flight survives being read and put back: lines stay lines, a line
// that has no end yet goes on, and nothing is translated twice.
func TestPtyInFlight(t *testing.T) {
	again := func(t *testing.T, p ptyEnds, tty *TTY, input, output string) {
		t.Helper()
		if err := p.drain(tty); err != nil {
			t.Fatal(err)
		}
		if string(tty.Master.Input) != input || string(tty.Master.Output) != output {
			t.Errorf("in flight %q and %q, not %q and %q", tty.Master.Input, tty.Master.Output, input, output)
		}
		if err := p.put(tty); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("lines", func(t *testing.T) {
		p, tty := newPty(t, nil)
		tty.Master = &Master{}
		write(t, p.master, "one\rtwo\npa")
		write(t, p.slave, "out\n")
		again(t, p, tty, "one\ntwo\npa", "out\r\n")
		write(t, p.master, "rt\n")
		p.reads(t, p.slave, "one\n", "two\n", "part\n")
		p.reads(t, p.master, "out\r\n")
	})
	t.Run("end", func(t *testing.T) {
		p, tty := newPty(t, nil)
		tty.Master = &Master{}
		write(t, p.master, "one\n\x04")
		again(t, p, tty, "one\n", "")
		p.reads(t, p.slave, "one\n", "")
		tty.Master = &Master{}
		write(t, p.master, "two\x04")
		again(t, p, tty, "two", "")
		p.reads(t, p.slave, "two")
	})
	t.Run("raw", func(t *testing.T) {
		p, tty := newPty(t, raw)
		tty.Master = &Master{Packet: true}
		if err := unix.IoctlSetPointerInt(p.master, unix.TIOCPKT, 1); err != nil {
			t.Fatal(err)
		}
		write(t, p.master, "\x03\r\n\x11\xff\x00")
		write(t, p.slave, "\n\xff")
		again(t, p, tty, "\x03\r\n\x11\xff\x00", "\n\xff")
		p.reads(t, p.slave, "\x03\r\n\x11\xff\x00")
		p.reads(t, p.master, "\x00\n\xff")
	})
	t.Run("stopped", func(t *testing.T) {
		p, tty := newPty(t, nil)
		tty.Master = &Master{}
		write(t, p.slave, "before\n")
		if err := unix.IoctlSetInt(p.slave, unix.TCXONC, tcoOff); err != nil {
			t.Fatal(err)
		}
		again(t, p, tty, "", "before\r\n")
		if events, err := pollNow(p.slave, unix.POLLOUT); err != nil || events != 0 {
			t.Errorf("output is not stopped: %#x, %v", events, err)
		}
		p.reads(t, p.master, "before\r\n")
	})
}

// A number that is free is had again, one that is taken is not.
func TestOpenMaster(t *testing.T) {
	a, n, err := openMaster(0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(a)
	b, m, err := openMaster(n)
	if err != nil || m == n {
		t.Errorf("number %d twice, %v", m, err)
	}
	defer unix.Close(b)
}
