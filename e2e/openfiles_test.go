package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// reader has a file open for reading and writing, and shows at the end what is in it.
const reader = `exec 5<>data; echo saved >&5; i=0
while [ ! -e "$MANAE2E_HURRY" ]; do echo "step $i"; i=$((i+1)); sleep 0.02; done
echo "RESULT $(cat data)"`

// TestOpenFiles: a saved file that is gone comes back, one that has changed is
// replaced only if that was allowed, and then a copy of it stays.
func TestOpenFiles(t *testing.T) {
	launch := func(t *testing.T, flags ...string) (j *harness.Job, data string) {
		j = newJob(t, harness.Spec{Command: []string{"/bin/sh", "-c", reader}, Flags: flags}, nil)
		must(t, j.Launch, func() error { return j.Run.WaitSteps(1) }, j.Checkpoint, j.Kill)
		return j, filepath.Join(j.Dir, "data")
	}
	end := func(t *testing.T, j *harness.Job) {
		t.Helper()
		must(t, j.Restart, func() error { return j.Run.WaitSteps(1) })
		conclude(t, j, "RESULT saved")
	}
	t.Run("gone", func(t *testing.T) {
		j, data := launch(t, "--checkpoint-open-files")
		must(t, func() error { return os.Remove(data) })
		end(t, j)
	})
	t.Run("gone and not saved", func(t *testing.T) {
		j, data := launch(t)
		must(t, func() error { return os.Remove(data) }, j.Restart)
		if err := j.Run.Wait(harness.Patience); err == nil || !strings.Contains(j.Run.Stderr(), "--checkpoint-open-files") {
			t.Errorf("%v, %q", err, j.Run.Stderr())
		}
	})
	t.Run("changed", func(t *testing.T) {
		j, data := launch(t, "--checkpoint-open-files")
		must(t, func() error { return os.WriteFile(data, []byte("other\n"), 0o644) }, j.Restart)
		if err := j.Run.Wait(harness.Patience); err == nil || !strings.Contains(j.Run.Stderr(), "--allow-file-overwrite") {
			t.Errorf("%v, %q", err, j.Run.Stderr())
		}
		if b, err := os.ReadFile(data); string(b) != "other\n" {
			t.Errorf("%q, %v", b, err)
		}
		must(t, func() error { return os.WriteFile(data, []byte("saved\n"), 0o644) })
		end(t, j)
	})
	t.Run("replaced", func(t *testing.T) {
		j, data := launch(t, "--checkpoint-open-files", "--allow-file-overwrite")
		must(t, func() error { return os.WriteFile(data, []byte("other and more\n"), 0o644) })
		end(t, j)
		copies, _ := filepath.Glob(data + "-*.bk")
		if len(copies) != 1 {
			t.Fatalf("copies %v", copies)
		}
		if b, err := os.ReadFile(copies[0]); string(b) != "other and more\n" {
			t.Errorf("%q, %v", b, err)
		}
	})
}
