package progress

import (
	"os"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/sys/unix"
)

// Terminal shows one line that changes, at the bottom of what else is written
// there. Its Write is for that: it takes the line away first.
type Terminal struct {
	mu    sync.Mutex
	f     *os.File
	shown bool
}

// OnTerminal returns a Terminal if f is one, else nil. Nothing can be shown on
// a nil Terminal, and that does nothing.
func OnTerminal(f *os.File) *Terminal {
	if !IsTerminal(f) {
		return nil
	}
	return &Terminal{f: f}
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Size is the terminal's, in columns and rows; 80 and 24 if it does not say.
func Size(f *os.File) (columns, rows int) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || w.Col == 0 || w.Row == 0 {
		return 80, 24
	}
	return int(w.Col), int(w.Row)
}

// Show replaces the line; an empty one takes it away.
func (t *Terminal) Show(line string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if line == "" {
		t.clear()
		return
	}
	columns, _ := Size(t.f)
	t.f.WriteString("\r" + Cut(line, columns-1) + "\x1b[K")
	t.shown = true
}

// Say takes the line away and writes one that stays.
func (t *Terminal) Say(line string) {
	if t != nil {
		t.Write([]byte(line + "\n"))
	}
}

// Write writes what stays, above the line that changes.
func (t *Terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	return t.f.Write(b)
}

func (t *Terminal) clear() {
	if t.shown {
		t.f.WriteString("\r\x1b[K")
		t.shown = false
	}
}

// Cut shortens a line to a terminal's width and takes out what would do
// something to the terminal.
func Cut(line string, width int) string {
	r := []rune(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return '?'
		}
		return c
	}, line))
	if width < 1 || len(r) <= width {
		return string(r)
	}
	return string(r[:width-1]) + "…"
}
