package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"mana/e2e/harness"
)

// TestSignalsArriveOnce sends signals to the launch alone, as a user does who
// knows its number, and to its whole process group, as shells and launchers do;
// the same after a restart.
func TestSignalsArriveOnce(t *testing.T) {
	cmd, err := env.Plain("signals")
	j := newJob(t, harness.Spec{Command: cmd}, err)
	must(t, j.Launch, func() error { return j.Run.WaitSteps(1) }, func() error { return j.WaitRunning(1) })
	sent := 0
	send := func(pid int) {
		t.Helper()
		if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		sent++
		must(t, func() error {
			return j.Run.WaitOutput(fmt.Sprintf("signal %d", sent), func(string) bool { return j.Run.LastStep() >= sent })
		})
		time.Sleep(500 * time.Millisecond) // for a second copy, which must not come
		if got := j.Run.LastStep(); got != sent {
			t.Fatalf("%d signals sent, %d received", sent, got)
		}
	}
	// A restart needs a moment after the first step until it listens.
	for range 2 {
		send(-j.Run.Pid())
		send(j.Run.Pid())
		send(-j.Run.Pid())
		must(t, j.Checkpoint, j.Kill, j.Restart, func() error { return j.WaitRunning(1) })
	}
	must(t, func() error { return syscall.Kill(j.Run.Pid(), syscall.SIGTERM) })
	result, err := j.Finish()
	if want := fmt.Sprintf("RESULT signals %d", sent); err != nil || result != want {
		t.Errorf("%q, %v; want %q", result, err, want)
	}
}
