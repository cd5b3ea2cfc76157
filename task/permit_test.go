package task

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the other tests of this package run, control is permitted, and the
// probe leaves no child behind.
func TestMayControl(t *testing.T) {
	tracer := NewTracer()
	defer tracer.Close()
	var pid int
	err := tracer.Do(func() error {
		return MayControl(func(c *Task) error {
			pid = c.TID
			got, err := c.Getpid()
			if got != pid {
				t.Errorf("getpid in the child: %d, %v", got, err)
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the child is left: %v", err)
	}
}

func TestExplain(t *testing.T) {
	tracer := NewTracer()
	defer tracer.Close()
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{unix.ENOENT, unix.EPERM} {
		// A refusal that has another reason is told as it is.
		if got := tracer.Do(func() error { return Explain(err) }); got != err {
			t.Errorf("Explain(%v) = %v", err, got)
		}
	}
	if err := explainDenial(unix.EPERM); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("EPERM: %v", err)
	}
}
