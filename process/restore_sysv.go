package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"mana/task"
)

const shmExec = 0o100000 // SHM_EXEC, include/uapi/linux/shm.h

// rebuiltSegment is a shared memory segment that has been made again. We stay
// attached until all processes are, so that it can be removed before.
type rebuiltSegment struct {
	id     int
	memory []byte
	remove bool
}

// makeSysV makes the System V IPC objects of the tree. Their ids can be chosen
// where the ipc namespace is ours; elsewhere there is only memory to attach, and
// nobody can find it by a key.
func (fam *family) makeSysV() error {
	for _, m := range fam.members {
		s := m.State.SysV
		if s == nil {
			continue
		}
		if !m.opt.OwnIPC {
			m.opt.Warn("System V IPC objects have no keys and ids, and semaphores and message queues are lost: there is no ipc namespace for them")
		}
		for i := range s.Segments {
			if err := fam.makeSegment(m, &s.Segments[i]); err != nil {
				return err
			}
		}
		if !m.opt.OwnIPC {
			continue
		}
		for i := range s.Semaphores {
			if err := makeSemaphores(&s.Semaphores[i]); err != nil {
				return err
			}
		}
		for i := range s.Queues {
			if err := makeQueue(m, &s.Queues[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// chooseID lets the next object of a kind have the saved id (proc_sys_kernel(5)).
func chooseID(kind string, id int) error {
	err := os.WriteFile("/proc/sys/kernel/"+kind+"_next_id", []byte(strconv.Itoa(id)), 0)
	if err != nil {
		return fmt.Errorf("choose the id of a System V IPC object: %w", err)
	}
	return nil
}

// checkID tells whether the kernel has followed, err being how the creation went.
func (o *SysVObject) checkID(what string, id int, err error) error {
	if err != nil {
		return fmt.Errorf("make %s %d with key %#x: %w", what, o.ID, o.Key, err)
	}
	if id != o.ID {
		return fmt.Errorf("%s %d has become number %d", what, o.ID, id)
	}
	return nil
}

func (o *SysVObject) flags() int { return unix.IPC_CREAT | unix.IPC_EXCL | o.Mode | 0o600 }

func (fam *family) makeSegment(m *Restored, g *Segment) error {
	if _, ok := fam.segments[g.ID]; ok {
		return nil // another computation's first process has it too
	}
	var err error
	b := &rebuiltSegment{remove: g.Removed || !m.opt.OwnIPC}
	if m.opt.OwnIPC {
		if err := chooseID("shm", g.ID); err != nil {
			return err
		}
		b.id, err = unix.SysvShmGet(g.Key, int(g.Size), g.flags())
		err = g.checkID("shared memory segment", b.id, err)
	} else {
		b.id, err = unix.SysvShmGet(unix.IPC_PRIVATE, int(g.Size), g.flags())
	}
	if err != nil {
		return err
	}
	fam.segments[g.ID] = b
	if b.memory, err = unix.SysvShmAttach(b.id, 0, 0); err != nil {
		return fmt.Errorf("attach shared memory segment %d: %w", b.id, err)
	}
	for _, run := range g.Contents {
		if run.Addr+run.Len > uint64(len(b.memory)) {
			return fmt.Errorf("contents of shared memory segment %d beyond its %d bytes", g.ID, g.Size)
		}
		if err := readFull(m.opt.Memory, b.memory[run.Addr:run.Addr+run.Len], run.Offset); err != nil {
			return err
		}
	}
	return nil
}

func makeSemaphores(s *SemSet) error {
	if err := chooseID("sem", s.ID); err != nil {
		return err
	}
	id, err := task.Semget(s.Key, len(s.Values), s.flags())
	if err := s.checkID("semaphore set", id, err); err != nil {
		return err
	}
	return task.SetSemValues(id, s.Values)
}

func makeQueue(m *Restored, q *MsgQueue) error {
	if err := chooseID("msg", q.ID); err != nil {
		return err
	}
	id, err := task.Msgget(q.Key, q.flags())
	if err := q.checkID("message queue", id, err); err != nil {
		return err
	}
	if now, err := task.QueueBytes(id); err != nil || now != q.Bytes {
		if err := task.SetQueueBytes(id, q.Bytes); err != nil {
			m.opt.Warn("%v", err)
		}
	}
	for _, msg := range q.Messages {
		if err := task.SendMessage(id, msg.Type, msg.Text); err != nil {
			return err
		}
	}
	return nil
}

// closeSysV gives up our own part in the segments.
func (fam *family) closeSysV() error {
	var errs []error
	for _, b := range fam.segments {
		if b.remove {
			_, err := unix.SysvShmCtl(b.id, unix.IPC_RMID, nil)
			errs = append(errs, err)
		}
		if b.memory != nil {
			errs = append(errs, unix.SysvShmDetach(b.memory))
		}
	}
	fam.segments = nil
	return errors.Join(errs...)
}

// attach attaches the segment behind a mapping, which may be but a part of the
// attachment: what the program had unmapped is unmapped again. It returns false
// if the segment was not saved or cannot lie there.
func (r *Restored) attach(v *VMA, prot int) (bool, error) {
	id, ok := v.sysvSegment()
	b := r.fam.segments[id]
	if !ok || b == nil || v.Offset > v.Start {
		return false, nil
	}
	base := v.Start - v.Offset
	if !r.attachments[base] {
		flags := 0
		if prot&unix.PROT_EXEC != 0 {
			flags = shmExec
		}
		if err := r.main.Shmat(b.id, base, flags); err != nil {
			r.opt.Warn("%v", err)
			return false, nil
		}
		r.attachments[base] = true
		end := base + (uint64(len(b.memory))+pageSize-1)&^uint64(pageSize-1)
		for _, gap := range r.gaps(v.SharedID, base, end) {
			if err := r.main.Munmap(gap.Addr, gap.Len); err != nil {
				return false, err
			}
		}
	}
	if prot == unix.PROT_READ|unix.PROT_WRITE {
		return true, nil
	}
	return true, r.main.Mprotect(v.Start, v.Len(), prot)
}

// gaps are the parts of [base, end) that no mapping of the attachment covers.
func (r *Restored) gaps(id string, base, end uint64) []task.Range {
	var out []task.Range
	from := base
	for i := range r.State.VMAs { // in ascending order
		v := &r.State.VMAs[i]
		if v.SharedID != id || v.Start-v.Offset != base {
			continue
		}
		if v.Start > from {
			out = append(out, task.Range{Addr: from, Len: v.Start - from})
		}
		from = v.End
	}
	if from < end {
		out = append(out, task.Range{Addr: from, Len: end - from})
	}
	return out
}
