package coordinator

import (
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"mana/cli"
	"mana/drain"
	"mana/manifest"
	"mana/wire"
)

// wall is Daly's expected time for one second of work (2006, equation 20) with
// checkpoints every tau seconds and restarts that cost nothing.
func wall(tau, cost, mtbf float64) float64 {
	return mtbf * math.Expm1((tau+cost)/mtbf) / tau
}

// The closed formula is compared with the minimum that a search finds.
func TestOptimum(t *testing.T) {
	for _, mtbf := range []float64{600, 3600, 86400, 30 * 86400} {
		for _, cost := range []float64{0.01, 1, 30, 300} {
			best, tau := math.Inf(1), 0.0
			for x := cost / 100; x < 10*mtbf; x *= 1.001 {
				if w := wall(x, cost, mtbf); w < best {
					best, tau = w, x
				}
			}
			got := optimum(cost, mtbf)
			if w := wall(got, cost, mtbf); w > best*1.002 {
				t.Errorf("optimum(%v, %v) = %v costs %v; %v costs %v", cost, mtbf, got, w, tau, best)
			}
		}
	}
	if got := optimum(5, 2); got != 2 {
		t.Errorf("a checkpoint that takes longer than the job lives: %v", got)
	}
	// Young's approximation for small costs.
	if got, young := optimum(0.1, 86400), math.Sqrt(2*0.1*86400); math.Abs(got-young) > 0.01*young {
		t.Errorf("optimum %v, Young's %v", got, young)
	}
}

func TestChoose(t *testing.T) {
	a := auto{mtbf: 24 * time.Hour}
	if n := a.choose(0); n != int(math.Round(optimum(firstCost, 86400))) {
		t.Errorf("before any checkpoint: %d s", n)
	}
	a.cost = 1e-9
	if n := a.choose(0); n != 1 {
		t.Errorf("for next to nothing: %d s", n)
	}
	if n := a.choose(1000 * time.Second); n != 1000 {
		t.Errorf("shorter than a checkpoint takes: %d s", n)
	}
}

// span makes a checkpoint whose phases lasted so many seconds.
func span(mpi, held bool, seconds ...float64) *checkpoint {
	k := &checkpoint{held: held}
	if mpi {
		k.clocks = drain.New(1)
	}
	at := time.Unix(1e9, 0)
	for i := range k.times {
		k.times[i] = at
		if i < len(seconds) {
			at = at.Add(time.Duration(seconds[i] * float64(time.Second)))
		}
	}
	return k
}

func TestCost(t *testing.T) {
	for _, c := range []struct {
		k           *checkpoint
		stall, cost float64
	}{
		{span(false, false, 1, 2, 10, 4), 2, 3},
		{span(true, false, 1, 2, 10, 4), 3, 4},
		{span(true, true, 1, 2, 10, 4), 13, 13},
	} {
		var a auto
		a.measure(c.k)
		if got := c.k.stall().Seconds(); got != c.stall || a.cost != c.cost {
			t.Errorf("mpi %v held %v: stall %v, cost %v, want %v and %v", c.k.clocks != nil, c.k.held, got, a.cost, c.stall, c.cost)
		}
		a.measure(span(false, false))
		if a.cost != c.cost/2 {
			t.Errorf("then one for nothing: %v", a.cost)
		}
	}
}

func TestHistory(t *testing.T) {
	var h history
	k := span(false, false, 1, 2, 3, 4)
	k.images = []manifest.Image{{Size: 10}, {Size: 5}}
	h.record(k)
	h.record(k)
	h.record(&checkpoint{failed: "x"})
	if h.committed != 2 || h.failed != 1 || h.bytes != 30 || h.lastBytes != 15 || h.lastTook != 10*time.Second || h.phases[writing] != 6*time.Second {
		t.Errorf("%+v", h)
	}
}

