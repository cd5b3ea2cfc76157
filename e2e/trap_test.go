package e2e

import (
	"testing"

	"mana/e2e/harness"
)

// TestTraps takes checkpoints while the ranks sit in a chosen state: requests
// pending, messages in flight, calls blocked. One variant goes on from there,
// the other is killed and comes back into the same state, twice.
func TestTraps(t *testing.T) {
	for _, m := range libraries(t) {
		for _, p := range traps {
			ranks := max(2, p.minRanks)
			for _, restart := range []bool{false, true} {
				variant := map[bool]string{false: "/continue", true: "/restart"}[restart]
				t.Run(name(m, p, ranks)+variant, func(t *testing.T) {
					want := reference(t, m, p, ranks, p.steps)
					pause := 0
					if p.moves { // or it may end before the checkpoint gets hold of it
						pause = pauseUS
					}
					spec, err := p.spec(m, ranks, p.steps, pause, harness.GateArg)
					j := newJob(t, spec, err)
					if err := j.Launch(); err != nil {
						t.Fatal(err)
					}
					if err := j.Run.WaitReady(ranks); err != nil {
						t.Fatal(err)
					}
					if p.moves {
						err = checkpointOnTheMove(j)
					} else {
						err = j.Checkpoint()
					}
					if err == nil && restart {
						err = comeBack(j, ranks, !p.moves && !p.once)
					}
					if err == nil {
						err = j.Open()
					}
					if err != nil {
						t.Fatal(err)
					}
					conclude(t, j, want)
				})
			}
		}
	}
}

// checkpointOnTheMove opens the gate only after the checkpoint has begun, so
// that ranks have to be moved, or released, before it can be taken.
func checkpointOnTheMove(j *harness.Job) error {
	p, err := j.BeginCheckpoint()
	if err != nil {
		return err
	}
	if err := j.WaitPending(); err != nil {
		return err
	}
	if err := j.Open(); err != nil {
		return err
	}
	return j.Explain(p.Wait(harness.Patience))
}

// comeBack kills and restarts the job, and once more if the state of interest is still there.
func comeBack(j *harness.Job, ranks int, again bool) error {
	if err := j.Kill(); err != nil {
		return err
	}
	if err := j.Restart(); err != nil {
		return err
	}
	if !again {
		return nil
	}
	if err := j.WaitRunning(ranks); err != nil {
		return err
	}
	if err := j.Checkpoint(); err != nil {
		return err
	}
	return comeBack(j, ranks, false)
}
