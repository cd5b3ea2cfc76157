package process

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errNoEnviron says that a program's environment cannot be found: it is not
// kept by a C library, or the library's symbols are stripped.
var errNoEnviron = errors.New("no symbol environ in the program or its libraries")

// ChangeEnviron gives the rebuilt process another environment: what its C
// library's variable environ points to, as change makes it of the present one.
// The program sees it from its next getenv on.
func (r *Restored) ChangeEnviron(change func([]string) []string) error {
	err := r.changeEnviron(change)
	if err != nil {
		return fmt.Errorf("change the environment of %s (process %d): %w", r.State.Comm, r.State.PID, err)
	}
	return nil
}

func (r *Restored) changeEnviron(change func([]string) []string) error {
	variable, err := r.environ()
	if err != nil {
		return err
	}
	old, err := r.readEnviron(variable)
	if err != nil {
		return err
	}
	vars := change(old)
	// A region of its own: the heap is the program's business. A setenv copies
	// the array to the heap as it does with the one that the kernel made.
	head := 8 * uint64(len(vars)+1)
	var text []byte
	size := head
	for _, v := range vars {
		size += uint64(len(v)) + 1
	}
	at, err := r.main.Mmap(0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1, 0)
	if err != nil {
		return err
	}
	var array []byte
	for _, v := range vars {
		array = binary.LittleEndian.AppendUint64(array, at+head+uint64(len(text)))
		text = append(append(text, v...), 0)
	}
	array = binary.LittleEndian.AppendUint64(array, 0)
	if err := r.main.WriteMem(at, append(array, text...)); err != nil {
		return err
	}
	return r.main.WriteUint64(variable, at)
}

// environ finds the variable: the program's own where the linker has copied it
// there, else the C library's.
func (r *Restored) environ() (uint64, error) {
	seen := map[string]bool{}
	paths := []string{r.State.Exe.Path}
	for i := range r.State.VMAs {
		if f := r.State.VMAs[i].File; f != nil {
			paths = append(paths, f.Path)
		}
	}
	for _, path := range paths {
		if seen[path] {
			continue
		}
		seen[path] = true
		if addr, ok := r.symbol(path, "environ", "__environ"); ok {
			return addr, nil
		}
	}
	return 0, errNoEnviron
}

// symbol looks a variable up in a mapped ELF file.
func (r *Restored) symbol(path string, names ...string) (uint64, bool) {
	e, err := elf.Open(path)
	if err != nil {
		return 0, false
	}
	defer e.Close()
	syms, _ := e.DynamicSymbols()
	if len(e.Progs) > 0 && e.Section(".dynamic") == nil {
		syms, _ = e.Symbols() // static: only if not stripped
	}
	for _, s := range syms {
		if s.Section == elf.SHN_UNDEF || elf.ST_TYPE(s.Info) != elf.STT_OBJECT || s.Name != names[0] && s.Name != names[1] {
			continue
		}
		base, ok := r.loadBase(e, path)
		return base + s.Value, ok
	}
	return 0, false
}

// loadBase is what a mapped ELF file's addresses are relative to.
func (r *Restored) loadBase(e *elf.File, path string) (uint64, bool) {
	const page = 4096
	for _, p := range e.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		for i := range r.State.VMAs {
			v := &r.State.VMAs[i]
			if v.File != nil && v.File.Path == path && v.Offset == p.Off&^(page-1) {
				return v.Start - p.Vaddr&^(page-1), true
			}
		}
	}
	return 0, false
}

// Bounds of what is taken for an environment: the kernel's for a program's
// start (MAX_ARG_STRLEN in include/uapi/linux/binfmts.h) and plenty.
const (
	maxVariable  = 32 * 4096
	maxVariables = 1 << 16
)

func (r *Restored) readEnviron(variable uint64) ([]string, error) {
	at, err := r.main.ReadUint64(variable)
	if err != nil || at == 0 {
		return nil, err
	}
	var vars []string
	for ; len(vars) < maxVariables; at += 8 {
		p, err := r.main.ReadUint64(at)
		if err != nil {
			return nil, err
		}
		if p == 0 {
			return vars, nil
		}
		s, err := r.readString(p)
		if err != nil {
			return nil, err
		}
		vars = append(vars, s)
	}
	return nil, fmt.Errorf("more than %d variables", maxVariables)
}

func (r *Restored) readString(at uint64) (string, error) {
	var s []byte
	for len(s) < maxVariable {
		// Not across a page's end: there the string may end, and memory too.
		b := make([]byte, 4096-at%4096)
		if err := r.main.ReadMem(at, b); err != nil {
			return "", err
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(s, b[:i]...)), nil
		}
		s, at = append(s, b...), at+uint64(len(b))
	}
	return "", fmt.Errorf("a variable of more than %d bytes", maxVariable)
}
