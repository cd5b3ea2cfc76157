package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// TestLaunches restarts a server and its client, each launched by a command of
// its own, together by one command and by one each.
func TestLaunches(t *testing.T) {
	for _, commands := range []int{1, 2} {
		t.Run(fmt.Sprint(commands), func(t *testing.T) {
			n := steps(cycles())
			alone := plainProgram{name: "tcp.py"}
			spec, err := alone.spec(n, 0)
			want := native(t, spec, err)
			spec, err = alone.spec(n, pauseUS)
			port := spec.Command[len(spec.Command)-1]
			server := append(append([]string{}, spec.Command[:2]...), "serve", port)
			spec.Command = append(spec.Command, "alone")
			j := newJob(t, spec, err)
			s, err := env.Start(j.Dir, j.Env, append(append(append([]string{"dmtcp_launch"}, j.Coordinates()...), "--ckptdir", j.Ckpt), server...)...)
			if err != nil {
				t.Fatal(err)
			}
			must(t, j.Launch)
			must(t, func() error { return j.WaitRunning(2) })
			children := childrenOf(t, s.Pid())
			r := randomness(t)
			for range cycles() {
				seen := advance(t, j, r)
				must(t, j.Checkpoint)
				must(t, j.Kill)
				if commands == 1 {
					must(t, j.Restart)
				} else {
					restartApart(t, j, children)
				}
				must(t, func() error { return j.Run.WaitSteps(1) })
				if first := harness.Steps(j.Run.Stdout())[0]; first <= seen {
					t.Fatalf("restarted at step %d; step %d was done before the checkpoint", first, seen)
				}
			}
			conclude(t, j, want)
		})
	}
}

// childrenOf lists the numbers of a process' children.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Fields(string(b))...)
	}
	return out
}

// restartApart restarts each program by a command of its own. The job's is the
// client: the server's image is named after one of some processes.
func restartApart(t *testing.T, j *harness.Job, server []string) {
	t.Helper()
	args, err := j.RestartArgs()
	if err != nil {
		t.Fatal(err)
	}
	images := args[len(args)-2:]
	isServer := func(image string) bool {
		return slices.ContainsFunc(server, func(pid string) bool { return strings.Contains(image, "-"+pid+"-") })
	}
	if isServer(images[0]) == isServer(images[1]) {
		t.Fatalf("which of %q is the server's of %q?", images, server)
	}
	for _, image := range images {
		own := append(slices.Clone(args[:len(args)-2]), image)
		if !isServer(image) {
			must(t, func() error { return j.Start(own) })
		} else if _, err := env.Start(j.Dir, j.Env, own...); err != nil {
			t.Fatal(err)
		}
	}
}
