// Package shared provides memory that an agent and its program have in common,
// with futexes as the only means of waiting: the program needs no descriptor.
package shared

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mana/task"
)

// Memory is the agent's side: a memfd, mapped.
type Memory struct {
	Bytes []byte
	fd    int
}

// New makes size bytes of zeroed memory; /proc/PID/maps shows the name.
func New(name string, size int) (*Memory, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("size %s: %w", name, err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return &Memory{mem, fd}, nil
}

// Path is where a process of the same user finds the memfd.
func (m *Memory) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.fd) }

// Close unmaps the memory here; programs keep their own mappings.
func (m *Memory) Close() {
	unix.Munmap(m.Bytes)
	unix.Close(m.fd)
	m.Bytes = nil
}

// MapInto maps the memory at a fixed address into a stopped task. The task's
// scratch memory must be set, or its stack is used.
func (m *Memory) MapInto(t *task.Task, addr uint64) error {
	if t.Scratch().Len == 0 {
		r, err := t.Regs()
		if err != nil {
			return err
		}
		t.SetScratch((r.Rsp-16<<10)&^15, 8<<10) // below the red zone
		defer t.SetScratch(0, 0)
	}
	fd, err := t.Openat(m.Path(), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("give shared memory to the program: %w", err)
	}
	defer t.Close(fd)
	_, err = t.Mmap(addr, uint64(len(m.Bytes)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED_NOREPLACE, fd, 0)
	return err
}

// Mapped tells whether a process has memory of that name mapped.
func Mapped(pid int, name string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	return err == nil && strings.Contains(string(b), "/memfd:"+name+" ")
}

// SetText fills a C string, cut to what fits.
func SetText(to []byte, s string) {
	n := copy(to[:len(to)-1], s)
	clear(to[n:])
}

// The futexes are not private: they are between processes (futex(2)).
const (
	futexWait = 0
	futexWake = 1
)

// Wait waits until *word differs from last, or for the timeout, and returns its value.
func Wait(word *uint32, last uint32, timeout time.Duration) uint32 {
	if v := atomic.LoadUint32(word); v != last {
		return v
	}
	ts := unix.NsecToTimespec(int64(timeout))
	unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(last), uintptr(unsafe.Pointer(&ts)), 0, 0)
	return atomic.LoadUint32(word)
}

// Wake wakes all who wait for *word to change.
func Wake(word *uint32) {
	unix.Syscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1<<30)
}
