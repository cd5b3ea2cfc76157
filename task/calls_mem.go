package task

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// put copies data to the scratch memory at offset off and returns its address.
func (t *Task) put(off uint64, data []byte) (uint64, error) {
	if off+uint64(len(data)) > t.scratch.Len {
		return 0, fmt.Errorf("task %d: %d bytes do not fit the %d bytes of scratch memory", t.TID, len(data), t.scratch.Len)
	}
	if len(data) == 0 {
		return t.scratch.Addr + off, nil
	}
	return t.scratch.Addr + off, t.WriteMem(t.scratch.Addr+off, data)
}

// withIn makes a call whose arguments point to copies of in. args gets the
// addresses.
func (t *Task) withIn(nr uint64, args func(p []uint64) []uint64, in ...[]byte) (uint64, error) {
	addrs := make([]uint64, len(in))
	off := uint64(0)
	for i, b := range in {
		a, err := t.put(off, b)
		if err != nil {
			return 0, err
		}
		addrs[i] = a
		off += (uint64(len(b)) + 15) &^ 15
	}
	return t.Syscall(nr, args(addrs)...)
}

// cstring is s as C wants it.
func cstring(s string) []byte { return append([]byte(s), 0) }

// out reads n bytes from the scratch memory at off.
func (t *Task) out(off uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	return b, t.ReadMem(t.scratch.Addr+off, b)
}

// Mmap is mmap(2).
func (t *Task) Mmap(addr, length uint64, prot, flags int, fd int, off uint64) (uint64, error) {
	a, err := t.Syscall(unix.SYS_MMAP, addr, length, uint64(prot), uint64(flags), uint64(int64(fd)), off)
	if err != nil {
		return 0, fmt.Errorf("map %d bytes at %#x in task %d: %w", length, addr, t.TID, err)
	}
	return a, nil
}

// Munmap is munmap(2).
func (t *Task) Munmap(addr, length uint64) error {
	if _, err := t.Syscall(unix.SYS_MUNMAP, addr, length); err != nil {
		return fmt.Errorf("unmap %d bytes at %#x in task %d: %w", length, addr, t.TID, err)
	}
	return nil
}

// Mprotect is mprotect(2).
func (t *Task) Mprotect(addr, length uint64, prot int) error {
	if _, err := t.Syscall(unix.SYS_MPROTECT, addr, length, uint64(prot)); err != nil {
		return fmt.Errorf("protect %d bytes at %#x in task %d: %w", length, addr, t.TID, err)
	}
	return nil
}

// Mremap is mremap(2).
func (t *Task) Mremap(addr, oldLen, newLen uint64, flags int, newAddr uint64) (uint64, error) {
	a, err := t.Syscall(unix.SYS_MREMAP, addr, oldLen, newLen, uint64(flags), newAddr)
	if err != nil {
		return 0, fmt.Errorf("move %d bytes at %#x in task %d: %w", oldLen, addr, t.TID, err)
	}
	return a, nil
}

// Madvise is madvise(2).
func (t *Task) Madvise(addr, length uint64, advice int) error {
	if _, err := t.Syscall(unix.SYS_MADVISE, addr, length, uint64(advice)); err != nil {
		return fmt.Errorf("advise %d on %d bytes at %#x in task %d: %w", advice, length, addr, t.TID, err)
	}
	return nil
}

// Mlock2 is mlock2(2).
func (t *Task) Mlock2(addr, length uint64, flags int) error {
	if _, err := t.Syscall(unix.SYS_MLOCK2, addr, length, uint64(flags)); err != nil {
		return fmt.Errorf("lock %d bytes at %#x in task %d: %w", length, addr, t.TID, err)
	}
	return nil
}

// Brk sets the program break and returns the one in force afterwards; 0 asks.
func (t *Task) Brk(addr uint64) (uint64, error) { return t.Syscall(unix.SYS_BRK, addr) }

// Mincore is mincore(2): one byte per page, bit 0 set if the page exists. The
// range must fit the scratch memory at a byte per page.
func (t *Task) Mincore(addr, length uint64) ([]byte, error) {
	n := int((length + 4095) / 4096)
	if uint64(n) > t.scratch.Len {
		return nil, fmt.Errorf("mincore of %d bytes in task %d: too long for its scratch memory", length, t.TID)
	}
	if _, err := t.Syscall(unix.SYS_MINCORE, addr, length, t.scratch.Addr); err != nil {
		return nil, fmt.Errorf("mincore of %d bytes at %#x in task %d: %w", length, addr, t.TID, err)
	}
	return t.out(0, n)
}

// MapVDSO maps a fresh vdso at addr (arch_prctl ARCH_MAP_VDSO_64).
func (t *Task) MapVDSO(addr uint64) error {
	if _, err := t.Syscall(unix.SYS_ARCH_PRCTL, 0x2003, addr); err != nil {
		return fmt.Errorf("map a vdso at %#x in task %d: %w", addr, t.TID, err)
	}
	return nil
}

// ArchPrctl is arch_prctl(2).
func (t *Task) ArchPrctl(op int, arg uint64) (uint64, error) {
	return t.Syscall(unix.SYS_ARCH_PRCTL, uint64(op), arg)
}

// Prctl is prctl(2) with arguments that are not pointers.
func (t *Task) Prctl(op int, args ...uint64) (uint64, error) {
	return t.Syscall(unix.SYS_PRCTL, append([]uint64{uint64(op)}, append(args, 0, 0, 0, 0)[:4]...)...)
}

// PrctlIn is prctl(op, pointer to data, …).
func (t *Task) PrctlIn(op int, data []byte, args ...uint64) (uint64, error) {
	return t.withIn(unix.SYS_PRCTL, func(p []uint64) []uint64 {
		return append([]uint64{uint64(op), p[0]}, append(args, 0, 0, 0)[:3]...)
	}, data)
}

// PrctlOut is prctl(op, pointer to n bytes), which it returns.
func (t *Task) PrctlOut(op int, n int) ([]byte, error) {
	if _, err := t.put(0, make([]byte, n)); err != nil {
		return nil, err
	}
	if _, err := t.Syscall(unix.SYS_PRCTL, uint64(op), t.scratch.Addr, 0, 0, 0); err != nil {
		return nil, err
	}
	return t.out(0, n)
}

// SetMMMap sets the address-space layout that /proc shows
// (prctl PR_SET_MM, PR_SET_MM_MAP); data is a struct prctl_mm_map.
func (t *Task) SetMMMap(data []byte) error {
	_, err := t.PrctlInOp2(unix.PR_SET_MM, unix.PR_SET_MM_MAP, data)
	if err != nil {
		return fmt.Errorf("set the memory layout of task %d: %w", t.TID, err)
	}
	return nil
}

// PrctlInOp2 is prctl(op, sub, pointer to data, length).
func (t *Task) PrctlInOp2(op, sub int, data []byte) (uint64, error) {
	return t.withIn(unix.SYS_PRCTL, func(p []uint64) []uint64 {
		return []uint64{uint64(op), uint64(sub), p[0], uint64(len(data)), 0}
	}, data)
}
