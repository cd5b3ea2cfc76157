package task

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// POSIX message queues of our own ipc namespace (mq_overview(7)).

// MqAttr is struct mq_attr without its flags.
type MqAttr struct {
	MaxMsg  int64 `json:"max_messages"`
	MsgSize int64 `json:"message_size"`
	CurMsgs int64 `json:"-"`
}

const mqAttrLen = 64

// MqGetAttr is mq_getattr(3).
func MqGetAttr(fd int) (MqAttr, error) {
	var b [mqAttrLen / 8]int64
	_, _, e := unix.Syscall(unix.SYS_MQ_GETSETATTR, uintptr(fd), 0, uintptr(unsafe.Pointer(&b[0])))
	if e != 0 {
		return MqAttr{}, fmt.Errorf("mq_getattr: %w", e)
	}
	return MqAttr{b[1], b[2], b[3]}, nil
}

// MqOpen is mq_open(3); attr is for a queue that is made. The system call takes
// the name without its slash.
func MqOpen(name string, flags int, mode uint32, attr *MqAttr) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	var b [mqAttrLen / 8]int64
	var a unsafe.Pointer
	if attr != nil {
		b[1], b[2] = attr.MaxMsg, attr.MsgSize
		a = unsafe.Pointer(&b[0])
	}
	fd, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(flags), uintptr(mode), uintptr(a), 0, 0)
	if e != 0 {
		return -1, fmt.Errorf("mq_open /%s: %w", name, e)
	}
	return int(fd), nil
}

// MqUnlink is mq_unlink(3).
func MqUnlink(name string) error {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, e := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0); e != 0 {
		return fmt.Errorf("mq_unlink /%s: %w", name, e)
	}
	return nil
}

// MqReceive is mq_receive(3).
func MqReceive(fd int, size int64) (text []byte, priority uint32, err error) {
	b := make([]byte, max(size, 1))
	n, _, e := unix.Syscall6(unix.SYS_MQ_TIMEDRECEIVE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		uintptr(unsafe.Pointer(&priority)), 0, 0)
	if e != 0 {
		return nil, 0, fmt.Errorf("mq_receive: %w", e)
	}
	return b[:n], priority, nil
}

// MqSend is mq_send(3).
func MqSend(fd int, text []byte, priority uint32) error {
	b := append(text[:len(text):len(text)], 0) // never empty: its address is taken
	_, _, e := unix.Syscall6(unix.SYS_MQ_TIMEDSEND, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(text)), uintptr(priority), 0, 0)
	if e != 0 {
		return fmt.Errorf("mq_send %d bytes: %w", len(text), e)
	}
	return nil
}
