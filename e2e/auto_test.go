package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// metric reads one sample of what the coordinator tells.
func metric(t *testing.T, j *harness.Job, name string) float64 {
	t.Helper()
	p, err := j.Ask("--metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(p.Stdout())
	if m == nil {
		t.Fatalf("no %s in\n%s", name, p.Stdout())
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAutoInterval lets the coordinator choose the interval: a checkpoint
// turns out cheaper than was assumed, so that the next ones come sooner.
func TestAutoInterval(t *testing.T) {
	spec, err := plains[0].spec(400, 0)
	want := native(t, spec, err)
	spec, err = plains[0].spec(400, pauseUS)
	spec.Flags = []string{"-i", "auto", "--mtbf", "30"}
	j := newJob(t, spec, err)
	must(t, j.Launch, func() error { return j.WaitRunning(1) })
	first := metric(t, j, "mana_checkpoint_interval_seconds")
	must(t, j.Checkpoint)
	second := metric(t, j, "mana_checkpoint_interval_seconds")
	if first < 5 || second >= first {
		t.Errorf("interval %v s at first, %v s after a checkpoint that stalled the program for %v s", first, second, metric(t, j, "mana_last_checkpoint_stall_seconds"))
	}
	if p, err := j.Ask("--status"); err != nil || !strings.Contains(p.Stdout(), " (auto)") {
		t.Errorf("status: %v %s", err, p.Stdout())
	}
	for limit := time.Now().Add(harness.Patience); metric(t, j, `mana_checkpoints_total{result="committed"}`) < 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("no further checkpoints by itself")
		}
	}
	if log := j.Coord.Stderr(); !strings.Contains(log, "checkpoint interval chosen: ") || !strings.Contains(log, "auto: a checkpoint costs") {
		t.Errorf("the coordinator does not tell what it chose:\n%s", log)
	}
	if bytes := metric(t, j, "mana_last_checkpoint_bytes"); bytes < 10000 {
		t.Errorf("an image of %v bytes", bytes)
	}
	must(t, j.Kill, j.Restart)
	conclude(t, j, want)
}

// TestMetricsSecret asks without the secret.
func TestMetricsSecret(t *testing.T) {
	j := newJob(t, harness.Spec{}, nil)
	must(t, func() error { return wrongSecret(j) })
	p, err := j.Ask("--metrics")
	if err == nil || p.Stdout() != "" || !strings.Contains(p.Stderr(), "secret") {
		t.Errorf("%v: %q %q", err, p.Stdout(), p.Stderr())
	}
	j.Env = j.Env[:len(j.Env)-2] // the test's end stops the coordinator
}
