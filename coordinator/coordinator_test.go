package coordinator

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mana/manifest"
	"mana/wire"
)

const secret = "test-secret"

// start runs a coordinator on loopback and returns it with its exit status.
func start(t *testing.T, cfg Config) (*Coordinator, chan int) {
	t.Helper()
	cfg.Listen, cfg.Secret = "127.0.0.1", secret
	if cfg.CkptDir == "" {
		cfg.CkptDir = t.TempDir()
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() { code <- c.Serve(ctx) }()
	t.Cleanup(cancel)
	return c, code
}

// client is a connection whose messages a test scripts.
type client struct {
	*wire.Conn
	t *testing.T
}

func dial(t *testing.T, c *Coordinator) client {
	t.Helper()
	conn, err := wire.DialSecret("127.0.0.1:"+strconv.Itoa(c.Port()), secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client{conn, t}
}

func (c client) send(verb string, pairs ...any) {
	c.t.Helper()
	if err := c.Send(wire.New(verb, pairs...)); err != nil {
		c.t.Fatal(err)
	}
}

// want receives the next message, answering process queries on the way.
func (c client) want(verb string) wire.Message {
	c.t.Helper()
	for {
		m, err := c.Recv(5 * time.Second)
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", verb, err)
		}
		if m.Verb == "PEERS" && verb != "PEERS" {
			c.send("PEERS", "id", m.Get("id"), "proc", "100 prog")
			continue
		}
		if m.Verb == "RUN" && verb == "COMMIT" {
			continue
		}
		if m.Verb != verb {
			c.t.Fatalf("got %q, want %s", m, verb)
		}
		return m
	}
}

func join(t *testing.T, c *Coordinator, dir, upid string, more ...any) client {
	t.Helper()
	a := dial(t, c)
	a.send("JOIN", append([]any{"host", "h", "pid", 100, "prog", "prog", "upid", upid, "ckptdir", dir}, more...)...)
	a.want("JOINED")
	return a
}

// call sends a command from its own connection.
func call(t *testing.T, c *Coordinator, name string, value int) chan wire.Message {
	t.Helper()
	conn := dial(t, c)
	conn.send("CMD", "name", name, "value", value)
	out := make(chan wire.Message, 1)
	go func() {
		for {
			m, err := conn.Recv(10 * time.Second)
			if err != nil {
				close(out)
				return
			}
			if m.Verb == "RESULT" {
				out <- m
				return
			}
		}
	}()
	return out
}

func result(t *testing.T, ch chan wire.Message) wire.Message {
	t.Helper()
	select {
	case m, ok := <-ch:
		if !ok {
			t.Fatal("the connection ended without a result")
		}
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no result")
	}
	return wire.Message{}
}

// image writes a file as an agent would and reports it.
func (c client) image(dir, upid string, rank, gen int) {
	c.t.Helper()
	file, name := manifest.ImageNames(rank, gen, "prog", upid)
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("image"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.send("IMAGE", "gen", gen, "dir", dir, "file", file, "name", name, "size", 5, "prog", "prog", "upid", upid, "pid", 100)
	c.send("WRITTEN", "gen", gen)
}

func TestCheckpointCommits(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Config{})
	a, b := join(t, c, dir, "1-1-1"), join(t, c, dir, "1-1-2")
	done := call(t, c, "bcheckpoint", 0)
	for _, x := range []client{a, b} {
		if m := x.want("CKPT"); m.Int("gen", 0) != 1 {
			t.Fatalf("first generation: %s", m)
		}
	}
	second := call(t, c, "checkpoint", 0)
	if m := result(t, second); m.Get("error") != "notrunning" {
		t.Errorf("a second checkpoint meanwhile: %s", m)
	}
	a.send("CLOCKS", "gen", 1, "mpi", 0)
	b.send("CLOCKS", "gen", 1, "mpi", 0)
	a.want("DRAIN")
	b.want("DRAIN")
	a.send("SNAPSHOT", "gen", 1)
	if m, err := a.Recv(50 * time.Millisecond); err == nil {
		t.Fatalf("after the first of two copies: %s", m)
	}
	b.send("SNAPSHOT", "gen", 1)
	a.want("RUN")
	b.want("RUN")
	a.image(dir, "1-1-1", -1, 1)
	if _, err := manifest.Choose(dir, ""); err == nil {
		t.Fatal("committed before the second image was written")
	}
	b.image(dir, "1-1-2", -1, 1)
	a.want("COMMIT")
	b.want("COMMIT")
	m, err := manifest.Choose(dir, "")
	if err != nil || len(m.Images) != 2 || m.Generation != 1 {
		t.Fatalf("manifest: %+v, %v", m, err)
	}
	a.send("RESUMED", "gen", 1)
	select {
	case m := <-done:
		t.Fatalf("answered before all had resumed: %s", m)
	case <-time.After(50 * time.Millisecond):
	}
	b.send("RESUMED", "gen", 1)
	if m := result(t, done); m.Get("error") != "" {
		t.Errorf("result: %s", m)
	}
}

// A program's wish starts a checkpoint; one that crosses the announcement of
// another is served by that, and one that comes later by the next.
func TestWantedByProgram(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Config{})
	a, b := join(t, c, dir, "1-1-1"), join(t, c, dir, "1-1-2")
	both := func(f func(client)) { f(a); f(b) }
	a.send("WANTED")
	a.want("CKPT")
	b.send("WANTED") // before it hears of this one
	b.want("CKPT")
	both(func(x client) { x.send("CLOCKS", "gen", 1, "mpi", 0) })
	both(func(x client) { x.want("DRAIN") })
	both(func(x client) { x.send("SNAPSHOT", "gen", 1) })
	a.image(dir, "1-1-1", -1, 1)
	b.image(dir, "1-1-2", -1, 1)
	both(func(x client) { x.want("COMMIT") })
	a.send("RESUMED", "gen", 1)
	a.send("WANTED") // while b is not done
	b.send("RESUMED", "gen", 1)
	both(func(x client) {
		if m := x.want("CKPT"); m.Int("gen", 0) != 2 {
			t.Errorf("next: %s", m)
		}
	})
	a.send("FAILED", "gen", 2, "reason", "test")
	both(func(x client) { x.want("ABORT"); x.send("RESUMED", "gen", 2) })
	if m, err := b.Recv(100 * time.Millisecond); err == nil && m.Verb == "CKPT" {
		t.Errorf("a wish is served twice: %s", m)
	}
}

