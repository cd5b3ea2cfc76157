package task

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Openat is open(2) relative to the current directory.
func (t *Task) Openat(path string, flags int, mode uint32) (int, error) {
	fd, err := t.withIn(unix.SYS_OPENAT, func(p []uint64) []uint64 {
		return []uint64{atFDCWD, p[0], uint64(flags), uint64(mode)}
	}, cstring(path))
	if err != nil {
		return -1, fmt.Errorf("open %s in task %d: %w", path, t.TID, err)
	}
	return int(fd), nil
}

const atFDCWD = ^uint64(99) // AT_FDCWD, -100

// Close is close(2).
func (t *Task) Close(fd int) error {
	if _, err := t.Syscall(unix.SYS_CLOSE, uint64(fd)); err != nil {
		return fmt.Errorf("close fd %d of task %d: %w", fd, t.TID, err)
	}
	return nil
}

// CloseRange is close_range(2), both ends included.
func (t *Task) CloseRange(first, last uint32) error {
	_, err := t.Syscall(unix.SYS_CLOSE_RANGE, uint64(first), uint64(last), 0)
	return err
}

// Dup3 is dup3(2).
func (t *Task) Dup3(old, new, flags int) error {
	if _, err := t.Syscall(unix.SYS_DUP3, uint64(old), uint64(new), uint64(flags)); err != nil {
		return fmt.Errorf("duplicate fd %d as %d in task %d: %w", old, new, t.TID, err)
	}
	return nil
}

// Fcntl is fcntl(2) with an integer argument.
func (t *Task) Fcntl(fd, op int, arg uint64) (uint64, error) {
	return t.Syscall(unix.SYS_FCNTL, uint64(fd), uint64(op), arg)
}

// FcntlIn is fcntl(2) with a pointer to data.
func (t *Task) FcntlIn(fd, op int, data []byte) (uint64, error) {
	return t.withIn(unix.SYS_FCNTL, func(p []uint64) []uint64 { return []uint64{uint64(fd), uint64(op), p[0]} }, data)
}

// FcntlOut is fcntl(2) that fills n bytes.
func (t *Task) FcntlOut(fd, op int, n int) ([]byte, error) {
	if _, err := t.FcntlIn(fd, op, make([]byte, n)); err != nil {
		return nil, err
	}
	return t.out(0, n)
}

// IoctlIn is ioctl(2) with a pointer to data.
func (t *Task) IoctlIn(fd int, op uint64, data []byte) (uint64, error) {
	return t.withIn(unix.SYS_IOCTL, func(p []uint64) []uint64 { return []uint64{uint64(fd), op, p[0]} }, data)
}

// Ioctl is ioctl(2) with an integer argument.
func (t *Task) Ioctl(fd int, op, arg uint64) (uint64, error) {
	return t.Syscall(unix.SYS_IOCTL, uint64(fd), op, arg)
}

// Flock is flock(2).
func (t *Task) Flock(fd, op int) error {
	_, err := t.Syscall(unix.SYS_FLOCK, uint64(fd), uint64(op))
	return err
}

// Lseek is lseek(2).
func (t *Task) Lseek(fd int, off int64, whence int) (int64, error) {
	n, err := t.Syscall(unix.SYS_LSEEK, uint64(fd), uint64(off), uint64(whence))
	return int64(n), err
}

// Ftruncate is ftruncate(2).
func (t *Task) Ftruncate(fd int, size int64) error {
	_, err := t.Syscall(unix.SYS_FTRUNCATE, uint64(fd), uint64(size))
	return err
}

// Pread reads from a file into the task's own memory at addr.
func (t *Task) Pread(fd int, addr, length uint64, off int64) (int, error) {
	n, err := t.Syscall(unix.SYS_PREAD64, uint64(fd), addr, length, uint64(off))
	if err != nil {
		return 0, fmt.Errorf("read %d bytes at %#x of fd %d to %#x in task %d: %w", length, off, fd, addr, t.TID, err)
	}
	return int(n), nil
}

// Read is read(2) into the task's own memory.
func (t *Task) Read(fd int, addr, length uint64) (int, error) {
	n, err := t.Syscall(unix.SYS_READ, uint64(fd), addr, length)
	return int(n), err
}

// Write is write(2) from the task's own memory.
func (t *Task) Write(fd int, addr, length uint64) (int, error) {
	n, err := t.Syscall(unix.SYS_WRITE, uint64(fd), addr, length)
	return int(n), err
}

