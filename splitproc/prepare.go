package splitproc

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
)

// Layout of the zone: what the agent places itself, then the space from which
// the SIGSYS handler serves the lower half's own mappings.
const (
	zoneScratch  = ZoneLo
	scratchSize  = 64 << 10
	zoneLoader   = ZoneLo + 16<<20
	zoneAdapter  = ZoneLo + 32<<20
	zoneStack    = ZoneLo + 64<<20
	stackSize    = 16 << 20
	zoneFree     = ZoneLo + 128<<20
	pageSize     = 4096
	noReplace    = unix.MAP_FIXED_NOREPLACE
	anonymous    = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	callDeadline = 30 * time.Second
)

// LowerOptions say what to load.
type LowerOptions struct {
	Plan *Plan
	Env  []string // of the launcher
}

// Prepare puts a new lower half into the process of the stopped task t: the
// filter that confines it, ld.so, the adapter and its first stack. The stub
// then enters it where the control page says.
func Prepare(t *task.Task, c *Control, o LowerOptions) error {
	abi, libs, err := o.Plan.lowerLibrary(o.Env)
	if err != nil {
		return err
	}
	adapter, err := adapterFile(abi)
	if err != nil {
		return err
	}
	if _, err := t.Mmap(zoneScratch, scratchSize, unix.PROT_READ|unix.PROT_WRITE, anonymous|noReplace, -1, 0); err != nil {
		return fmt.Errorf("place a lower half: %w", err)
	}
	old := t.Scratch()
	t.SetScratch(zoneScratch, scratchSize)
	defer t.SetScratch(old.Addr, old.Len)
	if err := t.SetFilter(filterThread|filterSpec, zoneFilter()); err != nil {
		return err
	}
	prog, err := mapELF(t, adapter, zoneAdapter)
	if err != nil {
		return err
	}
	if prog.interp == "" {
		return fmt.Errorf("%s names no dynamic linker", adapter)
	}
	ld, err := mapELF(t, prog.interp, zoneLoader)
	if err != nil {
		return err
	}
	sp, err := firstStack(t, append([]string{adapter}, libs...), LowerEnv(o.Env), prog, ld)
	if err != nil {
		return err
	}
	c.LowerTable = 0
	c.ZoneCursor = zoneFree
	c.LowerEntry, c.LowerSP = ld.entry, sp
	return nil
}

// image is an ELF file mapped into the target.
type image struct {
	base, entry, phdr uint64
	phnum             int
	interp            string
}

// mapELF maps a position-independent ELF file at base by remote system calls.
func mapELF(t *task.Task, path string, base uint64) (*image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f, err := elf.NewFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("%s is not a position-independent x86-64 program", path)
	}
	fd, err := t.Openat(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer t.Close(fd)
	im := &image{base: base, entry: base + f.Entry, phnum: len(f.Progs)}
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			b, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
			im.interp = string(b[:max(len(b)-1, 0)])
		case elf.PT_PHDR:
			im.phdr = base + p.Vaddr
		case elf.PT_LOAD:
			if err := mapSegment(t, fd, p, base); err != nil {
				return nil, fmt.Errorf("map %s: %w", path, err)
			}
		}
	}
	if err := useGS(t, file, base); err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return im, nil
}

func mapSegment(t *task.Task, fd int, p *elf.Prog, base uint64) error {
	prot := 0
	for _, x := range []struct {
		flag elf.ProgFlag
		prot int
	}{{elf.PF_R, unix.PROT_READ}, {elf.PF_W, unix.PROT_WRITE}, {elf.PF_X, unix.PROT_EXEC}} {
		if p.Flags&x.flag != 0 {
			prot |= x.prot
		}
	}
	start := (base + p.Vaddr) &^ (pageSize - 1)
	skip := p.Off & (pageSize - 1)
	fileEnd := base + p.Vaddr + p.Filesz
	memEnd := pageUp(base + p.Vaddr + p.Memsz)
	if p.Filesz > 0 {
		if _, err := t.Mmap(start, pageUp(fileEnd)-start, prot, unix.MAP_PRIVATE|noReplace, fd, p.Off-skip); err != nil {
			return err
		}
	}
	if p.Memsz > p.Filesz && prot&unix.PROT_WRITE != 0 {
		// To the page's end, like the kernel: ld.so takes memory from behind its own data.
		if err := t.WriteMem(fileEnd, make([]byte, pageUp(fileEnd)-fileEnd)); err != nil {
			return err
		}
	}
	if from := pageUp(fileEnd); memEnd > from {
		_, err := t.Mmap(from, memEnd-from, prot, anonymous|noReplace, -1, 0)
		return err
	}
	return nil
}