func TestCheckpointFails(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, Config{})
	a := join(t, c, dir, "1-1-1")
	done := call(t, c, "bcheckpoint", 0)
	a.want("CKPT")
	a.send("FAILED", "gen", 1, "reason", "no space left on device")
	if m := a.want("ABORT"); !strings.Contains(m.Get("reason"), "no space left") {
		t.Errorf("ABORT: %s", m)
	}
	a.send("RESUMED", "gen", 1)
	m := result(t, done)
	if m.Get("error") != "failed" || !strings.Contains(m.Get("reason"), "no space left") {
		t.Errorf("result: %s", m)
	}
	if _, err := manifest.Choose(dir, ""); err == nil {
		t.Error("a failed generation was committed")
	}
	done = call(t, c, "bcheckpoint", 0)
	if m := a.want("CKPT"); m.Int("gen", 0) != 2 {
		t.Errorf("next: %s", m)
	}
	a.Close()
	if m := result(t, done); m.Get("error") != "failed" || m.Int("peers", -1) != 0 {
		t.Errorf("all gone: %s", m)
	}
}

// A plain program that ends during a checkpoint is left out of it; a rank
// that ends makes it fail.
func TestMemberLeaves(t *testing.T) {
	for _, mpi := range []bool{false, true} {
		dir := t.TempDir()
		c, _ := start(t, Config{})
		rank := func(r int) []any {
			if !mpi {
				return nil
			}
			return []any{"rank", r, "nranks", 2}
		}
		a, b := join(t, c, dir, "1-1-1", rank(0)...), join(t, c, dir, "1-1-2", rank(1)...)
		done := call(t, c, "bcheckpoint", 0)
		a.want("CKPT")
		b.want("CKPT")
		b.Close()
		if mpi {
			if m := a.want("ABORT"); !strings.Contains(m.Get("reason"), "rank 1") {
				t.Errorf("ABORT: %s", m)
			}
			a.send("RESUMED", "gen", 1)
			if m := result(t, done); m.Get("error") != "failed" {
				t.Errorf("mpi: %s", m)
			}
			continue
		}
		a.send("CLOCKS", "gen", 1, "mpi", 0)
		a.want("DRAIN")
		a.image(dir, "1-1-1", -1, 1)
		a.want("COMMIT")
		a.send("RESUMED", "gen", 1)
		if m := result(t, done); m.Get("error") != "" {
			t.Errorf("plain: %s", m)
		}
	}
}