// An agent asks for -i auto: the answer tells what was chosen, and a number
// turns it off.
func TestAutoInterval(t *testing.T) {
	c, _ := start(t, Config{Interval: cli.Auto, MTBF: 200 * time.Second})
	first := result(t, call(t, c, "status", 0))
	if first.Int("interval", 0) != 19 || !first.Bool("auto") { // sqrt(2*200) * (1 + 0.05/3 + 0.05²/9) - 1 = 19.3
		t.Errorf("before a checkpoint: %s", first)
	}
	dir := t.TempDir()
	a := join(t, c, dir, "1-1-1", "interval", "auto", "mtbf", "200s")
	done := call(t, c, "bcheckpoint", 0)
	a.want("CKPT")
	a.send("CLOCKS", "gen", 1, "mpi", 0)
	a.want("DRAIN")
	a.send("SNAPSHOT", "gen", 1)
	a.image(dir, "1-1-1", -1, 1)
	a.want("COMMIT")
	a.send("RESUMED", "gen", 1)
	if m := result(t, done); !m.Bool("auto") || m.Int("interval", 0) < 1 || m.Int("interval", 0) >= first.Int("interval", 0) {
		t.Errorf("after a cheap checkpoint: %s, at first %s", m, first)
	}
	if m := result(t, call(t, c, "interval", 7)); m.Bool("auto") || m.Int("interval", 0) != 7 {
		t.Errorf("a number: %s", m)
	}
	conn := dial(t, c)
	conn.send("CMD", "name", "interval", "value", "auto")
	if m := conn.want("RESULT"); !m.Bool("auto") {
		t.Errorf("auto again: %s", m)
	}
}

// metricsOf is what an authenticated client gets.
func metricsOf(t *testing.T, c *Coordinator) string {
	t.Helper()
	conn := dial(t, c)
	conn.send("CMD", "name", "metrics")
	var b strings.Builder
	for {
		m, err := conn.Recv(5 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if m.Verb == "RESULT" {
			return b.String()
		}
		b.WriteString(m.Get("text") + "\n")
	}
}

func TestMetrics(t *testing.T) {
	c, _ := start(t, Config{Interval: 90})
	dir := t.TempDir()
	a := join(t, c, dir, "1-1-1")
	for gen := 1; gen <= 2; gen++ {
		done := call(t, c, "bcheckpoint", 0)
		a.want("CKPT")
		if gen == 2 {
			a.send("FAILED", "gen", 2, "reason", "x")
			a.want("ABORT")
		} else {
			a.send("CLOCKS", "gen", gen, "mpi", 0)
			a.want("DRAIN")
			a.send("SNAPSHOT", "gen", gen)
			a.image(dir, "1-1-1", -1, gen)
			a.want("COMMIT")
		}
		a.send("RESUMED", "gen", gen)
		result(t, done)
	}
	go func() { // the member has to answer the query for its processes
		for {
			m, err := a.Recv(5 * time.Second)
			if err != nil {
				return
			}
			if m.Verb == "PEERS" {
				a.Send(wire.New("PEERS", "id", m.Get("id"), "proc", "100 prog"))
			}
		}
	}()
	text := metricsOf(t, c)
	for _, want := range []string{
		"mana_processes 1\n", "mana_ranks 0\n", "mana_generation 2\n", "mana_checkpoint_interval_seconds 90\n",
		"mana_checkpoints_total{result=\"committed\"} 1\n", "mana_checkpoints_total{result=\"failed\"} 1\n",
		"# TYPE mana_checkpoint_phase_seconds summary\n", "mana_checkpoint_phase_seconds_count{phase=\"write\"} 1\n",
		"mana_checkpoint_bytes_total 5\n", "mana_last_checkpoint_bytes 5\n", "mana_checkpoint_in_progress 0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); !strings.HasPrefix(line, "#") && len(f) != 2 {
			t.Errorf("no sample: %q", line)
		}
	}
}

// Who does not know the secret is told nothing but that.
func TestMetricsNeedTheSecret(t *testing.T) {
	c, _ := start(t, Config{Interval: 90})
	for _, ask := range []string{"GET /metrics HTTP/1.0\r\n\r\n", "CMD name=metrics\n", "AUTH nonce=1 mac=2\nCMD name=metrics\n", "\n"} {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port())))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(conn, ask); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(conn) // it may end by a reset: our second line was not read
		conn.Close()
		lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
		if len(lines) > 2 || !strings.HasPrefix(lines[0], "MANA version=1 nonce=") || len(lines) == 2 && !strings.HasPrefix(lines[1], "REFUSED") {
			t.Errorf("%q was answered by %q", ask, answer)
		}
	}
}
