package e2e

import (
	"fmt"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// said waits until a job has printed a line.
func said(j *harness.Job, line string) func() error {
	return func() error {
		return j.Run.WaitOutput(line, func(out string) bool { return strings.Contains(out, line+"\n") })
	}
}

// TestAware runs programs that ask for checkpoints themselves, or forbid them:
// a lost wish would make them wait for ever, and a checkpoint inside a
// forbidden part is one that the program counts on not to happen.
func TestAware(t *testing.T) {
	cmd, err := env.Plain("aware")
	if err != nil {
		t.Fatal(err)
	}
	if out := native(t, harness.Spec{Command: append(cmd, ".")}, nil); out != "RESULT not enabled" {
		t.Fatalf("alone it says %q", out)
	}
	j := newJob(t, harness.Spec{Command: append(cmd, ".")}, nil)
	must(t, j.Launch, said(j, "program: after checkpoint"), j.Kill)
	must(t, j.Restart, said(j, "program: after restart"), said(j, "child: after checkpoint"), j.Kill)
	must(t, j.Restart, said(j, "child: after restart"), said(j, "forbidden"))
	ask, err := j.BeginCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	must(t, j.WaitPending, j.Open)
	conclude(t, j, "RESULT aware")
	must(t, func() error { return ask.Wait(harness.Patience) })
}

// TestAwareRanks: all ranks ask, and each comes out of its call after the
// checkpoint and after the restart; or one asks while the other waits for it
// in a collective, which must not hold the job up for ever.
func TestAwareRanks(t *testing.T) {
	for _, m := range libraries(t) {
		for _, mode := range []string{"all", "one"} {
			t.Run(fmt.Sprintf("%s/%s", m, mode), func(t *testing.T) {
				p := program{name: "aware", mode: mode}
				want := reference(t, m, p, 2, 40)
				spec, err := p.spec(m, 2, 40, pauseUS, "-")
				j := newJob(t, spec, err)
				must(t, j.Launch, said(j, "after checkpoint"), func() error { return j.WaitRunning(2) }, j.Kill, j.Restart)
				if mode == "all" {
					must(t, said(j, "after restart"))
				} else {
					must(t, func() error { return j.Run.WaitSteps(1) })
					if first := harness.Steps(j.Run.Stdout())[0]; first < 20 {
						t.Errorf("came back at step %d, before the call", first)
					}
				}
				conclude(t, j, want)
			})
		}
	}
}
