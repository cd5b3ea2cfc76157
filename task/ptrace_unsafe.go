package task

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests that x/sys does not wrap; values from include/uapi/linux/ptrace.h.
const (
	_PTRACE_PEEKSIGINFO            = 0x4209
	_PTRACE_GETSIGMASK             = 0x420a
	_PTRACE_SETSIGMASK             = 0x420b
	_PTRACE_GET_RSEQ_CONFIGURATION = 0x420f
	_NT_X86_XSTATE                 = 0x202
	kernelSigsetSize               = 8
)

// ptrace is for requests whose data is a number.
func ptrace(req int, tid int, addr, data uintptr) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// ptraceData is for requests that read or write memory of ours. It takes a
// pointer: a uintptr would not follow when the caller's stack is moved, and the
// kernel would fill what is no longer there.
func ptraceData(req int, tid int, addr uintptr, data unsafe.Pointer) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, uintptr(data), 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func getSigMask(tid int) (uint64, error) {
	var m uint64
	err := ptraceData(_PTRACE_GETSIGMASK, tid, kernelSigsetSize, unsafe.Pointer(&m))
	return m, err
}

func setSigMask(tid int, m uint64) error {
	return ptraceData(_PTRACE_SETSIGMASK, tid, kernelSigsetSize, unsafe.Pointer(&m))
}

func getRegs(tid int, r *Regs) error {
	return ptraceData(unix.PTRACE_GETREGS, tid, 0, unsafe.Pointer(r))
}

func setRegs(tid int, r *Regs) error {
	return ptraceData(unix.PTRACE_SETREGS, tid, 0, unsafe.Pointer(r))
}

func getRegSet(tid int, note int, buf []byte) (int, error) {
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	err := ptraceData(unix.PTRACE_GETREGSET, tid, uintptr(note), unsafe.Pointer(&iov))
	return int(iov.Len), err
}

func setRegSet(tid int, note int, buf []byte) error {
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	return ptraceData(unix.PTRACE_SETREGSET, tid, uintptr(note), unsafe.Pointer(&iov))
}

func getEventMsg(tid int) (uint64, error) {
	var msg uint64
	err := ptraceData(unix.PTRACE_GETEVENTMSG, tid, 0, unsafe.Pointer(&msg))
	return msg, err
}

func getRSeq(tid int) (RSeq, error) {
	var c struct {
		ptr              uint64
		size, sig, fl, _ uint32
	}
	err := ptraceData(_PTRACE_GET_RSEQ_CONFIGURATION, tid, unsafe.Sizeof(c), unsafe.Pointer(&c))
	return RSeq{Ptr: c.ptr, Len: c.size, Sig: c.sig}, err
}

// peekSigInfo reads up to n queued signals from position off.
func peekSigInfo(tid int, off uint64, shared bool, n int) ([]SigInfo, error) {
	args := struct {
		off   uint64
		flags uint32
		nr    int32
	}{off: off, nr: int32(n)}
	if shared {
		args.flags = 1 // PTRACE_PEEKSIGINFO_SHARED
	}
	out := make([]SigInfo, n)
	got, _, e := unix.RawSyscall6(unix.SYS_PTRACE, _PTRACE_PEEKSIGINFO, uintptr(tid),
		uintptr(unsafe.Pointer(&args)), uintptr(unsafe.Pointer(&out[0])), 0, 0)
	if e != 0 {
		return nil, e
	}
	return out[:got], nil
}

// waitNoHang is wait4(tid, WNOHANG|__WALL); it returns 0 when nothing happened.
func waitNoHang(tid int) (got int, ws unix.WaitStatus, err error) {
	var st int32
	r, _, e := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)),
		unix.WNOHANG|unix.WALL, 0, 0, 0)
	if e != 0 {
		return 0, 0, e
	}
	return int(r), unix.WaitStatus(st), nil
}

// await polls for a state change of tid, with short sleeps: yielding instead
// would cost whole time slices on a machine whose processors are busy.
func await(tid int, timeout time.Duration) (unix.WaitStatus, error) {
	deadline := time.Now().Add(timeout)
	nap := 5 * time.Microsecond
	for {
		got, ws, err := waitNoHang(tid)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case got == tid:
			return ws, nil
		case time.Now().After(deadline):
			return 0, fmt.Errorf("no stop within %v: %w", timeout, ErrTimeout)
		}
		ts := unix.NsecToTimespec(int64(nap))
		unix.Nanosleep(&ts, nil)
		if nap < time.Millisecond {
			nap += nap / 4
		}
	}
}

// awaitBlocking waits as long as it takes.
func awaitBlocking(tid int) (unix.WaitStatus, error) {
	for {
		var st int32
		_, _, e := unix.Syscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)), unix.WALL, 0, 0, 0)
		if e == 0 {
			return unix.WaitStatus(st), nil
		}
		if e != unix.EINTR {
			return 0, e
		}
	}
}

func processVM(nr uintptr, tid int, addr uint64, buf []byte) (int, error) {
	local := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(buf)}
	n, _, e := unix.Syscall6(nr, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

func getRobustList(tid int) (head, length uint64, err error) {
	_, _, e := unix.RawSyscall(unix.SYS_GET_ROBUST_LIST, uintptr(tid),
		uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&length)))
	if e != 0 {
		return 0, 0, fmt.Errorf("robust list of task %d: %w", tid, e)
	}
	return head, length, nil
}
