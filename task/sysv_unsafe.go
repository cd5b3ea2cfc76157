package task

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System V semaphores and message queues of our own ipc namespace; for shared
// memory golang.org/x/sys has all but Shmat.

// From include/uapi/linux/sem.h and msg.h.
const (
	_GETPID   = 11
	_GETALL   = 13
	_SETALL   = 17
	_MSG_COPY = 0o40000
)

// sysv makes a call of ours whose argument number at points to b.
func sysv(nr uintptr, at int, b []byte, args ...uintptr) (int, error) {
	var a [6]uintptr
	copy(a[:], args)
	if len(b) == 0 {
		n, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], 0)
		return result(n, e)
	}
	switch at {
	case 1:
		n, _, e := unix.Syscall6(nr, a[0], uintptr(unsafe.Pointer(&b[0])), a[2], a[3], a[4], 0)
		return result(n, e)
	case 2:
		n, _, e := unix.Syscall6(nr, a[0], a[1], uintptr(unsafe.Pointer(&b[0])), a[3], a[4], 0)
		return result(n, e)
	}
	n, _, e := unix.Syscall6(nr, a[0], a[1], a[2], uintptr(unsafe.Pointer(&b[0])), a[4], 0)
	return result(n, e)
}

func result(n uintptr, e unix.Errno) (int, error) {
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// Semget is semget(2).
func Semget(key, n, flags int) (int, error) {
	id, err := sysv(unix.SYS_SEMGET, 0, nil, uintptr(key), uintptr(n), uintptr(flags))
	if err != nil {
		return 0, fmt.Errorf("semget with key %#x: %w", key, err)
	}
	return id, nil
}

// SemValues reads the values of a set of n semaphores.
func SemValues(id, n int) ([]uint16, error) {
	b := make([]byte, 2*n)
	if _, err := sysv(unix.SYS_SEMCTL, 3, b, uintptr(id), 0, _GETALL); err != nil {
		return nil, fmt.Errorf("read semaphore set %d: %w", id, err)
	}
	values := make([]uint16, n)
	for i := range values {
		values[i] = binary.NativeEndian.Uint16(b[2*i:])
	}
	return values, nil
}

// SemUser is the process that used semaphore number i of a set last, 0 if none
// has.
func SemUser(id, i int) (int, error) {
	return sysv(unix.SYS_SEMCTL, 0, nil, uintptr(id), uintptr(i), _GETPID)
}

// SetSemValues sets all values of a set.
func SetSemValues(id int, values []uint16) error {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	if _, err := sysv(unix.SYS_SEMCTL, 3, b, uintptr(id), 0, _SETALL); err != nil {
		return fmt.Errorf("set semaphore set %d: %w", id, err)
	}
	return nil
}

// Msgget is msgget(2).
func Msgget(key, flags int) (int, error) {
	id, err := sysv(unix.SYS_MSGGET, 0, nil, uintptr(key), uintptr(flags))
	if err != nil {
		return 0, fmt.Errorf("msgget with key %#x: %w", key, err)
	}
	return id, nil
}

// PeekMessage copies message number i of a queue and leaves it there. Its text
// has at most size bytes.
func PeekMessage(id, i, size int) (typ int64, text []byte, err error) {
	b := make([]byte, 8+size)
	n, err := sysv(unix.SYS_MSGRCV, 1, b, uintptr(id), 0, uintptr(size), uintptr(i), _MSG_COPY|unix.IPC_NOWAIT)
	if err != nil {
		return 0, nil, fmt.Errorf("copy message %d of queue %d: %w", i, id, err)
	}
	return int64(binary.NativeEndian.Uint64(b)), b[8 : 8+n], nil
}

// SendMessage is msgsnd(2); it does not wait.
func SendMessage(id int, typ int64, text []byte) error {
	b := append(binary.NativeEndian.AppendUint64(nil, uint64(typ)), text...)
	if _, err := sysv(unix.SYS_MSGSND, 1, b, uintptr(id), 0, uintptr(len(text)), unix.IPC_NOWAIT); err != nil {
		return fmt.Errorf("send %d bytes to message queue %d: %w", len(text), id, err)
	}
	return nil
}

// msqidDS is the size of struct msqid64_ds (include/uapi/asm-generic/msgbuf.h),
// behind struct ipc64_perm (48 bytes) and six longs.
const (
	msqidDS     = 120
	msqidQbytes = 88
)

// QueueBytes is how many bytes of messages a queue may hold.
func QueueBytes(id int) (uint64, error) {
	b := make([]byte, msqidDS)
	if _, err := sysv(unix.SYS_MSGCTL, 2, b, uintptr(id), unix.IPC_STAT); err != nil {
		return 0, fmt.Errorf("look at message queue %d: %w", id, err)
	}
	return binary.NativeEndian.Uint64(b[msqidQbytes:]), nil
}

// SetQueueBytes changes it.
func SetQueueBytes(id int, n uint64) error {
	b := make([]byte, msqidDS)
	_, err := sysv(unix.SYS_MSGCTL, 2, b, uintptr(id), unix.IPC_STAT)
	if err == nil {
		binary.NativeEndian.PutUint64(b[msqidQbytes:], n)
		_, err = sysv(unix.SYS_MSGCTL, 2, b, uintptr(id), unix.IPC_SET)
	}
	if err != nil {
		return fmt.Errorf("let message queue %d hold %d bytes: %w", id, n, err)
	}
	return nil
}

// Shmat is shmat(2) in the task.
func (t *Task) Shmat(id int, addr uint64, flags int) error {
	if _, err := t.Syscall(unix.SYS_SHMAT, uint64(id), addr, uint64(flags)); err != nil {
		return fmt.Errorf("attach shared memory segment %d at %#x in task %d: %w", id, addr, t.TID, err)
	}
	return nil
}
