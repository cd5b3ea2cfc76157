package harness

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The commands that os/exec waits for; all other children of this process are
// orphans that it inherited as their subreaper.
var (
	ownMu   sync.Mutex
	ownPids = map[int]bool{}
)

func own(pid int) {
	ownMu.Lock()
	defer ownMu.Unlock()
	ownPids[pid] = true
}

func disown(pid int) {
	ownMu.Lock()
	defer ownMu.Unlock()
	delete(ownPids, pid)
}

func owned(pid int) bool {
	ownMu.Lock()
	defer ownMu.Unlock()
	return ownPids[pid]
}

// status is one /proc/PID/stat line's worth.
type status struct {
	pid, ppid int
	comm      string
	state     byte
}

func readStatus(pid int) (status, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return status{}, false
	}
	s := string(data)
	open, shut := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	f := strings.Fields(s[shut+1:])
	if open < 0 || len(f) < 2 {
		return status{}, false
	}
	ppid, err := strconv.Atoi(f[1])
	return status{pid, ppid, s[open+1 : shut], f[0][0]}, err == nil
}

// descendants lists the live processes below root, except those below a pid in
// spare, and reaps the orphans that have died.
func descendants(root int, spare ...int) []status {
	children := map[int][]status{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		pid, _ := strconv.Atoi(filepath.Base(entry))
		if st, ok := readStatus(pid); ok {
			children[st.ppid] = append(children[st.ppid], st)
		}
	}
	var found []status
	var walk func(int)
	walk = func(parent int) {
		for _, st := range children[parent] {
			if contains(spare, st.pid) {
				continue
			}
			if st.state == 'Z' || st.state == 'X' {
				if st.ppid == os.Getpid() && !owned(st.pid) {
					syscall.Wait4(st.pid, nil, syscall.WNOHANG, nil)
				}
			} else {
				found = append(found, st)
			}
			walk(st.pid)
		}
	}
	walk(root)
	return found
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

// KillAll kills every process below this one except the spared ones and waits until they are gone.
func KillAll(spare ...int) error {
	limit := time.Now().Add(Patience)
	for {
		left := descendants(os.Getpid(), spare...)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("processes survive SIGKILL:\n%s", State())
		}
		for _, st := range left {
			syscall.Kill(st.pid, syscall.SIGKILL)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// KillBelow kills a process and everything below it; it says how many were alive.
func KillBelow(root int) int {
	left := descendants(root)
	for _, st := range left {
		syscall.Kill(st.pid, syscall.SIGKILL)
	}
	if owned(root) {
		syscall.Kill(root, syscall.SIGKILL)
	}
	return len(left)
}

// Leftovers waits a moment for processes below this one to go, and lists those that do not.
func Leftovers(spare ...int) []string {
	limit := time.Now().Add(3 * time.Second)
	for {
		left := descendants(os.Getpid(), spare...)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(limit) {
			var text []string
			for _, st := range left {
				text = append(text, fmt.Sprintf("%d (%s) %c", st.pid, cmdline(st.pid), st.state))
			}
			return text
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// State describes every process and thread below this one: what to read after a hang.
func State() string {
	var b strings.Builder
	for _, st := range descendants(os.Getpid()) {
		fmt.Fprintf(&b, "process %d (parent %d) %s\n", st.pid, st.ppid, cmdline(st.pid))
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", st.pid))
		for i, task := range tasks {
			if i == 12 {
				fmt.Fprintf(&b, "  ... and %d more threads\n", len(tasks)-i)
				break
			}
			if text := taskState(task); !idleGo.MatchString(text) {
				fmt.Fprintf(&b, "  task %s %s\n", filepath.Base(task), text)
			}
		}
	}
	return b.String()
}

// idleGo marks the idle threads of a Go program's runtime, which tell nothing.
var idleGo = regexp.MustCompile(`wchan futex_do_wait syscall 202 0x[0-9a-f]+ 0x80 0x0 0x[0-9a-f]+ 0x0 0x0`)

func taskState(task string) string {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(task, name))
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(data))
	}
	var picked []string
	for _, line := range strings.Split(read("status"), "\n") {
		for _, key := range []string{"Name:", "State:", "TracerPid:", "SigPnd:", "SigBlk:"} {
			if strings.HasPrefix(line, key) {
				picked = append(picked, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return fmt.Sprintf("%s wchan %s syscall %s", strings.Join(picked, " "), read("wchan"), read("syscall"))
}

func cmdline(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(bytes.ReplaceAll(data, []byte{0}, []byte{' '})))
}
