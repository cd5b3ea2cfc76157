package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mana/e2e/harness"
)

// TestFailedCheckpoint makes checkpoints of a job fail after the first: that must be
// told, the program must run on, and the first generation must still restart.
func TestFailedCheckpoint(t *testing.T) {
	const long = 600 // steps: the program must not end while a disk is filled
	kinds := []struct {
		name          string
		before        func(t *testing.T, j *harness.Job) // the launch
		spoil, repair func(t *testing.T, j *harness.Job)
		expect        string
	}{
		{"full disk", smallDisk, fillDisk, freeDisk, "no space left on device"},
		{"unwritable directory", nil, chmodTree(0o555), chmodTree(0o755), "permission denied"},
	}
	specs := map[string]func() (harness.Spec, string){
		"plain": func() (harness.Spec, string) {
			spec, err := plains[0].spec(long, 0)
			want := native(t, spec, err)
			spec, err = plains[0].spec(long, pauseUS)
			must(t, func() error { return err })
			return spec, want
		},
	}
	for _, m := range libraries(t) {
		specs[string(m)] = func() (harness.Spec, string) {
			p := program{name: "halo"}
			spec, err := p.spec(m, 2, long, pauseUS, "-")
			must(t, func() error { return err })
			return spec, reference(t, m, p, 2, long)
		}
	}
	for what, make := range specs {
		for _, k := range kinds {
			t.Run(what+"/"+k.name, func(t *testing.T) {
				spec, want := make()
				j := newJob(t, spec, nil)
				if k.before != nil {
					k.before(t, j)
				}
				must(t, j.Launch, func() error { return j.Run.WaitSteps(2) }, j.Checkpoint)
				k.spoil(t, j)
				for _, command := range []string{"--bcheckpoint", "--kcheckpoint"} {
					failsAndRunsOn(t, j, command, k.expect)
				}
				k.repair(t, j)
				must(t, j.Kill, j.Restart)
				conclude(t, j, want)
			})
		}
	}
}

// failsAndRunsOn asks for a checkpoint that must fail for the reason given, and leave the program alone.
func failsAndRunsOn(t *testing.T, j *harness.Job, command, reason string) {
	t.Helper()
	p, err := j.Ask(command)
	if err == nil {
		t.Errorf("%s succeeded\n%s", command, p.Stdout())
	} else if _, hang := err.(*harness.ErrHang); hang {
		t.Fatal(err)
	}
	if said := p.Stderr() + j.Run.Stderr() + j.Coord.Stderr(); !strings.Contains(said, reason) {
		t.Errorf("%s: nobody says %q:\n%s", command, reason, said)
	}
	seen := len(harness.Steps(j.Run.Stdout()))
	must(t, func() error { return j.Run.WaitSteps(seen + 2) })
}

// smallDisk puts a small file system under the checkpoint directory.
func smallDisk(t *testing.T, j *harness.Job) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small tmpfs needs root")
	}
	if err := syscall.Mount("mana-e2e", j.Ckpt, "tmpfs", 0, "size=256m,mode=0777"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(j.Ckpt, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func ballast(j *harness.Job) string { return filepath.Join(j.Ckpt, "ballast") }

// fillDisk leaves next to nothing free.
func fillDisk(t *testing.T, j *harness.Job) {
	var st syscall.Statfs_t
	must(t, func() error { return syscall.Statfs(j.Ckpt, &st) })
	must(t, func() error { return os.WriteFile(ballast(j), make([]byte, int64(st.Bavail)*st.Bsize-1<<14), 0o600) })
}

func freeDisk(t *testing.T, j *harness.Job) {
	must(t, func() error { return os.Remove(ballast(j)) })
}

// chmodTree changes the mode of the checkpoint directory and of all directories below.
func chmodTree(mode os.FileMode) func(*testing.T, *harness.Job) {
	return func(t *testing.T, j *harness.Job) {
		must(t, func() error {
			return filepath.WalkDir(j.Ckpt, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					err = os.Chmod(path, mode)
				}
				return err
			})
		})
	}
}
