package agent

import (
	"errors"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"mana/witness"
)

// TestStopEnded: a program that has ended unnoticed by the time of its stop is told
// as that. Without it the checkpoint would go on with nothing to save.
func TestStopEnded(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	pid := cmd.Process.Pid
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	root := &program{pid: pid}
	f := &family{a: &agent{kin: make(map[int]*program), witness: new(witness.Witness)}, roots: []*program{root}}
	if failed, err := f.stopAll(); failed != root || !errors.Is(err, errEnded) {
		t.Errorf("stopAll: %v, %v; want the program, and that it has ended", failed, err)
	}
}
