package task

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Regs are the general registers as PTRACE_GETREGS gives them.
type Regs = unix.PtraceRegsAmd64

// RSeq is a thread's restartable-sequence registration; Ptr 0 means none.
type RSeq struct {
	Ptr      uint64 `json:"ptr"`
	Len, Sig uint32
}

// SigInfo is a queued signal exactly as the kernel stores it.
type SigInfo [128]byte

// Signal is its number.
func (s *SigInfo) Signal() unix.Signal { return unix.Signal(binary.LittleEndian.Uint32(s[:])) }

// Regs returns the program's registers.
func (t *Task) Regs() (Regs, error) {
	if t.loan != nil {
		return t.loan.regs, nil
	}
	var r Regs
	if err := getRegs(t.TID, &r); err != nil {
		return r, fmt.Errorf("read registers of task %d: %w", t.TID, err)
	}
	return r, nil
}

// SetRegs sets the registers with which the program goes on.
func (t *Task) SetRegs(r Regs) error {
	if t.loan != nil {
		t.loan.regs = r
		return nil
	}
	if err := setRegs(t.TID, &r); err != nil {
		return fmt.Errorf("write registers of task %d: %w", t.TID, err)
	}
	return nil
}

// SetGSBase sets the base of the gs segment with which the program goes on.
func (t *Task) SetGSBase(base uint64) error {
	r, err := t.Regs()
	if err != nil {
		return err
	}
	r.Gs_base = base
	return t.SetRegs(r)
}

// XState returns the x87/SSE/AVX/... state in the standard XSAVE format.
func (t *Task) XState() ([]byte, error) {
	buf := make([]byte, 16<<10) // AMX makes it 11 KiB
	n, err := getRegSet(t.TID, _NT_X86_XSTATE, buf)
	if err != nil {
		return nil, fmt.Errorf("read XSAVE state of task %d: %w", t.TID, err)
	}
	return buf[:n:n], nil
}

// SetXState sets what XState returned.
func (t *Task) SetXState(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("write XSAVE state of task %d: no data", t.TID)
	}
	if err := setRegSet(t.TID, _NT_X86_XSTATE, b); err != nil {
		return fmt.Errorf("write XSAVE state (%d bytes) of task %d: %w", len(b), t.TID, err)
	}
	return nil
}

// SigMask returns the program's blocked signals (bit n-1 = signal n).
func (t *Task) SigMask() (uint64, error) {
	if t.loan != nil {
		return t.loan.mask, nil
	}
	m, err := getSigMask(t.TID)
	if err != nil {
		return 0, fmt.Errorf("read signal mask of task %d: %w", t.TID, err)
	}
	return m, nil
}

// SetSigMask sets the blocked signals with which the program goes on.
func (t *Task) SetSigMask(m uint64) error {
	if t.loan != nil {
		t.loan.mask = m
		return nil
	}
	if err := setSigMask(t.TID, m); err != nil {
		return fmt.Errorf("write signal mask of task %d: %w", t.TID, err)
	}
	return nil
}

// RSeq returns the rseq registration of the thread.
func (t *Task) RSeq() (RSeq, error) {
	r, err := getRSeq(t.TID)
	if err == unix.EIO || err == unix.EINVAL { // kernel without rseq or before 5.13
		return RSeq{}, nil
	}
	if err != nil {
		return r, fmt.Errorf("read rseq registration of task %d: %w", t.TID, err)
	}
	return r, nil
}

// Pending returns the signals queued for the thread, or with shared for the
// whole process, without removing them.
func (t *Task) Pending(shared bool) ([]SigInfo, error) {
	var all []SigInfo
	for {
		part, err := peekSigInfo(t.TID, uint64(len(all)), shared, 32)
		if err != nil {
			return nil, fmt.Errorf("read signals queued for task %d: %w", t.TID, err)
		}
		if len(part) == 0 {
			return all, nil
		}
		all = append(all, part...)
	}
}
