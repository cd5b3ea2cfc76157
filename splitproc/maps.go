package splitproc

import (
	"strconv"
	"strings"

	"mana/shared"
)

// findMapping returns the start of the first mapping of that name in the text
// of /proc/PID/maps, 0 if there is none.
func findMapping(maps, name string) uint64 {
	for _, l := range strings.Split(maps, "\n") {
		if !strings.HasSuffix(l, " "+name) {
			continue
		}
		start, _, _ := strings.Cut(l, "-")
		if a, err := strconv.ParseUint(start, 16, 64); err == nil {
			return a
		}
	}
	return 0
}

// HasControl tells whether a process has a control page mapped.
func HasControl(pid int) bool { return shared.Mapped(pid, controlName) }
