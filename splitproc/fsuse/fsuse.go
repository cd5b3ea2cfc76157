// Package fsuse finds the instructions of an ELF file that address memory
// relative to the fs segment register, which is how compiled code reaches its
// thread's storage (TLS) on x86-64.
//
// Only code that the file's exception frames describe is looked at: they tell
// where each function begins and ends, so that data between functions is never
// taken for instructions. Compilers and assemblers write them for all code that
// can be unwound.
package fsuse

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Site is the place of an fs prefix (0x64) in a file.
type Site struct {
	Off  int64  // in the file
	Addr uint64 // virtual address, before relocation
}

// prefix is the byte that makes an instruction use fs.
const prefix = 0x64

// windowSize is how much code is read at a time: it should fit into the cache.
const windowSize = 256 << 10

// mostCode is more than any function has; a larger length is a damaged file's.
const mostCode = 1 << 28

// Sites lists the fs prefixes in an x86-64 ELF file's code, by ascending
// address. A function that cannot be understood to its end is an error if it
// may use fs.
func Sites(r io.ReaderAt) ([]Site, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	if f.Machine != elf.EM_X86_64 {
		return nil, fmt.Errorf("machine %v is not x86-64", f.Machine)
	}
	spans, err := functions(f)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.addr < b.addr {
			return -1
		}
		return 1
	})
	var sites []Site
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 {
			continue
		}
		if sites, err = segment(sites, p, spans); err != nil {
			return nil, err
		}
	}
	return sites, nil
}

// segment appends the sites in the functions that lie in a segment.
func segment(sites []Site, p *elf.Prog, spans []span) ([]Site, error) {
	w := window{p: p}
	for _, s := range spans {
		if s.addr < p.Vaddr || s.addr-p.Vaddr > p.Filesz || s.len > p.Filesz-(s.addr-p.Vaddr) {
			continue
		}
		off := s.addr - p.Vaddr
		code, err := w.bytes(off, s.len)
		if err != nil {
			return nil, fmt.Errorf("read the function at %#x: %w", s.addr, err)
		}
		found, err := scan(code)
		if err != nil {
			return nil, fmt.Errorf("function at %#x: %w", s.addr, err)
		}
		for _, at := range found {
			sites = append(sites, Site{int64(p.Off + off + uint64(at)), s.addr + uint64(at)})
		}
	}
	return sites, nil
}

// window is the part of a segment that has been read last. Functions come by
// ascending address, so it moves on but once over the file.
type window struct {
	p   *elf.Prog
	off uint64 // in the segment
	buf []byte
}

// bytes returns n bytes of the segment's file at off, valid until the next call.
func (w *window) bytes(off, n uint64) ([]byte, error) {
	if off < w.off || off+n > w.off+uint64(len(w.buf)) {
		if n > mostCode {
			return nil, fmt.Errorf("%d bytes long", n)
		}
		w.buf = slices.Grow(w.buf[:0], int(max(n, windowSize)))
		w.buf = w.buf[:min(uint64(cap(w.buf)), w.p.Filesz-off)]
		w.off = off
		if _, err := w.p.ReadAt(w.buf, int64(off)); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n], nil
}

// scan lists the fs prefixes in a function.
func scan(code []byte) ([]int, error) {
	var sites []int
	for at, last := 0, lastSuspect(code); at <= last; {
		in, ok := decode(code[at:])
		if !ok {
			return nil, fmt.Errorf("no instruction at offset %#x (% x)", at, code[at:min(at+8, len(code))])
		}
		if in.fs >= 0 && !in.bare {
			sites = append(sites, at+in.fs)
		}
		at += in.len
	}
	return sites, nil
}

// lastSuspect is where the last byte of a function is that may be an fs prefix;
// -1: none. Most that look like one are the middle of something else, such as a
// displacement from the stack pointer: what follows has to be the rest of an
// instruction that addresses memory. It saves most of the decoding.
func lastSuspect(code []byte) int {
	last := -1
	for at := 0; ; at++ {
		next := bytes.IndexByte(code[at:], prefix)
		if next < 0 {
			return last
		}
		at += next
		if in, ok := decode(code[at:]); ok && !in.bare {
			last = at
		}
	}
}

// functions are those that the file has frames of.
func functions(f *elf.File) ([]span, error) {
	for _, s := range f.Sections {
		if s.Name != ".eh_frame" || s.Type == elf.SHT_NOBITS {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("read the exception frames: %w", err)
		}
		return parseFrames(b, s.Addr)
	}
	return nil, errors.New("no exception frames tell where its functions are")
}
