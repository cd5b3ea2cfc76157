package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"mana/task"

	"golang.org/x/sys/unix"
)

const (
	pageSize   = 4096
	scratchLen = 128 << 10
	// userEnd is TASK_SIZE of a 47-bit address space (arch/x86/include/asm/page_64_types.h).
	userEnd = 0x7ffffffff000
)

// spawnHusk makes the process. It is a child of its parent's husk if that is
// rebuilt too; else a seed (any program, stopped at its exec) becomes it, or
// with SetTIDs clones it. What has to be in force before an exec comes next, and
// then the process execs the saved program's binary.
func (r *Restored) spawnHusk() error {
	var err error
	p, l := r.parent(), r.leader()
	switch {
	case p != nil:
		err = r.cloneChild(p.main)
	case l != nil && l != r:
		err = r.cloneOrphan(l.main)
	default:
		err = r.spawnRoot()
	}
	if err != nil || r.ghost {
		return err
	}
	if _, err := r.main.Personality(r.State.Personality); err != nil {
		return fmt.Errorf("personality %#x: %w", r.State.Personality, err)
	}
	if err := r.raiseLimits(); err != nil {
		return err
	}
	return r.execHusk(r.main)
}

// spawnRoot makes a process that is our child.
func (r *Restored) spawnRoot() error {
	seed, err := task.SpawnTraced("/proc/self/exe", []string{"mana"}, nil,
		task.Attr{Files: r.inherited(), DieWithParent: r.opt.DieWithParent})
	if err != nil {
		return err
	}
	r.main, r.tasks = seed, []*task.Task{seed}
	if r.opt.DieWithParent {
		// A half-made process must not run: it would be the program, from its start.
		if err := seed.DieWithTracer(); err != nil {
			return err
		}
	}
	if err := borrowStack(seed); err != nil {
		return err
	}
	if r.opt.SetTIDs {
		if err := r.cloneMain(seed); err != nil {
			return err
		}
	}
	return r.lead()
}

func (r *Restored) inherited() []uintptr {
	files := make([]uintptr, 3)
	for i, f := range r.opt.Stdio {
		files[i] = uintptr(i)
		if f != nil {
			files[i] = f.Fd()
		}
	}
	// Descriptors in between are those to keep, or closed: the list ends at the socket.
	for fd := len(files); fd < r.fam.sockFD; fd++ {
		n := ^uintptr(0)
		if slices.ContainsFunc(r.fam.members, func(m *Restored) bool { return slices.Contains(m.keep, fd) }) {
			n = uintptr(fd)
		}
		files = append(files, n)
	}
	return append(files, uintptr(r.fam.sock[1]))
}