func pageUp(a uint64) uint64 { return (a + pageSize - 1) &^ (pageSize - 1) }

// Auxiliary vector types (include/uapi/linux/auxvec.h).
const (
	atNull, atPhdr, atPhent, atPhnum, atPagesz, atBase, atFlags, atEntry = 0, 3, 4, 5, 6, 7, 8, 9
	atUID, atEUID, atGID, atEGID, atPlatform, atSecure, atRandom         = 11, 12, 13, 14, 15, 23, 25
	atBasePlatform, atExecfn, atSysinfoEhdr                              = 24, 31, 33
)

// firstStack maps a stack and lays out what a new program finds on it: the
// arguments, the environment and the auxiliary vector. It returns its top.
func firstStack(t *task.Task, argv, env []string, prog, ld *image) (uint64, error) {
	if _, err := t.Mmap(zoneStack, stackSize, unix.PROT_READ|unix.PROT_WRITE,
		anonymous|noReplace|unix.MAP_NORESERVE, -1, 0); err != nil {
		return 0, err
	}
	const end = uint64(zoneStack + stackSize)
	var text []byte // strings; they end at the stack's end
	place := func(s string) int { text = append(append(text, s...), 0); return len(text) - len(s) - 1 }
	args, vars := make([]int, len(argv)), make([]int, len(env))
	for i, s := range argv {
		args[i] = place(s)
	}
	for i, s := range env {
		vars[i] = place(s)
	}
	platform := place("x86_64")
	text = append(text, make([]byte, 16)...)
	random := len(text) - 16
	if _, err := unix.Getrandom(text[random:], 0); err != nil {
		return 0, fmt.Errorf("random bytes: %w", err)
	}
	if len(text) > stackSize/2 {
		return 0, fmt.Errorf("the environment has %d bytes", len(text))
	}
	strs := (end - uint64(len(text))) &^ 15
	aux, err := auxVector(t, prog, ld, strs+uint64(args[0]), strs+uint64(platform), strs+uint64(random))
	if err != nil {
		return 0, err
	}
	words := []uint64{uint64(len(argv))}
	for _, list := range [][]int{args, vars} {
		for _, off := range list {
			words = append(words, strs+uint64(off))
		}
		words = append(words, 0)
	}
	words = append(words, aux...)
	sp := (strs - uint64(8*len(words))) &^ 15
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	if err := t.WriteMem(sp, b); err != nil {
		return 0, err
	}
	return sp, t.WriteMem(strs, text)
}

// auxVector is this machine's auxiliary vector with the lower half's addresses.
func auxVector(t *task.Task, prog, ld *image, execfn, platform, random uint64) ([]uint64, error) {
	own, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return nil, fmt.Errorf("read the auxiliary vector: %w", err)
	}
	set := map[uint64]uint64{
		atPhdr: prog.phdr, atPhent: 56, atPhnum: uint64(prog.phnum), atBase: ld.base, atEntry: prog.entry,
		atFlags: 0, atExecfn: execfn, atPlatform: platform, atRandom: random, atSecure: 0,
	}
	vdso := vdsoAddress(t.TID)
	var out []uint64
	for ; len(own) >= 16; own = own[16:] {
		typ, val := binary.LittleEndian.Uint64(own), binary.LittleEndian.Uint64(own[8:])
		switch typ {
		case atNull, atBasePlatform:
			continue
		case atSysinfoEhdr:
			if vdso == 0 {
				continue
			}
			val = vdso
		}
		if v, ok := set[typ]; ok {
			val = v
			delete(set, typ)
		}
		out = append(out, typ, val)
	}
	for typ, val := range set { // a static agent has no AT_BASE, for instance
		out = append(out, typ, val)
	}
	return append(out, atNull, 0), nil
}

// vdsoAddress finds the vdso of a process, 0 if it has none.
func vdsoAddress(pid int) uint64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0
	}
	return findMapping(string(b), "[vdso]")
}