// WriteBytes writes data, which passes through the scratch memory.
func (t *Task) WriteBytes(fd int, data []byte) (int, error) {
	n, err := t.withIn(unix.SYS_WRITE, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), p[0], uint64(len(data))}
	}, data)
	return int(n), err
}

// MaxVec is how many ranges Pwritev and Preadv take (IOV_MAX).
const MaxVec = 1024

// Pwritev writes ranges of the task's own memory to a file at off. The vector
// passes through the scratch memory: 16 bytes per range.
func (t *Task) Pwritev(fd int, vec []Range, off int64) (int, error) {
	return t.vector(unix.SYS_PWRITEV, fd, vec, off)
}

// Preadv reads from a file at off into ranges of the task's own memory.
func (t *Task) Preadv(fd int, vec []Range, off int64) (int, error) {
	return t.vector(unix.SYS_PREADV, fd, vec, off)
}

func (t *Task) vector(nr uint64, fd int, vec []Range, off int64) (int, error) {
	b := make([]byte, 0, 16*len(vec))
	for _, r := range vec {
		b = binary.LittleEndian.AppendUint64(b, r.Addr)
		b = binary.LittleEndian.AppendUint64(b, r.Len)
	}
	n, err := t.withIn(nr, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), p[0], uint64(len(vec)), uint64(off), 0}
	}, b)
	return int(n), err
}

// Pipe2 is pipe2(2).
func (t *Task) Pipe2(flags int) (r, w int, err error) {
	return t.fdPair(unix.SYS_PIPE2, func(p uint64) []uint64 { return []uint64{p, uint64(flags)} })
}

// Socketpair is socketpair(2).
func (t *Task) Socketpair(domain, typ, proto int) (a, b int, err error) {
	return t.fdPair(unix.SYS_SOCKETPAIR, func(p uint64) []uint64 {
		return []uint64{uint64(domain), uint64(typ), uint64(proto), p}
	})
}

func (t *Task) fdPair(nr uint64, args func(p uint64) []uint64) (int, int, error) {
	if _, err := t.withIn(nr, func(p []uint64) []uint64 { return args(p[0]) }, make([]byte, 8)); err != nil {
		return -1, -1, err
	}
	b, err := t.out(0, 8)
	return int(int32(binary.LittleEndian.Uint32(b))), int(int32(binary.LittleEndian.Uint32(b[4:]))), err
}

// Socket is socket(2).
func (t *Task) Socket(domain, typ, proto int) (int, error) {
	return t.fd(unix.SYS_SOCKET, uint64(domain), uint64(typ), uint64(proto))
}

// Bind is bind(2) with a raw address.
func (t *Task) Bind(fd int, addr []byte) error {
	_, err := t.withIn(unix.SYS_BIND, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), p[0], uint64(len(addr))}
	}, addr)
	return err
}

// Listen is listen(2).
func (t *Task) Listen(fd, backlog int) error {
	_, err := t.Syscall(unix.SYS_LISTEN, uint64(fd), uint64(backlog))
	return err
}

// Shutdown is shutdown(2); how is SHUT_RD, SHUT_WR or SHUT_RDWR.
func (t *Task) Shutdown(fd, how int) error {
	_, err := t.Syscall(unix.SYS_SHUTDOWN, uint64(fd), uint64(how))
	return err
}

// Setsockopt is setsockopt(2) with an int.
func (t *Task) Setsockopt(fd, level, name, value int) error {
	_, err := t.withIn(unix.SYS_SETSOCKOPT, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), uint64(level), uint64(name), p[0], 4}
	}, binary.LittleEndian.AppendUint32(nil, uint32(value)))
	return err
}

// SetsockoptBytes is setsockopt(2) with any value.
func (t *Task) SetsockoptBytes(fd, level, name int, value []byte) error {
	_, err := t.withIn(unix.SYS_SETSOCKOPT, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), uint64(level), uint64(name), p[0], uint64(len(value))}
	}, value)
	return err
}

// Connect is connect(2) with a raw address.
func (t *Task) Connect(fd int, addr []byte) error {
	_, err := t.withIn(unix.SYS_CONNECT, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), p[0], uint64(len(addr))}
	}, addr)
	return err
}

// Eventfd2 is eventfd2(2).
func (t *Task) Eventfd2(value uint32, flags int) (int, error) {
	return t.fd(unix.SYS_EVENTFD2, uint64(value), uint64(flags))
}

// EpollCreate1 is epoll_create1(2).
func (t *Task) EpollCreate1(flags int) (int, error) {
	return t.fd(unix.SYS_EPOLL_CREATE1, uint64(flags))
}

