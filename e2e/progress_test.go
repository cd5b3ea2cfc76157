package e2e

import (
	"regexp"
	"testing"
	"time"

	"mana/e2e/harness"
)

// TestSlowRank asks, while a checkpoint waits, for whom it does: a rank that
// has yet to join the barrier that its peers are in.
func TestSlowRank(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p := program{name: "blocked", mode: "barrier", steps: 60, moves: true}
			want := reference(t, m, p, 2, p.steps)
			spec, err := p.spec(m, 2, p.steps, pauseUS, harness.GateArg)
			j := newJob(t, spec, err)
			must(t, j.Launch, func() error { return j.Run.WaitReady(2) })
			bc, err := j.BeginCheckpoint()
			if err != nil {
				t.Fatal(err)
			}
			slow := regexp.MustCompile(`"waiting_for":\["rank \d on [^"]+ computes since \d+ s, target of MPI_COMM_WORLD not reached"\]`)
			for limit := time.Now().Add(harness.Patience); ; time.Sleep(100 * time.Millisecond) {
				status, err := j.Ask("--json", "--status")
				if err != nil {
					t.Fatal(err)
				}
				if slow.MatchString(status.Stdout()) {
					t.Log(status.Stdout())
					break
				}
				if time.Now().After(limit) {
					t.Fatalf("nobody is named: %s", status.Stdout())
				}
			}
			must(t, j.Open, func() error { return bc.Wait(harness.Patience) })
			conclude(t, j, want)
		})
	}
}
