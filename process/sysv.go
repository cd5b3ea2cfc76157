package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mana/image"
	"mana/task"
)

// SysVScope says which System V IPC objects are a tree's.
type SysVScope int

const (
	// SysVUsed are those that a process of the tree has attached, made or used.
	SysVUsed SysVScope = iota
	// SysVAll are all: the ipc namespace is the tree's own.
	SysVAll
	// SysVAttached leaves out what may be of an MPI library's lower half.
	SysVAttached
)

// sysvTaker collects the objects of a tree.
type sysvTaker struct {
	scope    SysVScope
	first    *Snapshot
	pids     map[int]bool
	attached map[int]bool // whole, by a process of the tree
	partly   map[int]bool
	out      SysV
	size     uint64 // copied so far
	began    int64  // when the first process did, in seconds since 1970
}

// NoteSysV saves the System V IPC objects of processes that all stand still.
func NoteSysV(snaps []*Snapshot, scope SysVScope) error {
	t := sysvTaker{scope: scope, pids: make(map[int]bool), attached: make(map[int]bool), partly: make(map[int]bool)}
	ours, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return err
	}
	for _, s := range snaps {
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/ipc", s.State.PID))
		if err != nil || ns != ours {
			continue // its objects cannot be seen from here
		}
		if t.first == nil {
			t.first = s
		}
		t.pids[s.State.PID] = true
		for i := range s.State.VMAs {
			t.mapping(&s.State.VMAs[i])
		}
	}
	if t.first == nil {
		return nil
	}
	if t.began, err = beginning(t.first.State.PID); err != nil {
		return err
	}
	for _, step := range []func() error{t.segments, t.semaphores, t.queues} {
		if err := step(); err != nil {
			return fmt.Errorf("save System V IPC objects: %w", err)
		}
	}
	if o := t.out; len(o.Segments)+len(o.Semaphores)+len(o.Queues) > 0 {
		t.first.State.SysV = &t.out
	}
	return nil
}

// sysvSegment returns the id of the segment that a mapping shows; the kernel
// makes it the inode number (newseg in ipc/shm.c).
func (v *VMA) sysvSegment() (int, bool) {
	if v.Kind != KindSharedAnon || v.File == nil || !strings.HasPrefix(v.Name, "/SYSV") {
		return 0, false
	}
	return int(v.File.Inode), true
}

func (t *sysvTaker) mapping(v *VMA) {
	id, ok := v.sysvSegment()
	if !ok {
		return
	}
	t.partly[id] = true
	var st unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &st); err == nil && v.Offset == 0 && v.Len() >= uint64(st.Segsz) {
		t.attached[id] = true
	}
}

// sysvRows reads a table of /proc/sysvipc, each line by the names of its columns.
func sysvRows(b []byte) []map[string]string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	names := strings.Fields(lines[0])
	var out []map[string]string
	for _, l := range lines[1:] {
		row := make(map[string]string, len(names))
		for i, v := range strings.Fields(l) {
			if i < len(names) {
				row[names[i]] = v
			}
		}
		out = append(out, row)
	}
	return out
}

func readSysV(kind string) ([]map[string]string, error) {
	b, err := os.ReadFile("/proc/sysvipc/" + kind)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a kernel without
	}
	return sysvRows(b), err
}

func sysvObject(row map[string]string, id string) SysVObject {
	mode, _ := strconv.ParseUint(row["perms"], 8, 32)
	return SysVObject{ID: number(row[id]), Key: number(row["key"]), Mode: int(mode) & 0o777}
}

// touched tells whether the object is the tree's by the processes that it names.
func (t *sysvTaker) touched(row map[string]string, pids ...string) bool {
	return t.scope == SysVAll || t.scope == SysVUsed &&
		slices.ContainsFunc(pids, func(name string) bool { return t.pids[number(row[name])] })
}

func (t *sysvTaker) segments() error {
	rows, err := readSysV("shm")
	if err != nil {
		return err
	}
	const removed = 0o1000 // SHM_DEST
	for _, row := range rows {
		g := Segment{SysVObject: sysvObject(row, "shmid")}
		if !t.partly[g.ID] && !t.touched(row, "cpid", "lpid") {
			continue
		}
		g.Size, _ = strconv.ParseUint(row["size"], 10, 64)
		perms, _ := strconv.ParseUint(row["perms"], 8, 32)
		g.Removed = perms&removed != 0
		t.out.Segments = append(t.out.Segments, g)
		if !t.attached[g.ID] {
			if err := t.copySegment(len(t.out.Segments)-1, &g); err != nil {
				return err
			}
		}
	}
	return nil
}

