package process

import (
	"bytes"
	"debug/elf"
	"fmt"
)

// vdsoSymbols parses the image of a vdso as it lies in memory and returns the
// offset of every function it exports.
func vdsoSymbols(image []byte) (map[string]uint64, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("parse vdso: %w", err)
	}
	syms, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("parse vdso symbols: %w", err)
	}
	base := uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			base = p.Vaddr - p.Off
			break
		}
	}
	out := make(map[string]uint64)
	for _, s := range syms {
		off := s.Value - base
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF && off < uint64(len(image)) {
			out[s.Name] = off
		}
	}
	return out, nil
}

// sameVdso tells whether code that resolved symbols in the saved vdso finds
// the same functions at the same places in the fresh one.
func sameVdso(saved, fresh map[string]uint64) bool {
	for name, off := range saved {
		if fresh[name] != off {
			return false
		}
	}
	return len(saved) > 0
}

// patchVdso lays over every function of the saved vdso a jump to the function
// of the same name in the fresh one, or a plain system call where this kernel's
// vdso has no such function. freshBase is where the fresh one is mapped.
func patchVdso(image []byte, saved, fresh map[string]uint64, freshBase uint64) ([]byte, error) {
	out := bytes.Clone(image)
	for name, off := range saved {
		var code []byte
		if to, ok := fresh[name]; ok {
			code = jumpTo(freshBase + to)
		} else if code = vdsoFallback(name); code == nil {
			return nil, fmt.Errorf("this kernel's vdso has no %s, which the saved program may call", name)
		}
		if off+uint64(len(code)) > uint64(len(out)) {
			return nil, fmt.Errorf("vdso symbol %s at %#x lies at the end of the image", name, off)
		}
		copy(out[off:], code)
	}
	return out, nil
}
