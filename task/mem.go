package task

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Memory is the memory of a process, which any thread may use while the process
// is stopped.
type Memory struct {
	PID int

	mu   sync.Mutex
	file *os.File
}

// Read fills buf from addr. Pages without read permission are read through
// /proc/PID/mem, which ignores protection.
func (m *Memory) Read(addr uint64, buf []byte) error {
	return m.transfer("read", addr, buf, unix.SYS_PROCESS_VM_READV, (*os.File).ReadAt)
}

// Write writes data to addr, also into read-only private pages.
func (m *Memory) Write(addr uint64, data []byte) error {
	return m.transfer("write", addr, data, unix.SYS_PROCESS_VM_WRITEV, (*os.File).WriteAt)
}

// Close releases what this side holds.
func (m *Memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

func (m *Memory) transfer(verb string, addr uint64, buf []byte, nr uintptr,
	slow func(*os.File, []byte, int64) (int, error)) error {
	const piece = 1 << 20 // larger pieces fall out of the L2 cache
	for len(buf) > 0 {
		b := buf[:min(len(buf), piece)]
		n, err := processVM(nr, m.PID, addr, b)
		if err != nil || n == 0 {
			n, err = m.page(addr, b[:min(len(b), 4096-int(addr&4095))], slow)
		}
		if err != nil {
			return fmt.Errorf("%s %d bytes at %#x of process %d: %w", verb, len(b), addr, m.PID, err)
		}
		buf, addr = buf[n:], addr+uint64(n)
	}
	return nil
}

// page moves the part of one page that process_vm_* refused.
func (m *Memory) page(addr uint64, b []byte, f func(*os.File, []byte, int64) (int, error)) (int, error) {
	file, err := m.open()
	if err != nil {
		return 0, err
	}
	n, err := f(file, b, int64(addr))
	if n == len(b) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = unix.EFAULT
	}
	return n, err
}

func (m *Memory) open() (*os.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file != nil {
		return m.file, nil
	}
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", m.PID), os.O_RDWR, 0)
	m.file = f
	return f, err
}

// ReadMem fills buf from the target's memory at addr, whatever its protection.
func (t *Task) ReadMem(addr uint64, buf []byte) error { return t.Memory().Read(addr, buf) }

// WriteMem writes data to the target's memory at addr, also into read-only
// private pages.
func (t *Task) WriteMem(addr uint64, data []byte) error { return t.Memory().Write(addr, data) }

// Memory is the target's memory.
func (t *Task) Memory() *Memory {
	if t.mem == nil {
		t.mem = &Memory{PID: t.TID}
	}
	return t.mem
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
