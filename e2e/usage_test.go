package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// TestExitStatus checks that a launched program ends as it would alone.
func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0}, {"exit 7", 7}, {"kill -TERM $$", -1}, {"kill -SEGV $$", -1},
		{"sleep 0.05 & exit 3", 3}, {"echo out; echo err >&2; exit 5", 5},
	} {
		t.Run(c.script, func(t *testing.T) {
			j := newJob(t, harness.Spec{Command: []string{"/bin/sh", "-c", c.script}}, nil)
			must(t, j.Launch)
			err := j.Run.Wait(harness.Patience)
			if _, hang := err.(*harness.ErrHang); hang {
				t.Fatal(err)
			}
			if got := j.Run.ExitCode(); got != c.code {
				t.Errorf("exit code %d, not %d: %v", got, c.code, err)
			}
			if strings.Contains(c.script, "echo") && (j.Run.Stdout() != "out\n" || j.Run.Stderr() != "err\n") {
				t.Errorf("stdout %q, stderr %q", j.Run.Stdout(), j.Run.Stderr())
			}
		})
	}
}

// TestRestartScript uses the script that the coordinator writes.
func TestRestartScript(t *testing.T) {
	spec, err := plains[0].spec(60, 0)
	want := native(t, spec, err)
	spec, err = plains[0].spec(60, pauseUS)
	j := checkpointed(t, spec, err)
	script := filepath.Join(j.Dir, "dmtcp_restart_script.sh")
	if _, err := os.Stat(script); err != nil {
		script = filepath.Join(j.Ckpt, "dmtcp_restart_script.sh")
	}
	must(t, func() error { return j.Start(append([]string{"/bin/bash", script}, j.Coordinates()...)) })
	conclude(t, j, want)
}

// haloRestarts has f restart a job of each library that has been checkpointed and
// killed, and compares the result.
func haloRestarts(t *testing.T, f func(t *testing.T, j *harness.Job)) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p := program{name: "halo"}
			want := reference(t, m, p, 2, 60)
			spec, err := p.spec(m, 2, 60, pauseUS, "-")
			j := checkpointed(t, spec, err)
			f(t, j)
			conclude(t, j, want)
		})
	}
}

// TestRestartScriptOfMPI runs the script as it is: it starts a coordinator and,
// by the launcher, all ranks.
func TestRestartScriptOfMPI(t *testing.T) {
	haloRestarts(t, func(t *testing.T, j *harness.Job) {
		must(t, j.Kill, j.StopCoordinator)
		script := filepath.Join(j.Dir, "dmtcp_restart_script.sh")
		launcher := "MANA_LAUNCHER=" + strings.Join(j.MPI.Mpirun(2), " ")
		must(t, func() error {
			return j.Start([]string{"/usr/bin/env", launcher, "MANA_LISTEN=127.0.0.1", "/bin/bash", script, "-p", "0"})
		})
	})
}

// TestInterval lets the coordinator checkpoint by its own clock.
func TestInterval(t *testing.T) {
	spec, err := plains[0].spec(400, 0)
	want := native(t, spec, err)
	spec, err = plains[0].spec(400, pauseUS)
	spec.Flags = []string{"--interval", "1"}
	j := newJob(t, spec, err)
	must(t, j.Launch)
	var stamps []time.Time
	for limit := time.Now().Add(harness.Patience); len(stamps) < 2; time.Sleep(50 * time.Millisecond) {
		paths, _ := filepath.Glob(filepath.Join(j.Ckpt, "ckpt_*.dmtcp"))
		if len(paths) == 1 {
			if st, err := os.Stat(paths[0]); err == nil && (len(stamps) == 0 || !st.ModTime().Equal(stamps[len(stamps)-1])) {
				stamps = append(stamps, st.ModTime())
			}
		}
		if time.Now().After(limit) {
			t.Fatalf("%d checkpoints within %v", len(stamps), harness.Patience)
		}
	}
	must(t, j.Kill, j.Restart)
	conclude(t, j, want)
}

// TestCoordinatorDies takes the coordinator away: the program runs on, and a
// restart under a new one works.
func TestCoordinatorDies(t *testing.T) {
	spec, err := plains[0].spec(60, 0)
	want := native(t, spec, err)
	spec, err = plains[0].spec(60, pauseUS)
	j := newJob(t, spec, err)
	must(t, j.Launch, func() error { return j.Run.WaitSteps(2) }, j.Checkpoint)
	must(t, j.Coord.Kill)
	seen := len(harness.Steps(j.Run.Stdout()))
	must(t, func() error { return j.Run.WaitSteps(seen + 5) }, j.Kill, func() error { return j.StartCoordinator() }, j.Restart)
	conclude(t, j, want)
}