// A process that joins during a checkpoint waits until it is over.
func TestJoinDuringCheckpoint(t *testing.T) {
	c, _ := start(t, Config{})
	a := join(t, c, t.TempDir(), "1-1-1")
	call(t, c, "checkpoint", 0)
	a.want("CKPT")
	b := dial(t, c)
	b.send("JOIN", "host", "h", "pid", 1, "prog", "p", "upid", "1-1-2", "ckptdir", "/x")
	if m, err := b.Recv(50 * time.Millisecond); err == nil {
		t.Fatalf("admitted during a checkpoint: %s", m)
	}
	a.send("FAILED", "gen", 1, "reason", "x")
	a.want("ABORT")
	a.send("RESUMED", "gen", 1)
	// The read deadline passed, but the connection is whole.
	b.want("JOINED")
}

func TestMPIJobGathersFirst(t *testing.T) {
	c, _ := start(t, Config{})
	join(t, c, t.TempDir(), "1-1-1", "rank", 0, "nranks", 2)
	if m := result(t, call(t, c, "checkpoint", 0)); m.Get("error") != "notrunning" {
		t.Errorf("one rank of two: %s", m)
	}
	b := dial(t, c)
	b.send("JOIN", "host", "h", "pid", 1, "prog", "p", "upid", "1-1-3", "ckptdir", "/x", "rank", 0, "nranks", 2)
	b.want("REFUSED")
}

func TestTargetsReachTheRankBehind(t *testing.T) {
	c, _ := start(t, Config{})
	dir := t.TempDir()
	a, b := join(t, c, dir, "1-1-1", "rank", 0, "nranks", 2), join(t, c, dir, "1-1-2", "rank", 1, "nranks", 2)
	call(t, c, "checkpoint", 0)
	a.want("CKPT")
	b.want("CKPT")
	a.send("CLOCKS", "gen", 1, "mpi", 1, "quiet", 1, "clocks", "c1:5")
	b.send("CLOCKS", "gen", 1, "mpi", 1, "quiet", 0, "clocks", "c1:4")
	m := b.want("TARGETS")
	if !strings.Contains(m.Get("targets"), "c1:5") {
		t.Errorf("TARGETS: %s", m)
	}
	b.send("CLOCKS", "gen", 1, "mpi", 1, "quiet", 1, "version", m.Get("version"), "clocks", "c1:5")
	a.want("DRAIN")
	b.want("DRAIN")
}

func TestRestart(t *testing.T) {
	c, _ := start(t, Config{})
	args := []any{"restart", 1, "comp", "x-1-1", "gen", 3, "total", 2}
	a := join(t, c, "/d", "1-1-1", args...)
	if m := result(t, call(t, c, "status", 0)); m.Bool("running") {
		t.Errorf("running with one of two: %s", m)
	}
	stranger := dial(t, c)
	stranger.send("JOIN", "upid", "9-9-9", "ckptdir", "/d", "restart", 1, "comp", "y-1-1", "gen", 3, "total", 2)
	if m := stranger.want("REFUSED"); !strings.Contains(m.Get("reason"), "x-1-1") {
		t.Errorf("stranger: %s", m)
	}
	a.send("RESTORED", "gen", 3)
	b := join(t, c, "/d", "1-1-2", args...)
	b.send("RESTORED", "gen", 3)
	a.want("RESUME")
	b.want("RESUME")
	if m := result(t, call(t, c, "status", 0)); m.Get("comp") != "x-1-1" {
		t.Errorf("computation: %s", m)
	}
	late := dial(t, c)
	late.send("JOIN", "upid", "9-9-9", "ckptdir", "/d", "restart", 1, "comp", "x-1-1", "gen", 3, "total", 2)
	for _, m := range []client{a, b} {
		m.send("PEERS", "id", m.want("PEERS").Get("id"), "proc", "100 prog")
	}
	late.want("REFUSED")
}

// TestRestartAfterKill restarts a job whose killed members the coordinator
// has not missed yet: the new one must not be taken for an intruder.
func TestRestartAfterKill(t *testing.T) {
	c, _ := start(t, Config{})
	old := join(t, c, "/d", "1-1-1")
	back := dial(t, c)
	back.send("JOIN", "upid", "1-1-1", "ckptdir", "/d", "restart", 1, "comp", "x-1-1", "gen", 3, "total", 1)
	old.want("PEERS")
	old.Close()
	back.want("JOINED")
	back.send("RESTORED", "gen", 3)
	back.want("RESUME")
}

