package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The parsers of /proc in this file make no system calls.

// fields splits a file of "Key: value" lines, such as /proc/PID/status.
func fields(b []byte) map[string]string {
	m := map[string]string{}
	for _, l := range strings.Split(string(b), "\n") {
		if k, v, ok := strings.Cut(l, ":"); ok {
			m[k] = strings.TrimSpace(v)
		}
	}
	return m
}

// number reads a decimal field, 0 if it is missing or no number.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// parseStat returns the fields of /proc/PID/stat numbered as in proc(5): [1] is
// the pid, [2] the command (which may contain anything), [3] the state.
func parseStat(b []byte) ([]string, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return nil, fmt.Errorf("malformed /proc/PID/stat %q", b)
	}
	f := append([]string{"", strings.TrimSpace(string(b[:open])), string(b[open+1 : end])},
		strings.Fields(string(b[end+1:]))...)
	if len(f) < 52 {
		return nil, fmt.Errorf("/proc/PID/stat has only %d fields", len(f)-1)
	}
	return f, nil
}

// parseMaps reads /proc/PID/maps.
func parseMaps(b []byte) ([]VMA, error) {
	var vmas []VMA
	for _, l := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if l == "" {
			continue
		}
		v, err := parseMapsLine(l)
		if err != nil {
			return nil, err
		}
		vmas = append(vmas, v)
	}
	return vmas, nil
}

func parseMapsLine(l string) (VMA, error) {
	var v VMA
	// start-end perm offset dev inode, then blanks and the name to the end
	f := strings.SplitN(l, " ", 6)
	bad := fmt.Errorf("malformed line %q in /proc/PID/maps", l)
	if len(f) < 5 || len(f[1]) != 4 {
		return v, bad
	}
	lo, hi, ok := strings.Cut(f[0], "-")
	start, e1 := strconv.ParseUint(lo, 16, 64)
	end, e2 := strconv.ParseUint(hi, 16, 64)
	off, e3 := strconv.ParseUint(f[2], 16, 64)
	major, minor, ok2 := strings.Cut(f[3], ":")
	maj, e4 := strconv.ParseUint(major, 16, 32)
	min, e5 := strconv.ParseUint(minor, 16, 32)
	ino, e6 := strconv.ParseUint(f[4], 10, 64)
	if !ok || !ok2 || e1 != nil || e2 != nil || e3 != nil || e4 != nil || e5 != nil || e6 != nil || end <= start {
		return v, bad
	}
	v.Start, v.End, v.Offset = start, end, off
	for i, bit := range []int{1, 2, 4} {
		if f[1][i] != '-' {
			v.Prot |= bit
		}
	}
	v.Shared = f[1][3] == 's'
	if len(f) == 6 {
		v.Name = unescape(strings.TrimLeft(f[5], " "))
	}
	if ino != 0 {
		v.File = &FileID{Dev: makedev(maj, min), Inode: ino}
	}
	v.classify()
	return v, nil
}

// unescape undoes the \012 that the kernel writes for a newline in a name.
func unescape(s string) string { return strings.ReplaceAll(s, `\012`, "\n") }

// makedev is the userspace encoding of a device number, as in st_dev.
func makedev(major, minor uint64) uint64 {
	return minor&0xff | (major&0xfff)<<8 | (minor&^0xff)<<12 | (major&^0xfff)<<32
}

// classify sets Kind and SharedID from name, inode and permissions.
func (v *VMA) classify() {
	deleted := strings.HasSuffix(v.Name, " (deleted)")
	switch {
	case v.Name == "[vdso]":
		v.Kind = KindVDSO
	case strings.HasPrefix(v.Name, "[vvar"):
		v.Kind = KindVVar
	case v.Name == "[vsyscall]":
		v.Kind = KindVsyscall
	case v.Name == "[stack]":
		v.Kind = KindStack
	case v.File == nil:
		v.Kind = KindAnon
		if v.Shared {
			v.Kind = KindSharedAnon
		}
	case v.Shared && (deleted && unnamed(v.Name) || strings.HasPrefix(v.Name, "[anon_shmem:")):
		v.Kind = KindSharedAnon
	case v.Shared:
		v.Kind = KindFileShared
	default:
		v.Kind = KindFilePrivate
	}
	if v.File != nil {
		v.File.Deleted = deleted
		v.File.Path = strings.TrimSuffix(v.Name, " (deleted)")
		if v.Shared {
			v.SharedID = sharedID(v.File.Dev, v.File.Inode)
		}
	}
}

// unnamed tells objects that live in the kernel's internal tmpfs.
func unnamed(name string) bool {
	for _, p := range []string{"/dev/zero", "/memfd:", "/SYSV"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func sharedID(dev, ino uint64) string { return fmt.Sprintf("%x:%d", dev, ino) }

// parseVmFlags reads the VmFlags of each mapping from /proc/PID/smaps, by start
// address.
func parseVmFlags(b []byte) map[uint64][]string {
	m := map[uint64][]string{}
	var start uint64
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		if f, ok := bytes.CutPrefix(line, []byte("VmFlags:")); ok {
			m[start] = strings.Fields(string(f))
			continue
		}
		if lo, _, ok := bytes.Cut(line, []byte{'-'}); ok && len(lo) <= 16 {
			if a, err := strconv.ParseUint(string(lo), 16, 64); err == nil {
				start = a
			}
		}
	}
	return m
}

// parseTimers reads /proc/PID/timers.
func parseTimers(b []byte) ([]Timer, error) {
	var ts []Timer
	for _, block := range strings.Split("\n"+string(b), "\nID: ")[1:] {
		f := fields([]byte("ID: " + block))
		t := Timer{ID: int32(number(f["ID"])), Clock: number(f["ClockID"])}
		sig, value, ok := strings.Cut(f["signal"], "/")
		how, whom, ok2 := strings.Cut(f["notify"], "/")
		if !ok || !ok2 {
			return nil, fmt.Errorf("malformed entry %q in /proc/PID/timers", block)
		}
		t.Signal = number(sig)
		t.Value, _ = strconv.ParseUint(value, 16, 64)
		t.Notify = map[string]int{"signal": sigevSignal, "none": sigevNone, "thread": sigevThread}[how]
		kind, id, _ := strings.Cut(whom, ".")
		t.NotifyID = number(id)
		if kind == "tid" {
			t.Notify |= sigevThreadID
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// From include/uapi/asm-generic/siginfo.h.
const (
	sigevSignal   = 0
	sigevNone     = 1
	sigevThread   = 2
	sigevThreadID = 4
)

// readProc reads a file below /proc/PID.
func readProc(pid int, name string) ([]byte, error) {
	return os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
}

// status reads /proc/PID/status or, given "task/TID/", that of a thread.
func status(pid int, sub string) (map[string]string, error) {
	b, err := readProc(pid, sub+"status")
	if err != nil {
		return nil, err
	}
	return fields(b), nil
}

// tasks lists the threads of a process.
func tasks(pid int) ([]int, error) { return numbered(pid, "task") }

// descriptors lists the open descriptors of a process in no particular order.
func descriptors(pid int) ([]int, error) { return numbered(pid, "fd") }

func numbered(pid int, dir string) ([]int, error) {
	d, err := os.Open("/proc/" + strconv.Itoa(pid) + "/" + dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	ids := make([]int, len(names))
	for i, n := range names {
		ids[i] = number(n)
	}
	return ids, nil
}
