package process

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mana/image"
	"mana/task"
)

// Snapshot is the state of a process at one instant; it is an image.Source.
type Snapshot struct {
	State *State

	c       *collector
	tracer  *task.Tracer
	target  *task.Task   // the copy-on-write child, or the stopped leader itself
	mem     *task.Memory // of target
	child   bool
	kept    []captured // memory that the child does not share
	extents []image.Extent
	once    sync.Once
	planned error
	release func()
}

var _ image.Source = (*Snapshot)(nil)

// Snapshot takes the state of the stopped process. It adds to the stop what
// collecting costs and, for the memory, one fork.
func (f *Frozen) Snapshot() (*Snapshot, error) {
	s := &Snapshot{State: &State{}, tracer: f.tracer}
	s.c = &collector{f: f, pid: f.PID, st: s.State}
	f.holds++
	s.release = f.release
	err := f.tracer.Do(func() error { return s.take(f) })
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("take a snapshot of process %d: %w", f.PID, err)
	}
	return s, nil
}

func (s *Snapshot) take(f *Frozen) error {
	if err := f.stopLower(); err != nil {
		return err
	}
	if err := s.c.stopped(); err != nil {
		return err
	}
	if err := s.c.locked(); err != nil {
		return err
	}
	s.target, s.mem = f.threads[0].Task, f.Memory()
	if !f.opts.NoFork && s.State.PPID == os.Getpid() {
		if err := s.fork(f); err != nil {
			return err
		}
	}
	if s.child {
		return s.keepUnshared(f)
	}
	return nil
}

// Live tells that the snapshot is the stopped process itself, so that it must be
// written before the Thaw: it was asked for, or the process is not our child, or
// memory did not suffice for a fork.
func (s *Snapshot) Live() bool { return !s.child }

// fork makes a copy of the process that never runs. CLONE_PARENT makes it our
// child, not the program's, which so never learns of it.
func (s *Snapshot) fork(f *Frozen) error {
	leader := f.threads[0].Task
	pid, err := leader.Clone(unix.CLONE_PARENT, 0, 0, 0, 0)
	if err != nil {
		return nil // out of memory or processes, or the init of a namespace: stay live
	}
	k := task.Attached(pid, leader)
	if err := k.WaitAttached(5 * time.Second); err != nil {
		k.Kill()
		return err
	}
	s.target, s.child = k, true
	s.mem = &task.Memory{PID: pid}
	if err := k.DieWithTracer(); err != nil {
		return err
	}
	// If memory gets short the copy is to go, not the program.
	os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("1000"), 0)
	return nil
}

// Close ends the snapshot and frees its memory.
func (s *Snapshot) Close() error {
	if s.release == nil {
		return nil
	}
	var err error
	if s.child {
		err = s.tracer.Do(s.reap)
	}
	s.release()
	s.release = nil
	if s.mem != nil {
		s.mem.Close()
	}
	return err
}

func (s *Snapshot) reap() error {
	if err := s.target.Kill(); err != nil {
		return fmt.Errorf("end the snapshot %d: %w", s.target.TID, err)
	}
	for {
		st, err := s.target.WaitStop(10 * time.Second)
		if err != nil {
			return fmt.Errorf("end the snapshot: %w", err)
		}
		if st.Gone() {
			s.target.Forget()
			return nil
		}
	}
}

// Extents implements image.Source. The first call completes the State with what
// could wait until the program runs on.
func (s *Snapshot) Extents() ([]image.Extent, error) {
	s.once.Do(func() { s.planned = s.tracer.Do(s.plan) })
	if s.planned != nil {
		return nil, fmt.Errorf("collect the memory of process %d: %w", s.State.PID, s.planned)
	}
	return s.extents, nil
}

// ReadMemory implements image.Source.
func (s *Snapshot) ReadMemory(addr uint64, b []byte) error { return s.mem.Read(addr, b) }

// Metadata implements image.Source.
func (s *Snapshot) Metadata() ([]byte, error) { return json.Marshal(s.State) }

// WriteExtents implements image.Source: the snapshot writes its own memory,
// which saves a copy; what it cannot write goes through us.
func (s *Snapshot) WriteExtents(file *os.File, name string, es []image.Extent, done func(int64)) error {
	return s.tracer.Do(func() error {
		w := &selfWriter{t: s.target, mem: s.mem, file: file, done: done}
		if err := w.open(name); err != nil {
			return w.copyAll(es)
		}
		defer w.close()
		return w.write(slices.Clone(es))
	})
}