// cloneMain makes the saved process number's owner: a sibling of the seed, so
// that it is our child.
func (r *Restored) cloneMain(seed *task.Task) error {
	pid, err := seed.Clone3(task.CloneArgs{Flags: unix.CLONE_PARENT, SetTID: []int32{int32(r.State.PID)}})
	if err != nil {
		if errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("process number %d is in use: %w", r.State.PID, err)
		}
		return err
	}
	husk := task.Attached(pid, seed)
	r.main, r.tasks = husk, []*task.Task{husk}
	err = husk.WaitAttached(10 * time.Second)
	_ = seed.Kill()
	if e := seed.Reap(5 * time.Second); err == nil {
		err = e
	}
	seed.Forget()
	if err == nil && r.opt.DieWithParent {
		_, err = husk.Prctl(unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	return err
}

// raiseLimits gives the rebuilding all that is allowed; the saved limits come
// last. The stack limit decides at exec how mmap places things.
func (r *Restored) raiseLimits() error {
	for res := range unix.RLIMIT_RTTIME + 1 {
		var lim unix.Rlimit
		if err := unix.Prlimit(r.main.TID, res, nil, &lim); err != nil {
			return fmt.Errorf("resource limit %d: %w", res, err)
		}
		lim.Cur = lim.Max
		if res == unix.RLIMIT_STACK && res < len(r.State.Rlimits) {
			lim.Cur = min(lim.Max, r.State.Rlimits[res].Cur)
		}
		if res == unix.RLIMIT_CPU {
			continue
		}
		if err := unix.Prlimit(r.main.TID, res, &lim, nil); err != nil {
			return fmt.Errorf("resource limit %d: %w", res, err)
		}
	}
	return nil
}

// execHusk execs the saved program's binary, or if that is not the same any
// more a binary of ours.
func (r *Restored) execHusk(husk *task.Task) error {
	path := r.State.Exe.Path
	if err := sameFile(&r.State.Exe); err != nil {
		r.opt.Warn("/proc/%d/exe will not name the program: %v", husk.TID, err)
		fd, err := husk.MemfdCreate("mana-husk", 0)
		if err != nil {
			return fmt.Errorf("memfd for the husk: %w", err)
		}
		if _, err := husk.WriteBytes(fd, huskELF()); err != nil {
			return fmt.Errorf("write the husk: %w", err)
		}
		path = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	if err := husk.Execve(path, []string{r.State.Comm}, nil); err != nil {
		return err
	}
	return borrowStack(husk)
}

// borrowStack lets helpers use the fresh stack, of which the kernel maps 128
// KiB below the arguments (setup_arg_pages in fs/exec.c).
func borrowStack(t *task.Task) error {
	regs, err := t.Regs()
	if err != nil {
		return err
	}
	t.SetScratch(regs.Rsp&^(pageSize-1)-64<<10, 60<<10)
	return nil
}

// emptyHusk maps the gate where neither the husk nor the saved process has
// anything, and unmaps all the rest.
func (r *Restored) emptyHusk() error {
	t := r.main
	own, err := parseProcMaps(t.TID)
	if err != nil {
		return err
	}
	size := uint64(pageSize + scratchLen)
	addr, err := r.freeRange(size, own)
	if err != nil {
		return err
	}
	r.gate = task.Range{Addr: addr, Len: size}
	if _, err := t.Mmap(addr, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, -1, 0); err != nil {
		return err
	}
	if err := t.WriteMem(addr, gateCode); err != nil {
		return err
	}
	if err := t.Mprotect(addr, pageSize, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return err
	}
	t.SetGate(addr)
	t.SetScratch(addr+pageSize, scratchLen)
	if t.Munmap(0, addr) == nil && t.Munmap(addr+size, userEnd-addr-size) == nil {
		return nil
	}
	return r.emptyAround(own)
}

// emptyAround unmaps one by one what is not sealed. What stays (the vdso of
// kernels with sealed system mappings) must not lie where the program was.
func (r *Restored) emptyAround(own []VMA) error {
	for _, m := range own {
		if m.Kind == KindVsyscall || r.main.Munmap(m.Start, m.Len()) == nil {
			continue
		}
		for i := range r.State.VMAs {
			if v := &r.State.VMAs[i]; v.Start < m.End && m.Start < v.End {
				return fmt.Errorf("the sealed mapping %s at %#x lies where the program had memory: try again",
					m.Name, m.Start)
			}
		}
	}
	return nil
}

// freeRange finds an address unused by the saved process and by the husk.
func (r *Restored) freeRange(size uint64, own []VMA) (uint64, error) {
	used := slices.Concat(own, r.State.VMAs)
	for _, l := range r.State.LowerHalf {
		used = append(used, VMA{Start: l.Addr, End: l.Addr + l.Len})
	}
next:
	for addr := uint64(0x200000000); addr < 0x1000000000; addr += 1 << 20 {
		for _, m := range used {
			if addr < m.End && m.Start < addr+size {
				continue next
			}
		}
		return addr, nil
	}
	return 0, errors.New("no free address for the gate page")
}

// sameFile checks that the file under its recorded path still is the file that
// was saved: by build id where it has one, else by size and time of change.
func sameFile(id *FileID) error {
	if id.Deleted {
		return fmt.Errorf("%s had been deleted", id.Path)
	}
	fi, err := os.Stat(id.Path)
	if err != nil {
		return err
	}
	sys := fi.Sys().(*syscall.Stat_t)
	if fi.Size() == id.Size && sys.Mtim.Nano() == id.MtimeNs {
		return nil
	}
	if id.BuildID != "" && fi.Size() == id.Size && buildID(id.Path) == id.BuildID {
		return nil
	}
	return fmt.Errorf("%s has changed since the checkpoint (size %d, then %d)", id.Path, fi.Size(), id.Size)
}
