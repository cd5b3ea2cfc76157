package e2e

import (
	"fmt"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// TestEnds takes checkpoints before MPI_Init and after MPI_Finalize, with ranks
// that have ended, and before an end that is not a regular one. Killed and
// restarted, each job ends with the status of an uninterrupted one.
func TestEnds(t *testing.T) {
	for _, m := range libraries(t) {
		for _, c := range []struct {
			mode  string
			ready int // ranks that reach the state
			ranks int // that have not ended
			moves bool
		}{
			{"before", 1, 2, true}, {"bare", 2, 2, false}, {"after", 2, 2, false}, {"early", 1, 1, false},
			{"abort", 2, 2, false}, {"exit", 2, 2, false},
		} {
			t.Run(fmt.Sprintf("%s/%s", m, c.mode), func(t *testing.T) {
				p := program{name: "ends", mode: c.mode}
				want := outcome(t, m, p)
				pause := 0
				if c.moves { // or it may end before the checkpoint gets hold of it
					pause = pauseUS
				}
				spec, err := p.spec(m, 2, steps(1), pause, harness.GateArg)
				j := newJob(t, spec, err)
				must(t, j.Launch)
				must(t, func() error { return j.Run.WaitReady(c.ready) }, func() error { return j.WaitRunning(c.ranks) })
				if c.moves {
					must(t, func() error { return checkpointOnTheMove(j) })
				} else {
					must(t, j.Checkpoint)
				}
				must(t, func() error { return comeBack(j, c.ranks, !c.moves) }, j.Open)
				got := end(t, j)
				if m == harness.MPICH && c.mode == "exit" {
					// hydra kills the ranks that are there when the first leaves without MPI_Finalize.
					got = strings.Replace(got, "status 9 ", "status 0 ", 1)
				}
				if got != want {
					t.Errorf("restarted %q, uninterrupted %q\n%s%s", got, want, j.Run.Stdout(), j.Run.Stderr())
				}
			})
		}
	}
}

// outcome is how the program ends by itself.
func outcome(t *testing.T, m harness.MPI, p program) string {
	t.Helper()
	spec, err := p.spec(m, 2, steps(1), 0, "-")
	if err != nil {
		t.Fatal(err)
	}
	j, err := env.NewNative(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	return end(t, j)
}

// end waits for the end of the job, whatever its status.
func end(t *testing.T, j *harness.Job) string {
	t.Helper()
	if err := j.Run.Wait(harness.Patience); err != nil && !j.Run.Ended() {
		t.Fatal(err)
	}
	return fmt.Sprintf("status %d %s", j.Run.ExitCode(), harness.Result(j.Run.Stdout()))
}
