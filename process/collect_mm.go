package process

import (
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"mana/task"
)

// memoryMap reads the layout of the address space.
func (c *collector) memoryMap() error {
	b, err := readProc(c.pid, "maps")
	if err != nil {
		return err
	}
	all, err := parseMaps(b)
	if err != nil {
		return err
	}
	lower := make(map[string]bool) // files that the lower half has mapped shared, by SharedID
	for _, v := range all {
		switch {
		case v.Start >= c.f.own.Addr && v.Start < c.f.own.Addr+c.f.own.Len:
		case c.f.opts.excluded(v.Start):
			if v.Shared {
				lower[v.SharedID] = true
			}
		default:
			c.st.VMAs = append(c.st.VMAs, v)
		}
	}
	for i := range c.st.VMAs {
		if v := &c.st.VMAs[i]; v.Kind == KindFileShared && lower[v.SharedID] {
			v.File.Deleted = true // the lower half's memory (MPI_Win_allocate): to be saved, and gone at a restart
		}
	}
	c.st.LowerHalf = c.f.opts.Exclude
	if err := c.layout(); err != nil {
		return err
	}
	return c.vdso()
}

// layout reads what PR_SET_MM_MAP will set again.
func (c *collector) layout() error {
	b, err := readProc(c.pid, "stat")
	if err != nil {
		return err
	}
	f, err := parseStat(b)
	if err != nil {
		return err
	}
	c.st.PPID, c.st.PGID, c.st.SID = number(f[4]), number(f[5]), number(f[6])
	c.st.Terminal = terminal(f)
	c.st.AgentPGID = unix.Getpgrp()
	if c.st.AgentSID, err = unix.Getsid(0); err != nil {
		return fmt.Errorf("getsid: %w", err)
	}
	at := func(i int) uint64 {
		if i >= len(f) {
			return 0
		}
		n, _ := strconv.ParseUint(f[i], 10, 64)
		return n
	}
	c.st.MM = MM{StartCode: at(26), EndCode: at(27), StartStack: at(28), StartData: at(45), EndData: at(46),
		StartBrk: at(47), ArgStart: at(48), ArgEnd: at(49), EnvStart: at(50), EnvEnd: at(51)}
	if c.st.MM.Brk, err = c.leader().Brk(0); err != nil {
		return fmt.Errorf("read the program break: %w", err)
	}
	c.st.MM.Auxv, err = readProc(c.pid, "auxv")
	return err
}

func (c *collector) vdso() error {
	for _, v := range c.st.VMAs {
		switch v.Kind {
		case KindVDSO:
			c.st.VDSO.Range = task.Range{Addr: v.Start, Len: v.Len()}
			c.st.VDSO.Image = make([]byte, v.Len())
			if err := c.leader().ReadMem(v.Start, c.st.VDSO.Image); err != nil {
				return err
			}
		case KindVVar:
			if c.st.VDSO.VVar.Len == 0 {
				c.st.VDSO.VVar.Addr = v.Start
			}
			c.st.VDSO.VVar.Len = v.End - c.st.VDSO.VVar.Addr
		}
	}
	return nil
}

// keptFlags are the VmFlags that a restart has to bring about again.
var keptFlags = []string{"gd", "lo", "lf", "sr", "rr", "dc", "dd", "mg", "hg", "nh", "wf", "ht", "nr", "sl", "dp", "mw"}

// foreignFlags are VmFlags of mappings that cannot be saved.
var foreignFlags = map[string]string{"io": "device memory", "pf": "device memory", "um": "userfaultfd memory",
	"uw": "userfaultfd memory", "ui": "userfaultfd memory", "ss": "a shadow stack"}

// vmFlags completes the mappings from the smaps of a process: the snapshot, if
// there is one, because smaps walks all page tables.
func (c *collector) vmFlags(pid int) error {
	b, err := readProc(pid, "smaps")
	if err != nil {
		return err
	}
	flags := parseVmFlags(b)
	for i := range c.st.VMAs {
		v := &c.st.VMAs[i]
		if v.Kind == KindVDSO || v.Kind == KindVVar || v.Kind == KindVsyscall {
			continue
		}
		for _, f := range flags[v.Start] {
			if what := foreignFlags[f]; what != "" {
				return refuse(c.pid, "has %s at %#x (%s)", what, v.Start, v.Name)
			}
			if slices.Contains(keptFlags, f) && !v.Has(f) {
				v.Flags = append(v.Flags, f)
			}
		}
	}
	return nil
}

// locked reads the flags from the stopped process if it has locked memory: a
// fork child does not inherit that.
func (c *collector) locked() error {
	f, err := status(c.pid, "")
	if err != nil || number(firstWord(f["VmLck"])) == 0 {
		return err
	}
	return c.vmFlags(c.pid)
}

func firstWord(s string) string {
	for i := range s {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}

// mmPrctls reads what a fork child shares with its parent.
func (c *collector) mmPrctls(t *task.Task) error {
	d, err := t.Prctl(unix.PR_GET_DUMPABLE)
	if err != nil {
		return fmt.Errorf("read dumpable: %w", err)
	}
	c.st.Dumpable = int(d)
	if thp, err := t.Prctl(unix.PR_GET_THP_DISABLE); err == nil {
		c.st.THPDisable = thp != 0
	}
	return nil
}