func TestRestartFails(t *testing.T) {
	c, _ := start(t, Config{RestartWait: 100 * time.Millisecond})
	args := []any{"restart", 1, "comp", "x-1-1", "gen", 3, "total", 2}
	a := join(t, c, "/d", "1-1-1", args...)
	if m := a.want("ABORT"); !strings.Contains(m.Get("reason"), "only 1 of 2") {
		t.Errorf("a missing process: %s", m)
	}
	a.Close()
	c2, _ := start(t, Config{})
	a, b := join(t, c2, "/d", "1-1-1", args...), join(t, c2, "/d", "1-1-2", args...)
	b.Close()
	a.want("ABORT")
	// The third of three comes when the others have given up.
	c3, _ := start(t, Config{})
	args[len(args)-1] = 3
	a, b = join(t, c3, "/d", "1-1-1", args...), join(t, c3, "/d", "1-1-2", args...)
	b.Close()
	a.want("ABORT")
	late := dial(t, c3)
	late.send("JOIN", append([]any{"upid", "1-1-3", "ckptdir", "/d"}, args...)...)
	if m := late.want("REFUSED"); !strings.Contains(m.Get("reason"), "1-1-2") && !strings.Contains(m.Get("reason"), "failed to restart") {
		t.Errorf("a late process: %s", m)
	}
}

func TestKillQuitExitOnLast(t *testing.T) {
	c, code := start(t, Config{})
	a := join(t, c, "/d", "1-1-1")
	result(t, call(t, c, "kill", 0))
	a.want("KILL")
	a.Close()
	result(t, call(t, c, "quit", 0))
	if got := <-code; got != 0 {
		t.Errorf("exit status %d after quit", got)
	}
	c, code = start(t, Config{ExitOnLast: true})
	a = join(t, c, "/d", "1-1-1")
	a.Close()
	select {
	case got := <-code:
		if got != 0 {
			t.Errorf("exit status %d after the last client", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("--exit-on-last does not exit")
	}
}

func TestTimeouts(t *testing.T) {
	_, code := start(t, Config{Stale: 20 * time.Millisecond})
	if got := <-code; got != 1 {
		t.Errorf("stale: exit status %d", got)
	}
	c, code := start(t, Config{Timeout: 300 * time.Millisecond, Stale: time.Hour})
	join(t, c, "/d", "1-1-1")
	if got := <-code; got != 1 {
		t.Errorf("timeout: exit status %d", got)
	}
}

func TestInterval(t *testing.T) {
	c, _ := start(t, Config{})
	a := join(t, c, t.TempDir(), "1-1-1")
	if m := result(t, call(t, c, "interval", 1)); m.Int("interval", 0) != 1 {
		t.Errorf("interval: %s", m)
	}
	a.want("CKPT")
}

func TestConsole(t *testing.T) {
	c, _ := start(t, Config{Interval: 30})
	var out, errOut strings.Builder
	c.console(strings.NewReader("s\nL\ni\nnonsense\n?\n"), &out, &errOut)
	for _, want := range []string{"NUM_PEERS=0\nRUNNING=no\n\n", "Port: " + strconv.Itoa(c.Port()) + "\n",
		"Checkpoint Interval: 30\n", "Current Checkpoint Interval: 30\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("stdout lacks %q:\n%s", want, out.String())
		}
	}
	if !strings.HasPrefix(errOut.String(), "Client List:\n#, PROG[virtPID:realPID]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n\n") {
		t.Errorf("stderr: %q", errOut.String())
	}
}

// The last thing that a coordinator with --exit-on-last does may be to answer.
func TestKillAfterCheckpointIsAnswered(t *testing.T) {
	dir := t.TempDir()
	c, code := start(t, Config{ExitOnLast: true})
	a := join(t, c, dir, "1-1-1")
	done := call(t, c, "kcheckpoint", 0)
	a.want("CKPT")
	a.send("CLOCKS", "gen", 1, "mpi", 0)
	a.want("DRAIN")
	a.image(dir, "1-1-1", -1, 1)
	if m := a.want("COMMIT"); !m.Bool("kill") {
		t.Errorf("COMMIT: %s", m)
	}
	a.Close()
	if m := result(t, done); m.Get("error") != "" || m.Int("peers", -1) != 0 {
		t.Errorf("result: %s", m)
	}
	if got := <-code; got != 0 {
		t.Errorf("exit status %d", got)
	}
}
