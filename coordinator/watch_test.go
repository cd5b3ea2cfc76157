package coordinator

import (
	"strings"
	"testing"
	"time"

	"mana/progress"
)

// state receives states until one is as wanted, and the members' rows of it.
func (c client) state(what string, is func(progress.State) bool) (rows []string) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		m, err := c.Recv(5 * time.Second)
		if err != nil {
			c.t.Fatalf("waiting until %s: %v", what, err)
		}
		switch m.Verb {
		case "ROW":
			rows = append(rows, m.Get("text"))
		case "STATE":
			if is(progress.Parse(m)) {
				return rows
			}
			rows = nil
		}
	}
	c.t.Fatalf("no state tells that %s", what)
	return nil
}

// Who watches sees each step of a checkpoint, the bytes, and who keeps it.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Config{})
	a := join(t, c, dir, "1-1-1", "rank", 0, "nranks", 2)
	b := join(t, c, dir, "1-1-2", "rank", 1, "nranks", 2)
	w := dial(t, c)
	w.send("CMD", "name", "watch")
	rows := w.state("it runs", func(s progress.State) bool { return s.Activity == progress.Idle && s.Running && s.Members == 2 })
	if got := strings.Join(rows, "|"); got != "rank 0 on h, prog: runs|rank 1 on h, prog: runs" {
		t.Errorf("rows %q", got)
	}
	done := call(t, c, "bcheckpoint", 0)
	clocks := []any{"gen", 1, "mpi", 1, "version", 0, "blocked", 0, "clocks", "", "dropped", ""}
	a.want("CKPT")
	a.send("CLOCKS", append(clocks, "quiet", 1)...)
	b.want("CKPT")
	b.send("CLOCKS", append(clocks, "quiet", 0)...)
	b.send("PROGRESS", "gen", 1, "stall", "computes since 12 s", "target", "communicator 2")
	rows = w.state("rank 1 is slow", func(s progress.State) bool {
		return s.Phase == progress.Converging && s.Ready == 1 && len(s.Slow) == 1 &&
			s.Slow[0] == "rank 1 on h computes since 12 s, target of communicator 2 not reached"
	})
	if got := strings.Join(rows, "|"); got != "rank 0 on h, prog: stands still|rank 1 on h, prog: computes since 12 s, target of communicator 2 not reached" {
		t.Errorf("rows %q", got)
	}
	b.send("CLOCKS", append(clocks, "quiet", 1)...)
	for _, x := range []client{a, b} {
		x.want("DRAIN")
		x.send("SNAPSHOT", "gen", 1)
	}
	a.send("PROGRESS", "gen", 1, "done", 100, "total", 1000)
	b.send("PROGRESS", "gen", 1, "done", 50, "total", 3000)
	b.send("PROGRESS", "gen", 7, "done", 5000, "total", 3000) // of another checkpoint
	w.state("it is written", func(s progress.State) bool {
		return s.Phase == progress.Writing && s.Copied == 2 && s.Done == 150 && s.Total == 4000
	})
	a.image(dir, "1-1-1", 0, 1)
	b.image(dir, "1-1-2", 1, 1)
	for _, x := range []client{a, b} {
		x.want("RUN")
		x.want("COMMIT")
		x.send("RESUMED", "gen", 1)
	}
	if m := result(t, done); m.Int("images", 0) != 2 || m.Int("bytes", 0) != 10 {
		t.Errorf("result %s", m)
	}
	w.state("it is over", func(s progress.State) bool {
		return s.Activity == progress.Idle && s.Running && s.Generation == 1 && s.Failure == ""
	})
}
