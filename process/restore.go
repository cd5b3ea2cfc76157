package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mana/task"

	"golang.org/x/sys/unix"
)

// RestoreOptions says how a process is rebuilt.
type RestoreOptions struct {
	// Memory gives the saved bytes at the offsets that Run.Offset names.
	Memory io.ReaderAt
	// SetTIDs asks the kernel for the saved process and thread numbers
	// (clone3 set_tid); it has to be permitted, see CanSetTID.
	SetTIDs bool
	// DropCaps takes from the program all capabilities at the end. It is set
	// where the agent has them only to rebuild it.
	DropCaps bool
	// OwnIPC says that the ipc namespace is there for the saved processes alone.
	OwnIPC bool
	// DieWithParent kills the program when the tracing thread ends.
	DieWithParent bool
	// Stdio replaces terminals, and pipes and sockets that led out of the saved
	// process, at descriptors 0, 1 and 2.
	Stdio [3]*os.File
	// NoTruncate leaves files alone that have grown since the checkpoint.
	NoTruncate bool
	// Overwrite lets saved files take the place of present ones that differ.
	Overwrite bool
	// TailDir takes the tails cut off such files.
	TailDir string
	// Connections are the sockets of TCP connections; without them those between the
	// processes are made.
	Connections *Connections
	// Warn is told, in one line each, what could not be brought back.
	Warn func(format string, args ...any)
}

// Restored is a rebuilt process. All its threads are stopped under ptrace until
// Resume; like every task it belongs to the thread that called Restore.
type Restored struct {
	State *State
	tasks []*task.Task // in the order of State.Threads
	opt   RestoreOptions
	keep  []int
	fam   *family
	sock  int // to receive what others have made, finally above fdBase
	gate  task.Range
	main  *task.Task
	ghost bool // a stand-in for a leader that has ended
	// fdBase is above every descriptor of the saved process and to keep; what the rebuilding
	// itself needs lies from here on and is closed at the end.
	fdBase      int
	stdioFDs    [3]int              // the restarter's standard descriptors, above fdBase
	shared      map[string]int      // SharedID -> descriptor of the object, above fdBase
	pipes       map[uint64]pipeEnds // by inode
	pairs       map[uint64]int      // second ends of socket pairs, by inode, above fdBase
	attachments map[uint64]bool     // of System V shared memory, by address
	kept        map[int]int         // of keep, to their present numbers
	replaced    []*File             // files that get their saved contents, for CutBack
	written     []*File             // files open for writing, for CutBack
}

// Restore rebuilds one saved process in a new one; see RestoreTree.
func Restore(st *State, opt RestoreOptions) (*Restored, error) {
	all, err := RestoreTree([]Saved{{State: st, Memory: opt.Memory}}, opt)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (r *Restored) build() error {
	steps := []struct {
		name string
		run  func() error
	}{
		{"empty the husk", r.emptyHusk},
		{"map the vdso", r.restoreVDSO},
		{"open files", r.restoreFiles},
		{"map memory", r.restoreMemory},
		{"seal memory files", r.sealMemFDs},
		{"set the memory layout", r.restoreLayout},
		{"set the environment of the process", r.restoreProcess},
		{"close what is not the program's", r.closeOwn},
		{"create threads", r.restoreThreads},
		{"restore signals and timers", r.restoreSignals},
	}
	for _, s := range steps {
		if err := r.step(s.name, s.run); err != nil {
			return err
		}
	}
	return nil
}

func (r *Restored) step(name string, run func() error) error {
	if err := run(); err != nil {
		return fmt.Errorf("restore %s (process %d): %s: %w", r.State.Comm, r.State.PID, name, err)
	}
	return nil
}

// PID is the number of the rebuilt process.
func (r *Restored) PID() int { return r.main.TID }

// Tasks are its threads, in the order of State.Threads.
func (r *Restored) Tasks() []*task.Task { return r.tasks }

// Task is the thread with the present number tid, nil if there is none.
func (r *Restored) Task(tid int) *task.Task {
	for _, t := range r.tasks {
		if t.TID == tid {
			return t
		}
	}
	return nil
}

// TIDMap maps saved thread numbers to the present ones.
func (r *Restored) TIDMap() map[int]int {
	m := make(map[int]int, len(r.tasks))
	for i, t := range r.tasks {
		m[r.State.Threads[i].TID] = t.TID
	}
	return m
}

// Resume lets the process run from where it was saved. When it fails the
// process has been killed.
func (r *Restored) Resume() error {
	if err := r.release(); err != nil {
		r.Kill()
		return fmt.Errorf("resume %s (process %d): %w", r.State.Comm, r.State.PID, err)
	}
	return nil
}

func (r *Restored) release() error {
	if err := r.startTimers(); err != nil {
		return err
	}
	if err := r.dropGate(); err != nil {
		return err
	}
	// All is prepared first so that the threads start as close together as can be.
	for _, t := range r.tasks {
		if err := t.Return(); err != nil {
			return err
		}
	}
	if r.State.StopSignal != 0 { // it stops again before it runs
		if err := unix.Kill(r.main.TID, unix.SIGSTOP); err != nil {
			return fmt.Errorf("stop it again: %w", err)
		}
	}
	for _, t := range r.tasks {
		// A thread that already runs may end the whole process.
		if err := t.Detach(0); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

// dropGate unmaps the page through which remote calls were made, by a last
// remote call through a syscall instruction of the program. A program without
// any keeps the page.
func (r *Restored) dropGate() error {
	r.main.SetGate(0)
	if _, err := r.main.Gate(); err != nil {
		return nil
	}
	return r.main.Munmap(r.gate.Addr, r.gate.Len)
}

// Kill ends the process and reaps it.
func (r *Restored) Kill() {
	if r.main == nil {
		return
	}
	_ = unix.Kill(r.main.TID, unix.SIGKILL)
	for i := len(r.tasks) - 1; i > 0; i-- {
		_ = r.tasks[i].Reap(5 * time.Second)
	}
	_ = r.main.Reap(5 * time.Second)
	for _, t := range r.tasks {
		t.Forget()
	}
}
