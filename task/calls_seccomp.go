package task

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// SetFilter is no_new_privs and seccomp(SECCOMP_SET_MODE_FILTER) with the
// classic BPF program prog. With SECCOMP_FILTER_FLAG_TSYNC a positive result
// of the system call names a thread that has filters of its own.
func (t *Task) SetFilter(flags uint64, prog []unix.SockFilter) error {
	code := make([]byte, 0, 8*len(prog))
	for _, f := range prog {
		code = binary.LittleEndian.AppendUint16(code, f.Code)
		code = append(code, f.Jt, f.Jf)
		code = binary.LittleEndian.AppendUint32(code, f.K)
	}
	if _, err := t.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs in task %d: %w", t.TID, err)
	}
	at, err := t.put(16, code)
	if err != nil {
		return err
	}
	// struct sock_fprog { unsigned short len; struct sock_filter *filter; }
	fprog := binary.LittleEndian.AppendUint64(nil, uint64(len(prog)))
	fprog = binary.LittleEndian.AppendUint64(fprog, at)
	p, err := t.put(0, fprog)
	if err != nil {
		return err
	}
	res, err := t.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, p)
	if err == nil && res != 0 {
		err = fmt.Errorf("thread %d has a filter of its own", res)
	}
	if err != nil {
		return fmt.Errorf("install a system call filter in task %d: %w", t.TID, err)
	}
	return nil
}
