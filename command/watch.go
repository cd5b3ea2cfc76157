package command

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mana/progress"
	"mana/wire"
)

// watch shows the state until q, ^C or the coordinator's end: on a terminal
// as a page that is drawn anew, else as a line whenever the state changes.
func (r *request) watch(out, errOut io.Writer) int {
	c, err := wire.Dial(r.host, r.port)
	if err == nil {
		defer c.Close()
		err = c.Send(wire.New("CMD", "name", "watch"))
	}
	if err != nil {
		r.explain(errOut, err)
		return rcFailed
	}
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(over)
	var draw func(progress.State, []string)
	if f, ok := out.(*os.File); ok && progress.IsTerminal(f) {
		page := openPage(f, over)
		defer page.close()
		draw = func(s progress.State, rows []string) { page.draw(r.overview(s), rows) }
	} else {
		last := ""
		draw = func(s progress.State, _ []string) {
			if line := plainLine(s); line != last {
				last = line
				fmt.Fprintf(out, "%s %s\n", time.Now().Format(time.TimeOnly), line)
			}
		}
	}
	states := make(chan report)
	go receive(c, states)
	for {
		select {
		case <-over:
			return rcOK
		case rep, ok := <-states:
			if !ok {
				return rcOK // the coordinator has gone, and with it what there was to watch
			}
			draw(rep.state, rep.rows)
		}
	}
}

// report is one state with the members' lines.
type report struct {
	state progress.State
	rows  []string
}

func receive(c *wire.Conn, to chan<- report) {
	defer close(to)
	var rows []string
	for {
		m, err := c.Recv(0)
		if err != nil || m.Verb == "RESULT" {
			return
		}
		switch m.Verb {
		case "ROW":
			rows = append(rows, m.Get("text"))
		case "STATE":
			to <- report{progress.Parse(m), rows}
			rows = nil
		}
	}
}

// plainLine is the state for a file or a pipe. Between the changes of what is
// counted there it would differ in times and bytes only, so it has none.
func plainLine(s progress.State) string {
	switch s.Activity {
	case progress.Checkpoint:
		return fmt.Sprintf("checkpoint %d: %s, %d of %d", s.Generation, s.Phase, map[progress.Phase]int{progress.Converging: s.Ready,
			progress.Draining: s.Copied, progress.Writing: s.Written, progress.Ending: s.Ended}[s.Phase], s.Members)
	case progress.Restart:
		return fmt.Sprintf("restart from checkpoint %d: %d of %d processes came, %d restored", s.Generation, s.Came, s.Images, s.Restored)
	}
	return idleLine(s)
}

func idleLine(s progress.State) string {
	running := "running"
	if !s.Running {
		running = "not running"
	}
	return fmt.Sprintf("%s, %s, last checkpoint %s", progress.Count(s.Peers, "process", "processes"), running, lastCheckpoint(s))
}

func lastCheckpoint(s progress.State) string {
	switch {
	case s.Failure != "":
		return fmt.Sprintf("%d failed: %s", s.Generation, s.Failure)
	case s.Generation == 0:
		return "none"
	}
	return fmt.Sprint(s.Generation)
}

// overview is the upper part of the page.
func (r *request) overview(s progress.State) []string {
	every := "no interval"
	if s.Interval > 0 {
		every = fmt.Sprintf("every %d s", s.Interval)
	}
	lines := []string{fmt.Sprintf("Coordinator %s:%d, %s, %s", r.host, r.port, every, time.Now().Format(time.TimeOnly)), ""}
	if s.Activity == progress.Idle {
		return append(lines, idleLine(s), "")
	}
	slow := s.Slow
	s.Slow = nil
	lines = append(lines, s.Line())
	if s.Total > 0 {
		const width = 50
		n := int(min(width, s.Done*width/s.Total))
		lines = append(lines, fmt.Sprintf("[%s%s] %d%%", strings.Repeat("#", n), strings.Repeat(".", width-n), min(100, s.Done*100/s.Total)))
	}
	for _, name := range slow {
		lines = append(lines, "waiting: "+name)
	}
	return append(lines, "")
}

// page is a terminal's whole screen.
type page struct {
	f   *os.File
	old *unix.Termios // of standard input, nil if it is not a terminal
}

// openPage takes the screen over; q or Q on standard input counts as an
// interrupt.
func openPage(f *os.File, over chan<- os.Signal) *page {
	p := &page{f: f}
	if t, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		p.old = t
		raw := *t
		raw.Lflag &^= unix.ICANON | unix.ECHO
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		unix.IoctlSetTermios(0, unix.TCSETS, &raw)
		go func() {
			b := make([]byte, 1)
			for {
				if n, err := os.Stdin.Read(b); n == 0 || err != nil {
					return
				}
				if b[0] == 'q' || b[0] == 'Q' {
					over <- syscall.SIGINT
					return
				}
			}
		}()
	}
	f.WriteString("\x1b[?1049h\x1b[?25l") // the alternate screen, without a cursor
	return p
}

// draw writes the page; members for whom there is no room are left out.
func (p *page) draw(head, rows []string) {
	columns, height := progress.Size(p.f)
	if room := height - len(head) - 1; len(rows) > room {
		n := max(0, room-1)
		rows = append(rows[:n:n], fmt.Sprintf("… and %d more", len(rows)-n))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, line := range append(head, rows...) {
		b.WriteString(progress.Cut(line, columns) + "\x1b[K\n")
	}
	b.WriteString("\x1b[Jq: end")
	p.f.WriteString(b.String())
}

func (p *page) close() {
	p.f.WriteString("\x1b[?25h\x1b[?1049l")
	if p.old != nil {
		unix.IoctlSetTermios(0, unix.TCSETS, p.old)
	}
}
