package e2e

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"mana/task"
)

// ipcs are programs whose processes work together through objects that outlive
// processes.
var ipcs = []plainProgram{
	{name: "sysv", steps: 20},
	{name: "mqueue", steps: 20},
}

// TestIPC restarts them from random moments. What the killed ones leave behind
// in the system is removed at the end.
func TestIPC(t *testing.T) {
	t.Cleanup(func() {
		if _, err := env.Run(env.Dir, nil, "ipcrm", "--all"); err != nil {
			t.Error(err)
		}
		if err := task.MqUnlink(fmt.Sprintf("manae2e-%d", env.Uid())); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	})
	plainCycles(t, ipcs)
}
