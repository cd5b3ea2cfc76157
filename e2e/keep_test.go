package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// TestKeep takes five checkpoints of which three are kept, and restarts from
// each of these: every one must come back where it was taken.
func TestKeep(t *testing.T) {
	for _, m := range append(libraries(t), "") {
		t.Run("mpi="+string(m), func(t *testing.T) {
			spec, err := plains[0].spec(200, pauseUS)
			want := ""
			if m == "" {
				short, err := plains[0].spec(200, 0)
				want = native(t, short, err)
			} else {
				want = reference(t, m, program{name: "halo"}, 2, 200)
				spec, err = program{name: "halo"}.spec(m, 2, 200, pauseUS, "-")
			}
			spec.Flags = []string{"--keep", "3"}
			j := newJob(t, spec, err)
			must(t, j.Launch)
			var seen []int // how far the job was known to be before checkpoint g+1
			for range 5 {
				must(t, func() error { return j.Run.WaitSteps(len(harness.Steps(j.Run.Stdout())) + 2) })
				seen = append(seen, j.Run.LastStep())
				must(t, j.Checkpoint)
			}
			must(t, j.Kill)
			for gen := 3; gen <= 5; gen++ {
				must(t, func() error { return j.Start(j.From(fmt.Sprint(gen))) }, func() error { return j.Run.WaitSteps(1) })
				first := harness.Steps(j.Run.Stdout())[0]
				if first <= seen[gen-1] || gen < 5 && first > seen[gen]+1 {
					t.Errorf("generation %d came back at step %d; before it step %d was seen, before the next %v", gen, first, seen[gen-1], seen[gen:])
				}
				must(t, j.Kill)
			}
			for _, gone := range []string{"2", "6"} {
				must(t, func() error { return j.Start(j.From(gone)) })
				complains(t, j, "no generation "+gone+" in .*: there are 5, 4, 3")
			}
			// A restart from an older generation goes on above the newest.
			must(t, func() error { return j.Start(j.From("3")) }, func() error { return j.Run.WaitSteps(1) }, j.Checkpoint, j.Kill)
			if out := inspect(t, j, j.Ckpt); !regexp.MustCompile(`(?m)^ +6 .* complete.*\n +5 .* complete\n +4 .* complete\n(\n|\z)`).MatchString(out) {
				t.Errorf("after a checkpoint of the restart from generation 3:\n%s", out)
			}
			must(t, func() error { return j.Start(j.From("latest")) })
			conclude(t, j, want)
		})
	}
}

// inspect is what mana_inspect says.
func inspect(t *testing.T, j *harness.Job, args ...string) string {
	t.Helper()
	p, err := env.Run(j.Dir, j.Env, append([]string{"mana_inspect"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p.Stdout()
}

// TestDamagedNewest damages the newest generation: a clear line must offer the
// one before it, which must work.
func TestDamagedNewest(t *testing.T) {
	for _, m := range append(libraries(t), "") {
		t.Run("mpi="+string(m), func(t *testing.T) {
			spec, err := plains[0].spec(60, pauseUS)
			want := ""
			if m == "" {
				short, err := plains[0].spec(60, 0)
				want = native(t, short, err)
			} else {
				want = reference(t, m, program{name: "halo"}, 2, 60)
				spec, err = program{name: "halo"}.spec(m, 2, 60, pauseUS, "-")
			}
			j := newJob(t, spec, err)
			must(t, j.Launch, func() error { return j.Run.WaitSteps(2) }, j.Checkpoint,
				func() error { return j.Run.WaitSteps(4) }, j.Checkpoint, j.Kill)
			paths, err := filepath.Glob(filepath.Join(j.Ckpt, "ckpt_*.dmtcp"))
			if m != "" {
				paths, err = filepath.Glob(filepath.Join(j.Ckpt, "ckpt_rank_1", "ckpt_*.dmtcp"))
			}
			if err != nil || len(paths) != 1 {
				t.Fatalf("images %v, %v", paths, err)
			}
			data, err := os.ReadFile(paths[0])
			must(t, func() error { return err }, func() error { return os.WriteFile(paths[0], flip(0.5)(data), 0o600) })
			must(t, func() error { return j.Start(j.From("latest")) })
			complains(t, j, "not an intact checkpoint image.*generation 1, taken .* is here too: --from 1")
			// What is not there at all is passed over, with a word about it.
			out, err := exec.Command("find", j.Ckpt, "-samefile", paths[0], "-delete").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			must(t, func() error { return j.Start(j.From("latest")) }, func() error { return j.Run.WaitSteps(1) })
			if n := strings.Count(j.Run.Stderr(), "restarting from generation 1, because a newer one is not complete"); n != 1 {
				t.Errorf("said %d times that it restarts from an older generation:\n%s", n, j.Run.Stderr())
			}
			conclude(t, j, want)
		})
	}
}

// TestNewSeries launches another job into the directory of one that has been
// checkpointed: both can be restarted.
func TestNewSeries(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p := program{name: "halo"}
			wantFirst, wantSecond := reference(t, m, p, 2, 60), reference(t, m, p, 2, 61)
			spec, err := p.spec(m, 2, 60, pauseUS, "-")
			j := checkpointed(t, spec, err)
			first := inspect(t, j, j.Ckpt)
			j.Command[1] = "61"
			must(t, j.Launch, func() error { return j.Run.WaitSteps(2) }, j.Checkpoint, j.Checkpoint, j.Kill)
			names, err := filepath.Glob(filepath.Join(j.Ckpt, "ckpt_rank_0", "ckpt_*.dmtcp"))
			if err != nil || len(names) != 1 {
				t.Errorf("published for rank 0: %v, %v", names, err)
			}
			must(t, j.Restart)
			conclude(t, j, wantSecond)
			id := regexp.MustCompile(`(?m)^series (\S+)`).FindStringSubmatch(first)
			if id == nil {
				t.Fatalf("no series in\n%s", first)
			}
			must(t, func() error { return j.Start(j.From(id[1])) })
			conclude(t, j, wantFirst)
		})
	}
}
