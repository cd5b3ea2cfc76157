package e2e

import (
	"testing"
	"time"

	"mana/e2e/harness"
)

// TestCrash kills the job, sometimes with its coordinator, at random moments of
// a checkpoint: whatever was reached, a complete generation must restart.
func TestCrash(t *testing.T) {
	run := func(t *testing.T, spec harness.Spec, want string) {
		j := newJob(t, spec, nil)
		must(t, j.Launch, func() error { return j.Run.WaitSteps(2) })
		seen := j.Run.LastStep()
		must(t, j.Checkpoint)
		r := randomness(t)
		for range 2 * cycles() {
			ask, err := j.BeginCheckpoint()
			must(t, func() error { return err })
			time.Sleep(time.Duration(r.IntN(120)) * time.Millisecond)
			withCoordinator := r.IntN(2) == 0
			if withCoordinator {
				must(t, func() error { return harness.KillAll() })
			}
			must(t, j.Kill)
			ask.Wait(harness.Patience) // its coordinator or its job is gone: it may say so or not
			if withCoordinator {
				must(t, func() error { return j.StartCoordinator() })
			}
			must(t, j.Restart, func() error { return j.Run.WaitSteps(1) })
			first := harness.Steps(j.Run.Stdout())[0]
			if first <= seen {
				t.Fatalf("restarted at step %d; step %d was in a committed generation", first, seen)
			}
			seen = first - 1
		}
		conclude(t, j, want)
	}
	t.Run("plain", func(t *testing.T) {
		n := steps(3 * cycles())
		spec, err := plains[0].spec(n, 0)
		want := native(t, spec, err)
		spec, err = plains[0].spec(n, pauseUS)
		must(t, func() error { return err })
		run(t, spec, want)
	})
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p, n := program{name: "halo"}, steps(3*cycles())
			want := reference(t, m, p, 2, n)
			spec, err := p.spec(m, 2, n, pauseUS, "-")
			must(t, func() error { return err })
			run(t, spec, want)
		})
	}
}
