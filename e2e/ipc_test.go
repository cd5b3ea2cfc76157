package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
		for table, flag := range map[string]string{"shm": "--shmem-id", "sem": "--semaphore-id", "msg": "--queue-id"} {
			for _, id := range sysvObjects(t, table) {
				if _, err := env.Run(env.Dir, nil, "ipcrm", flag, id); err != nil {
					t.Error(err)
				}
			}
		}
		if err := task.MqUnlink(fmt.Sprintf("manae2e-%d", env.Uid())); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	})
	plainCycles(t, ipcs)
}

// sysvObjects lists the ids in /proc/sysvipc/TABLE that belong to the user of the tests: others may have some too.
func sysvObjects(t *testing.T, table string) []string {
	b, err := os.ReadFile("/proc/sysvipc/" + table)
	if err != nil {
		t.Error(err)
		return nil
	}
	var ids []string
	owner := -1
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Fields(line)
		if i == 0 {
			owner = slices.Index(f, "uid")
		} else if owner > 1 && f[owner] == fmt.Sprint(env.Uid()) {
			ids = append(ids, f[1]) // after the key
		}
	}
	return ids
}
