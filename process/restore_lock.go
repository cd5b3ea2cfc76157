package process

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// setOwner is F_SETOWN_EX and F_SETSIG, and what O_ASYNC does.
func (r *Restored) setOwner(f *File) error {
	id := f.Owner.ID
	if tid, ok := r.TIDMap()[id]; ok && !r.opt.SetTIDs {
		id = tid
	} else if id == r.State.PID {
		id = r.main.TID
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(f.Owner.Type))
	b = binary.LittleEndian.AppendUint32(b, uint32(id))
	if _, err := r.main.FcntlIn(f.FD, unix.F_SETOWN_EX, b); err != nil {
		r.opt.Warn("the owner of fd %d is not restored: %v", f.FD, err)
		return nil
	}
	if _, err := r.main.Fcntl(f.FD, unix.F_SETSIG, uint64(f.Owner.Signal)); err != nil {
		return fmt.Errorf("signal of fd %d: %w", f.FD, err)
	}
	if f.Flags&unix.O_ASYNC == 0 {
		return nil
	}
	if _, err := r.main.Fcntl(f.FD, unix.F_SETFL, uint64(f.Flags&^creationFlags|unix.O_ASYNC)); err != nil {
		return fmt.Errorf("signal-driven input of fd %d: %w", f.FD, err)
	}
	return nil
}

// lock takes a lock again if nobody else has it.
func (r *Restored) lock(f *File, l Lock) error {
	switch l.Type {
	case "POSIX", "OFDLCK":
	default:
		return errors.New("unknown kind of lock")
	case "FLOCK":
		op := unix.LOCK_SH
		if l.Write {
			op = unix.LOCK_EX
		}
		return r.main.Flock(f.FD, op|unix.LOCK_NB)
	}
	typ, op := uint16(unix.F_RDLCK), unix.F_SETLK
	if l.Write {
		typ = unix.F_WRLCK
	}
	if l.Type == "OFDLCK" {
		op = unix.F_OFD_SETLK
	}
	length := int64(0) // to the end
	if l.End >= 0 {
		length = l.End - l.Start + 1
	}
	b := make([]byte, 32) // struct flock
	binary.LittleEndian.PutUint16(b, typ)
	binary.LittleEndian.PutUint64(b[8:], uint64(l.Start))
	binary.LittleEndian.PutUint64(b[16:], uint64(length))
	_, err := r.main.FcntlIn(f.FD, op, b)
	return err
}