// TestMoved restarts from a copy of the checkpoint directory in another place, and
// twice from the same generation.
func TestMoved(t *testing.T) {
	haloRestarts(t, func(t *testing.T, j *harness.Job) {
		must(t, func() error { return os.Rename(j.Ckpt, j.Ckpt+".moved") })
		j.Ckpt += ".moved"
		must(t, j.Restart, func() error { return j.Run.WaitSteps(3) }, j.Kill, j.Restart)
	})
}

// TestFileClosedSince kills a job that has closed, since its checkpoint, a file
// that was open then: what the library kept on disk for that file is gone.
func TestFileClosedSince(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p := program{name: "closing"}
			want := reference(t, m, p, 2, 60)
			spec, err := p.spec(m, 2, 60, pauseUS, harness.GateArg)
			j := newJob(t, spec, err)
			must(t, j.Launch, func() error { return j.Run.WaitReady(2) }, j.Checkpoint)
			must(t, j.Open, func() error { return j.Run.WaitSteps(1) }, j.Kill, j.Restart)
			conclude(t, j, want)
		})
	}
}

// TestKillAfterCheckpoint ends jobs by the checkpoint itself. They must not run on
// while the images are written: what they do to their files no restart takes back.
func TestKillAfterCheckpoint(t *testing.T) {
	const n = 60
	specs := map[string]func(pause int) (harness.Spec, error){
		"plain": func(pause int) (harness.Spec, error) { return plainProgram{name: "inplace"}.spec(n, pause) },
	}
	for _, m := range libraries(t) {
		specs[string(m)] = func(pause int) (harness.Spec, error) {
			return program{name: "inplace"}.spec(m, 2, n, pause, "-")
		}
	}
	for name, of := range specs {
		t.Run(name, func(t *testing.T) {
			spec, err := of(0)
			want := native(t, spec, err)
			spec, err = of(pauseUS)
			j := newJob(t, spec, err)
			must(t, j.Launch)
			for range 2 {
				must(t, func() error { return j.Run.WaitSteps(2) })
				if p, err := j.Ask("--kcheckpoint"); err != nil {
					t.Fatal(err, p.Stderr())
				}
				var hang *harness.ErrHang
				if err := j.Run.Wait(harness.Patience); errors.As(err, &hang) {
					t.Fatal(err)
				}
				must(t, j.Kill, j.Restart)
			}
			conclude(t, j, want)
		})
	}
}

// TestElsewhereInTheZone restarts where ld.so needs more memory for its search path,
// so that the thread-local storage of the lower half comes to lie elsewhere.
func TestElsewhereInTheZone(t *testing.T) {
	haloRestarts(t, func(t *testing.T, j *harness.Job) {
		var path strings.Builder
		for i := range 60 { // different ones: ld.so keeps each directory once
			fmt.Fprintf(&path, "/nonexistent/%0200d:", i)
		}
		j.Env = append(j.Env, "LD_LIBRARY_PATH="+path.String())
		must(t, j.Restart)
	})
}

// TestManaCommands is a job script as MANA's manual has it: a coordinator in the
// background that is found through the information file.
func TestManaCommands(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			p := program{name: "halo"}
			want := reference(t, m, p, 2, 60)
			path, err := env.Program(m, p.name)
			must(t, func() error { return err })
			j := newJob(t, harness.Spec{MPI: m, Ranks: 2}, nil)
			sh := func(script string) {
				t.Helper()
				run, err := env.Run(j.Dir, j.Env, "/bin/bash", "-ec", script)
				if err != nil {
					t.Fatalf("%s: %v", script, err)
				}
				t.Log(script, run.Stdout(), run.Stderr())
			}
			sh("mana_coordinator --listen 127.0.0.1 -p 0 --ckptdir ckpt && cat .mana.rc")
			launch := fmt.Sprintf("exec %s mana_launch --ckptdir ckpt %s 60 %d", strings.Join(m.Mpirun(2), " "), path, pauseUS)
			must(t, func() error { return j.Start([]string{"/bin/bash", "-c", launch}) }, func() error { return j.Run.WaitSteps(2) })
			sh("mana_status --bcheckpoint")
			sh("mana_status --list")
			must(t, j.KillTree)
			sh("mana_coordinator --listen 127.0.0.1 -p 0 --ckptdir ckpt") // the first one went with its last client
			must(t, func() error {
				return j.Start([]string{"/bin/bash", "-c", "exec " + strings.Join(m.Mpirun(2), " ") + " mana_restart --restartdir ckpt"})
			})
			conclude(t, j, want)
		})
	}
}