// EpollCtl is epoll_ctl(2).
func (t *Task) EpollCtl(epfd, op, fd int, events uint32, data uint64) error {
	b := binary.LittleEndian.AppendUint32(nil, events)
	b = binary.LittleEndian.AppendUint64(b, data) // packed on x86-64
	_, err := t.withIn(unix.SYS_EPOLL_CTL, func(p []uint64) []uint64 {
		return []uint64{uint64(epfd), uint64(op), uint64(fd), p[0]}
	}, b)
	return err
}

// TimerfdCreate is timerfd_create(2).
func (t *Task) TimerfdCreate(clock, flags int) (int, error) {
	return t.fd(unix.SYS_TIMERFD_CREATE, uint64(clock), uint64(flags))
}

// TimerfdSettime is timerfd_settime(2) with a struct itimerspec.
func (t *Task) TimerfdSettime(fd, flags int, spec []byte) error {
	_, err := t.withIn(unix.SYS_TIMERFD_SETTIME, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), uint64(flags), p[0], 0}
	}, spec)
	return err
}

// Signalfd4 is signalfd4(2); fd -1 makes a new one.
func (t *Task) Signalfd4(fd int, mask uint64, flags int) (int, error) {
	n, err := t.withIn(unix.SYS_SIGNALFD4, func(p []uint64) []uint64 {
		return []uint64{uint64(int64(fd)), p[0], kernelSigsetSize, uint64(flags)}
	}, binary.LittleEndian.AppendUint64(nil, mask))
	return int(n), err
}

// InotifyInit1 is inotify_init1(2).
func (t *Task) InotifyInit1(flags int) (int, error) {
	return t.fd(unix.SYS_INOTIFY_INIT1, uint64(flags))
}

// InotifyAddWatch is inotify_add_watch(2).
func (t *Task) InotifyAddWatch(fd int, path string, mask uint32) (int, error) {
	n, err := t.withIn(unix.SYS_INOTIFY_ADD_WATCH, func(p []uint64) []uint64 {
		return []uint64{uint64(fd), p[0], uint64(mask)}
	}, cstring(path))
	return int(n), err
}

// MemfdCreate is memfd_create(2).
func (t *Task) MemfdCreate(name string, flags int) (int, error) {
	n, err := t.withIn(unix.SYS_MEMFD_CREATE, func(p []uint64) []uint64 {
		return []uint64{p[0], uint64(flags)}
	}, cstring(name))
	return int(n), err
}

// Chdir is chdir(2).
func (t *Task) Chdir(path string) error {
	_, err := t.withIn(unix.SYS_CHDIR, func(p []uint64) []uint64 { return p }, cstring(path))
	return err
}

// Unlink is unlink(2).
func (t *Task) Unlink(path string) error {
	_, err := t.withIn(unix.SYS_UNLINK, func(p []uint64) []uint64 { return p }, cstring(path))
	return err
}

// Umask is umask(2).
func (t *Task) Umask(m uint32) (uint32, error) {
	old, err := t.Syscall(unix.SYS_UMASK, uint64(m))
	return uint32(old), err
}

func (t *Task) fd(nr uint64, args ...uint64) (int, error) {
	n, err := t.Syscall(nr, args...)
	return int(n), err
}

// ReceiveFD receives one descriptor over a unix socket (recvmsg(2),
// SCM_RIGHTS).
func (t *Task) ReceiveFD(sock int) (int, error) {
	const iov, data, control, controlLen = 64, 96, 112, 24
	base := t.scratch.Addr
	le := binary.LittleEndian
	b := make([]byte, control+controlLen)
	le.PutUint64(b[16:], base+iov) // struct msghdr
	le.PutUint64(b[24:], 1)
	le.PutUint64(b[32:], base+control)
	le.PutUint64(b[40:], controlLen)
	le.PutUint64(b[iov:], base+data)
	le.PutUint64(b[iov+8:], 1)
	if _, err := t.withIn(unix.SYS_RECVMSG, func(p []uint64) []uint64 {
		return []uint64{uint64(sock), p[0], unix.MSG_CMSG_CLOEXEC | unix.MSG_DONTWAIT}
	}, b); err != nil {
		return -1, err
	}
	c, err := t.out(control, controlLen)
	if err != nil {
		return -1, err
	}
	if le.Uint64(c) < 20 || le.Uint32(c[8:]) != unix.SOL_SOCKET || le.Uint32(c[12:]) != unix.SCM_RIGHTS {
		return -1, fmt.Errorf("no descriptor in the message")
	}
	return int(le.Uint32(c[16:])), nil
}