// copySegment copies the contents of a segment that no process has attached
// whole.
func (t *sysvTaker) copySegment(i int, g *Segment) error {
	if t.size += g.Size; t.size > keptMax {
		return fmt.Errorf("shared memory segment %d of %d bytes is attached nowhere and too large to copy: %w", g.ID, g.Size, ErrUnsupported)
	}
	b, err := unix.SysvShmAttach(g.ID, 0, unix.SHM_RDONLY)
	if err != nil {
		return fmt.Errorf("attach shared memory segment %d: %w", g.ID, err)
	}
	defer unix.SysvShmDetach(b)
	for _, r := range nonZero(b) {
		t.first.c.segments = append(t.first.c.segments, captured{vma: -1, file: -1, segment: i, addr: r.Addr, data: slices.Clone(b[r.Addr : r.Addr+r.Len])})
	}
	return nil
}

// nonZero returns the pages of b that hold anything.
func nonZero(b []byte) []task.Range {
	var out []task.Range
	for off := 0; off < len(b); off += image.PageSize {
		page := b[off:min(off+image.PageSize, len(b))]
		if slices.ContainsFunc(page, func(c byte) bool { return c != 0 }) {
			out = task.AppendRange(out, task.Range{Addr: uint64(off), Len: uint64(len(page))})
		}
	}
	return out
}

func (t *sysvTaker) semaphores() error {
	rows, err := readSysV("sem")
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := SemSet{SysVObject: sysvObject(row, "semid")}
		n := number(row["nsems"])
		if !t.touched(row) && !t.usedSet(row, s.ID, n) {
			continue
		}
		if s.Values, err = task.SemValues(s.ID, n); err != nil {
			return err
		}
		t.out.Semaphores = append(t.out.Semaphores, s)
	}
	return nil
}

// usedSet tells whether a process of the tree was the last to use a semaphore
// of the set, which only the semaphores themselves tell.
func (t *sysvTaker) usedSet(row map[string]string, id, n int) bool {
	if t.scope != SysVUsed {
		return false
	}
	fresh := true
	for i := range n {
		pid, err := task.SemUser(id, i)
		if err == nil && t.pids[pid] {
			return true
		}
		fresh = fresh && err == nil && pid == 0
	}
	return fresh && t.ours(row)
}

// ours tells whether the user has made an object since the program began: one
// that nobody has used yet, as the queue that a server waits at, names no
// process.
func (t *sysvTaker) ours(row map[string]string) bool {
	return t.scope == SysVUsed && number(row["cuid"]) == os.Geteuid() && int64(number(row["ctime"])) >= t.began
}

// beginning is when a process began.
func beginning(pid int) (int64, error) {
	b, err := readProc(pid, "stat")
	if err != nil {
		return 0, err
	}
	f, err := parseStat(b)
	if err != nil {
		return 0, err
	}
	if b, err = os.ReadFile("/proc/stat"); err != nil {
		return 0, err
	}
	const hertz = 100 // USER_HZ, in which field 22 counts since boot
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "btime "); ok {
			return int64(number(strings.TrimSpace(v)) + number(f[22])/hertz - 1), nil // both are rounded
		}
	}
	return 0, errors.New("/proc/stat does not tell when the system booted")
}

func (t *sysvTaker) queues() error {
	rows, err := readSysV("msg")
	if err != nil {
		return err
	}
	for _, row := range rows {
		q := MsgQueue{SysVObject: sysvObject(row, "msqid")}
		unused := row["lspid"] == "0" && row["lrpid"] == "0"
		if !t.touched(row, "lspid", "lrpid") && !(unused && t.ours(row)) {
			continue
		}
		if q.Bytes, err = task.QueueBytes(q.ID); err != nil {
			return err
		}
		for i := range number(row["qnum"]) {
			var m Message
			if m.Type, m.Text, err = task.PeekMessage(q.ID, i, number(row["cbytes"])); err != nil {
				return fmt.Errorf("%w (%w)", err, ErrUnsupported)
			}
			q.Messages = append(q.Messages, m)
		}
		t.out.Queues = append(t.out.Queues, q)
	}
	return nil
}
