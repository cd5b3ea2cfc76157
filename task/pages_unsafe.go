package task

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pages tells which pages of a process have contents of their own.
type Pages struct {
	f       *os.File
	old     bool // no PAGEMAP_SCAN (before Linux 6.7): read the table itself
	noGuard bool // no guard pages (before Linux 6.15)
}

// OpenPages opens /proc/PID/pagemap.
func OpenPages(pid int) (*Pages, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return nil, fmt.Errorf("look at the pages of process %d: %w", pid, err)
	}
	return &Pages{f: f}, nil
}

// Scans tells whether the kernel has PAGEMAP_SCAN, once something was looked up.
func (p *Pages) Scans() bool { return !p.old }

// Close closes it.
func (p *Pages) Close() { p.f.Close() }

// Categories of PAGEMAP_SCAN, include/uapi/linux/fs.h.
const (
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsZero    = 1 << 5
	pageIsGuard   = 1 << 8

	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)
)

// scanArg is struct pm_scan_arg.
type scanArg struct {
	size, flags, start, end, walkEnd uint64
	vec                              unsafe.Pointer
	vecLen, maxPages                 uint64
	inverted, mask, anyOf, ret       uint64
}

// Private returns the pages of a range that a private mapping owns: written
// anonymous memory and changed pages of files, not the shared zero page.
func (p *Pages) Private(r Range) ([]Range, error) {
	return p.pages(r, privateArg, true)
}

// privateArg leaves out guard pages, which count as swapped out.
var privateArg = scanArg{inverted: pageIsFile | pageIsZero | pageIsGuard, mask: pageIsFile | pageIsZero | pageIsGuard,
	anyOf: pageIsPresent | pageIsSwapped, ret: pageIsFile}

// PrivateByTable is Private for kernels without PAGEMAP_SCAN. It cannot tell the
// zero page.
func (p *Pages) PrivateByTable(r Range) ([]Range, error) { return p.read(r, true) }

// First returns the first page of a range that Private would return, or an empty
// range.
func (p *Pages) First(r Range) (Range, error) {
	a := privateArg
	a.maxPages = 1
	if !p.old {
		rs, err := p.scan(r, a)
		if err == nil && len(rs) > 0 {
			return rs[0], nil
		}
		if !errors.Is(err, unix.ENOTTY) {
			return Range{}, err
		}
		p.old = true
	}
	rs, err := p.read(r, true)
	if err != nil || len(rs) == 0 {
		return Range{}, err
	}
	return Range{rs[0].Addr, 4096}, nil
}

// Present returns the pages of a range that are mapped or swapped out, whomever
// they belong to.
func (p *Pages) Present(r Range) ([]Range, error) {
	return p.pages(r, scanArg{inverted: pageIsGuard, mask: pageIsGuard, anyOf: pageIsPresent | pageIsSwapped,
		ret: pageIsFile}, false)
}

// Guards returns the guard pages (MADV_GUARD_INSTALL) of a range.
func (p *Pages) Guards(r Range) ([]Range, error) {
	if p.old || p.noGuard {
		return nil, nil
	}
	rs, err := p.scan(r, scanArg{mask: pageIsGuard, ret: pageIsGuard})
	if p.noGuard || errors.Is(err, unix.ENOTTY) {
		return nil, nil
	}
	return rs, err
}

func (p *Pages) pages(r Range, a scanArg, private bool) ([]Range, error) {
	if !p.old {
		rs, err := p.scan(r, a)
		if !errors.Is(err, unix.ENOTTY) {
			return rs, err
		}
		p.old = true
	}
	return p.read(r, private)
}

func (p *Pages) scan(r Range, a scanArg) ([]Range, error) {
	var vec [512][3]uint64 // struct page_region: start, end, categories
	a.size = uint64(unsafe.Sizeof(a))
	a.start, a.end = r.Addr, r.Addr+r.Len
	a.vec, a.vecLen = unsafe.Pointer(&vec), uint64(len(vec))
	var out []Range
	for a.start < a.end {
		if p.noGuard {
			a.inverted, a.mask = a.inverted&^pageIsGuard, a.mask&^pageIsGuard
		}
		n, _, e := unix.Syscall(unix.SYS_IOCTL, p.f.Fd(), pagemapScan, uintptr(unsafe.Pointer(&a)))
		if e == unix.EINVAL && !p.noGuard {
			p.noGuard = true // an unknown category
			continue
		}
		if e != 0 {
			return nil, fmt.Errorf("scan the pages of %#x-%#x: %w", r.Addr, r.Addr+r.Len, e)
		}
		for _, v := range vec[:n] {
			out = AppendRange(out, Range{v[0], v[1] - v[0]})
		}
		if a.maxPages > 0 && len(out) > 0 {
			return out, nil
		}
		if a.walkEnd <= a.start {
			return nil, fmt.Errorf("scan the pages of %#x-%#x: no progress at %#x", r.Addr, r.Addr+r.Len, a.start)
		}
		a.start = a.walkEnd
	}
	return out, nil
}

// AppendRange appends a range to a list in ascending order and joins adjacent
// ones.
func AppendRange(out []Range, r Range) []Range {
	if k := len(out) - 1; k >= 0 && out[k].Addr+out[k].Len == r.Addr {
		out[k].Len += r.Len
		return out
	}
	return append(out, r)
}

// read uses the table of 64-bit entries: bit 63 present, 62 swapped, 61 page of
// a file or of shared memory (Documentation/admin-guide/mm/pagemap.rst).
func (p *Pages) read(r Range, private bool) ([]Range, error) {
	buf := make([]byte, 64<<10)
	var out []Range
	for addr := r.Addr; addr < r.Addr+r.Len; {
		want := min(uint64(len(buf)), (r.Addr+r.Len-addr)/4096*8)
		n, err := p.f.ReadAt(buf[:want], int64(addr/4096*8))
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read the page table entry of %#x: %w", addr, err)
		}
		for i := 0; i+8 <= n; i += 8 {
			e := binary.LittleEndian.Uint64(buf[i:])
			if e>>62 != 0 && !(private && e>>61&1 == 1) {
				out = AppendRange(out, Range{addr, 4096})
			}
			addr += 4096
		}
	}
	return out, nil
}
