package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// A stretched run pauses this long after every step until the test is in a hurry.
const pauseUS = 20000

// advance lets a running program get on by a random bit, and says how far it was seen to get.
func advance(t *testing.T, j *harness.Job, r *rand.Rand) int {
	t.Helper()
	if err := j.Run.WaitSteps(1); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	return j.Run.LastStep()
}

// cycle checkpoints a running job, kills it and brings it back, and checks
// that it comes back from this checkpoint and not from an older one.
func cycle(t *testing.T, j *harness.Job, r *rand.Rand) {
	t.Helper()
	seen := advance(t, j, r)
	if err := j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if r.IntN(2) == 0 { // what is done after the checkpoint must be done again
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
	}
	if err := j.Kill(); err != nil {
		t.Fatal(err)
	}
	if r.IntN(3) == 0 { // a node failure often takes the coordinator along
		if err := j.StopCoordinator(); err != nil {
			t.Fatal(err)
		}
		if err := j.StartCoordinator(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := j.Run.WaitSteps(1); err != nil {
		t.Fatal(err)
	}
	if first := harness.Steps(j.Run.Stdout())[0]; first <= seen {
		t.Fatalf("restarted at step %d; step %d was done before the checkpoint", first, seen)
	}
}

// conclude lets the job run to its end and compares its result.
func conclude(t *testing.T, j *harness.Job, want string) {
	t.Helper()
	if err := j.Hurry(); err != nil {
		t.Fatal(err)
	}
	got, err := j.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%q, but uninterrupted %q", got, want)
	}
}

func cycles() int { return number("MANA_E2E_CYCLES", 2) }

// steps is enough for a stretched run to last through the cycles.
func steps(cycles int) int { return cycles*20 + 40 }

// TestPlainCycles checkpoints, kills and restarts programs without MPI.
func TestPlainCycles(t *testing.T) { plainCycles(t, plains) }

// TestTrees does so with programs of several processes.
func TestTrees(t *testing.T) { plainCycles(t, trees) }

func plainCycles(t *testing.T, programs []plainProgram) {
	for _, p := range programs {
		t.Run(p.String(), func(t *testing.T) {
			n := steps(cycles())
			spec, err := p.spec(n, 0)
			want := native(t, spec, err)
			spec, err = p.spec(n, pauseUS)
			j := newJob(t, spec, err)
			must(t, j.Launch)
			r := randomness(t)
			for range cycles() {
				cycle(t, j, r)
			}
			conclude(t, j, want)
		})
	}
}

// TestMPICycles does the same to MPI programs at random moments.
func TestMPICycles(t *testing.T) {
	for _, m := range libraries(t) {
		for _, ranks := range []int{2, 4} {
			for _, p := range loops {
				if !p.on(m) || !p.runs(ranks) {
					continue
				}
				t.Run(name(m, p, ranks), func(t *testing.T) {
					n, pause := steps(cycles()), pauseUS
					if ranks > 2 { // a step takes long where there are fewer cores
						n, pause = n/2, 2*pause
					}
					want := reference(t, m, p, ranks, n)
					spec, err := p.spec(m, ranks, n, pause, "-")
					j := newJob(t, spec, err)
					if err := j.Launch(); err != nil {
						t.Fatal(err)
					}
					r := randomness(t)
					for range cycles() {
						cycle(t, j, r)
					}
					conclude(t, j, want)
				})
			}
		}
	}
}

// TestWrapper restarts ranks whose parent is a shell that goes on after them.
func TestWrapper(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p, n := program{name: "family"}, steps(cycles())
			want := reference(t, m, p, 2, n)
			spec, err := p.spec(m, 2, n, pauseUS, "-")
			spec.Command = []string{"/bin/bash", "-c", strings.Join(spec.Command, " ") + "; echo after $?"}
			j := newJob(t, spec, err)
			must(t, j.Launch)
			r := randomness(t)
			for range cycles() {
				cycle(t, j, r)
			}
			conclude(t, j, want)
			if n := strings.Count(j.Run.Stdout(), "after 0"); n != 2 {
				t.Errorf("%d of 2 wrappers went on:%s", n, j.Run.Stdout())
			}
		})
	}
}

// TestContinue takes many checkpoints of one run and never restarts it.
func TestContinue(t *testing.T) {
	for _, m := range libraries(t) {
		for _, p := range []program{{name: "halo"}, {name: "masterworker"}, {name: "completion"}} {
			t.Run(name(m, p, 2), func(t *testing.T) {
				n := steps(20)
				want := reference(t, m, p, 2, n)
				spec, err := p.spec(m, 2, n, pauseUS, "-")
				j := newJob(t, spec, err)
				if err := j.Launch(); err != nil {
					t.Fatal(err)
				}
				if err := j.Run.WaitSteps(1); err != nil {
					t.Fatal(err)
				}
				r := randomness(t)
				for range 20 {
					if err := j.Checkpoint(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
				}
				conclude(t, j, want)
			})
		}
	}
}
