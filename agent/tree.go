package agent

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// children lists the children of a process, whichever of its threads made
// them. A process that is gone has none.
func children(pid int) []int {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	var kids []int
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				kids = append(kids, n)
			}
		}
	}
	return kids
}

// ownChildren lists the agent's children but for the witness.
func (a *agent) ownChildren() []int {
	return slices.DeleteFunc(children(os.Getpid()), a.witness.Is)
}

// descend appends pid and its descendants, parents first, leaving out zombies.
func descend(pids []int, pid int) []int {
	if slices.Contains(pids, pid) || zombie(pid) {
		return pids
	}
	pids = append(pids, pid)
	for _, k := range children(pid) {
		pids = descend(pids, k)
	}
	return pids
}

// stat returns the fields of /proc/PID/stat after the command's name, which
// may itself contain anything: state is field 0, starttime field 19.
func stat(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	if i := bytes.LastIndexByte(b, ')'); i >= 0 {
		return strings.Fields(string(b[i+1:]))
	}
	return nil
}

func zombie(pid int) bool {
	f := stat(pid)
	return len(f) == 0 || f[0] == "Z" || f[0] == "X"
}

// exiting tells whether a process is on its way out or gone: its memory is
// no longer there to read (PF_EXITING, include/linux/sched.h).
func exiting(pid int) bool {
	const pfExiting = 0x4
	f := stat(pid)
	if len(f) < 7 {
		return true
	}
	flags, err := strconv.ParseUint(f[6], 10, 64)
	return err == nil && flags&pfExiting != 0
}

// startTime is when the process began, in clock ticks since boot: with the
// pid it tells processes of one boot apart.
func startTime(pid int) uint64 {
	if f := stat(pid); len(f) > 19 {
		n, _ := strconv.ParseUint(f[19], 10, 64)
		return n
	}
	return 0
}

// progName is the name of a process' program, as image files carry it.
func progName(pid int) string {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err == nil {
		return strings.TrimSuffix(filepath.Base(exe), " (deleted)")
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
