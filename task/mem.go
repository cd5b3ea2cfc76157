package task

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ReadMem fills buf from the target's memory at addr. Pages without read
// permission are read through /proc/PID/mem, which ignores protection.
func (t *Task) ReadMem(addr uint64, buf []byte) error {
	return t.transfer("read", addr, buf, unix.SYS_PROCESS_VM_READV, func(f *os.File, b []byte, at int64) (int, error) {
		n, err := f.ReadAt(b, at)
		if errors.Is(err, io.EOF) && n == len(b) {
			err = nil
		}
		return n, err
	})
}

// WriteMem writes data to the target's memory at addr, also into read-only
// private pages.
func (t *Task) WriteMem(addr uint64, data []byte) error {
	return t.transfer("write", addr, data, unix.SYS_PROCESS_VM_WRITEV, (*os.File).WriteAt)
}

func (t *Task) transfer(verb string, addr uint64, buf []byte, nr uintptr,
	slow func(*os.File, []byte, int64) (int, error)) error {
	const piece = 1 << 20 // larger pieces fall out of the L2 cache
	for len(buf) > 0 {
		b := buf[:min(len(buf), piece)]
		n, err := processVM(nr, t.TID, addr, b)
		if err != nil || n == 0 {
			n, err = t.slowTransfer(addr, b[:min(len(b), 4096-int(addr&4095))], slow)
		}
		if err != nil {
			return fmt.Errorf("%s %d bytes at %#x of task %d: %w", verb, len(b), addr, t.TID, err)
		}
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

func (t *Task) slowTransfer(addr uint64, b []byte, f func(*os.File, []byte, int64) (int, error)) (int, error) {
	if t.mem == nil {
		m, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", t.TID), os.O_RDWR, 0)
		if err != nil {
			return 0, err
		}
		t.mem = m
	}
	n, err := f(t.mem, b, int64(addr))
	if n == 0 && err == nil {
		err = unix.EFAULT
	}
	return n, err
}

// ReadUint64 reads one word.
func (t *Task) ReadUint64(addr uint64) (uint64, error) {
	var b [8]byte
	err := t.ReadMem(addr, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// WriteUint64 writes one word.
func (t *Task) WriteUint64(addr, v uint64) error {
	return t.WriteMem(addr, binary.LittleEndian.AppendUint64(nil, v))
}

var syscallInsn = []byte{0x0f, 0x05}

// findGate looks for a syscall instruction, first in the vdso, then in the
// other executable mappings.
func findGate(t *Task) (uint64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", t.TID))
	if err != nil {
		return 0, fmt.Errorf("look for a syscall instruction: %w", err)
	}
	var later []Range
	for _, l := range bytes.Split(maps, []byte{'\n'}) {
		var start, end uint64
		var perm string
		if n, _ := fmt.Sscanf(string(l), "%x-%x %s", &start, &end, &perm); n != 3 || len(perm) < 3 || perm[2] != 'x' {
			continue
		}
		r := Range{start, end - start}
		if bytes.HasSuffix(l, []byte("[vdso]")) {
			if g := scanGate(t, r); g != 0 {
				return g, nil
			}
		} else if !bytes.HasSuffix(l, []byte("[vsyscall]")) {
			later = append(later, r)
		}
	}
	for _, r := range later {
		if g := scanGate(t, r); g != 0 {
			return g, nil
		}
	}
	return 0, fmt.Errorf("task %d has no syscall instruction in any executable mapping", t.TID)
}

func scanGate(t *Task, r Range) uint64 {
	buf := make([]byte, min(r.Len, 4<<20))
	if t.ReadMem(r.Addr, buf) != nil {
		return 0
	}
	if i := bytes.Index(buf, syscallInsn); i >= 0 {
		return r.Addr + uint64(i)
	}
	return 0
}
