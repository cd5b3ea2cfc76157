package process

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"mana/image"
	"mana/task"
)

// keepUnshared copies, while the program is stopped, the memory that its
// snapshot does not have for itself: shared mappings, and what the program
// excluded from forks (MADV_DONTFORK, MADV_WIPEONFORK).
func (s *Snapshot) keepUnshared(f *Frozen) error {
	theirs, err := parseProcMaps(s.target.TID)
	if err != nil {
		return err
	}
	present := map[uint64]bool{}
	for _, v := range theirs {
		present[v.Start] = true
	}
	ours, err := task.OpenPages(f.PID)
	if err != nil {
		return err
	}
	defer ours.Close()
	copies, err := task.OpenPages(s.target.TID)
	if err != nil {
		return err
	}
	defer copies.Close()
	total := uint64(0)
	for i := range s.State.VMAs {
		v := &s.State.VMAs[i]
		pages, err := s.unshared(v, present[v.Start], ours, copies)
		if err != nil {
			return err
		}
		for _, r := range pages {
			total += r.Len
		}
		if total > keptMax {
			return s.becomeLive(f)
		}
		if err := s.keep(f, i, pages); err != nil {
			return err
		}
	}
	return nil
}

// keptMax is how much memory may be copied into ours. A program that shares more
// is better written while it stands.
var keptMax uint64 = 1 << 30

// becomeLive gives up the child.
func (s *Snapshot) becomeLive(f *Frozen) error {
	err := s.reap()
	s.child, s.kept = false, nil
	s.target, s.mem = f.threads[0].Task, f.Memory()
	return err
}

func parseProcMaps(pid int) ([]VMA, error) {
	b, err := readProc(pid, "maps")
	if err != nil {
		return nil, err
	}
	return parseMaps(b)
}

// unshared returns the pages of a mapping that must be copied now.
func (s *Snapshot) unshared(v *VMA, forked bool, ours, copies *task.Pages) ([]task.Range, error) {
	all := task.Range{Addr: v.Start, Len: v.Len()}
	switch v.Kind {
	case KindVDSO, KindVVar, KindVsyscall:
		return nil, nil
	case KindSharedAnon, KindFileShared:
		return s.c.sharedPages(ours, v)
	case KindFilePrivate:
		if !forked {
			v.Flags = append(v.Flags, "dc")
			return ours.Private(all)
		}
		return nil, nil
	}
	if !forked {
		v.Flags = append(v.Flags, "dc")
		return ours.Private(all)
	}
	// A wiped mapping has lost its pages in the child, whatever its flags.
	mine, err := ours.First(all)
	if err != nil || mine.Len == 0 {
		return nil, err
	}
	copied, err := copies.First(mine)
	if err != nil || copied.Len != 0 {
		return nil, err
	}
	return ours.Private(all)
}

// keep copies pages of mapping number i.
func (s *Snapshot) keep(f *Frozen, i int, pages []task.Range) error {
	mem := f.Memory()
	defer mem.Close()
	for _, r := range pages {
		data := make([]byte, r.Len)
		if err := mem.Read(r.Addr, data); err != nil {
			return err
		}
		s.kept = append(s.kept, captured{vma: i, file: -1, addr: r.Addr, data: data})
	}
	return nil
}

// sharedWindow begins the names of what MPI_Win_allocate_shared maps: each rank
// keeps its own part elsewhere, and the parts are put together at the restart
// (splitproc/stub/core_winshm.c).
const sharedWindow = "/dev/shm/mana.window."

// sharedPages returns the pages of a shared mapping to be saved. A mapping that
// the program can only read has nothing of its own, if its file has a name. Of
// shared anonymous memory, and of deleted files, the page table may lack pages
// that exist (another mapping made them, or they are swapped out), so the
// kernel's cache is asked too, and with swap in use everything is read, as it
// is of files on a disk.
func (c *collector) sharedPages(p *task.Pages, v *VMA) ([]task.Range, error) {
	all := task.Range{Addr: v.Start, Len: v.Len()}
	if v.File != nil && strings.HasPrefix(v.File.Path, sharedWindow) {
		return nil, nil
	}
	deleted := v.Kind == KindFileShared && v.File.Deleted
	inMemory := v.Kind == KindSharedAnon || deleted && onTmpfs(v.File)
	switch {
	case inMemory && !swapInUse():
		return c.resident(all)
	case v.Kind == KindSharedAnon:
		return []task.Range{all}, nil
	case deleted:
		mem := c.f.Memory()
		defer mem.Close()
		return c.readable(mem, all), nil
	case v.Prot&unix.PROT_WRITE == 0:
		return nil, nil
	}
	return p.Present(all)
}

// onTmpfs tells whether a file without a name is one of those that live in
// memory, where reading what it has not would make it.
func onTmpfs(id *FileID) bool {
	var st unix.Stat_t
	var fs unix.Statfs_t
	dir := filepath.Dir(id.Path)
	return unix.Stat(dir, &st) == nil && st.Dev == id.Dev && unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC
}

// resident asks mincore(2), executed by the program, for the pages of shared
// memory that exist.
func (c *collector) resident(r task.Range) ([]task.Range, error) {
	var out []task.Range
	for r.Len > 0 {
		n := min(r.Len, scratchSize/2*image.PageSize)
		vec, err := c.leader().Mincore(r.Addr, n)
		if err != nil {
			return nil, err
		}
		for i, b := range vec {
			if b&1 != 0 {
				out = task.AppendRange(out, task.Range{Addr: r.Addr + uint64(i)*image.PageSize, Len: image.PageSize})
			}
		}
		r.Addr, r.Len = r.Addr+n, r.Len-n
	}
	return out, nil
}

// swapInUse tells whether any swap space is configured.
func swapInUse() bool {
	b, err := os.ReadFile("/proc/meminfo")
	return err != nil || !strings.HasPrefix(fields(b)["SwapTotal"], "0 ")
}

// readable returns the part of a file mapping that lies inside its file: beyond
// its end there is nothing but SIGBUS.
func (c *collector) readable(m *task.Memory, all task.Range) []task.Range {
	var page [image.PageSize]byte
	lo, hi := uint64(0), all.Len/image.PageSize
	for lo < hi { // the first unreadable page; what is readable is a prefix
		mid := (lo + hi) / 2
		if m.Read(all.Addr+mid*image.PageSize, page[:]) == nil {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil
	}
	return []task.Range{{Addr: all.Addr, Len: lo * image.PageSize}}
}
