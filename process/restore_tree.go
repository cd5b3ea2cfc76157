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

// Saved is one process of a computation that is rebuilt.
type Saved struct {
	State  *State
	Memory io.ReaderAt
	// Keep are inherited descriptors that the process needs though they are not
	// the program's: the launcher's, for the lower half. See Restored.Kept.
	Keep []int
}

// family are the processes that are rebuilt together. What they share (open
// file descriptions, pipes, memory) is made in the first that needs it; a copy
// of the descriptor comes to us and is sent to the others over a socket that
// all husks inherit.
type family struct {
	members []*Restored
	sock    [2]int         // ours, and the husks'
	sockFD  int            // the number under which husks inherit it
	files   map[string]int // our copies
	// filled are the pages of shared memory that have their contents, by SharedID.
	filled map[string]map[uint64]bool
	// segments are System V shared memory, by their saved ids.
	segments map[int]*rebuiltSegment
}

// RestoreTree rebuilds processes that were saved together, each as the child of
// its parent if that is among them, and returns them in the order given. It must
// be called on the thread of a task.Tracer. When it fails nothing is left behind.
func RestoreTree(all []Saved, opt RestoreOptions) ([]*Restored, error) {
	if opt.Warn == nil {
		opt.Warn = func(string, ...any) {}
	}
	if opt.Connections == nil {
		opt.Connections = NewConnections(all, opt.Warn)
		defer opt.Connections.Close()
		if err := opt.Connections.Make(); err != nil {
			return nil, err
		}
	}
	fam := &family{sock: [2]int{-1, -1}, sockFD: 3, files: make(map[string]int),
		filled: make(map[string]map[uint64]bool), segments: make(map[int]*rebuiltSegment)}
	defer fam.close()
	for _, s := range all {
		if err := check(s.State); err != nil {
			return nil, err
		}
		o := opt
		o.Memory = s.Memory
		fam.members = append(fam.members, &Restored{State: s.State, opt: o, keep: s.Keep, fam: fam, shared: make(map[string]int),
			pipes: make(map[uint64]pipeEnds), kept: make(map[int]int), attachments: make(map[uint64]bool), pairs: make(map[uint64]int)})
	}
	for _, r := range fam.members {
		for _, fd := range r.keep {
			fam.sockFD = max(fam.sockFD, fd+1)
		}
	}
	for _, r := range fam.members {
		r.sock = fam.sockFD
	}
	err := fam.build()
	if err == nil {
		err = fam.closeSysV()
	}
	if err != nil {
		for i := len(fam.members) - 1; i >= 0; i-- {
			fam.members[i].Kill()
		}
		return nil, err
	}
	return fam.members, nil
}

func check(st *State) error {
	if len(st.Threads) == 0 {
		return fmt.Errorf("restore process %d: the image has no threads", st.PID)
	}
	if err := checkCPU(st); err != nil {
		return fmt.Errorf("restore process %d: %w", st.PID, err)
	}
	return nil
}

func (fam *family) close() {
	_ = fam.closeSysV() // of a restart that has failed
	for _, fd := range fam.files {
		unix.Close(fd)
	}
	for _, fd := range fam.sock {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// build starts all husks, parents first, then fills them.
func (fam *family) build() error {
	var err error
	if fam.sock, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("make a socket pair: %w", err)
	}
	for _, step := range []func() error{fam.makeSysV, fam.makeMQueues, fam.makePtys} {
		if err := step(); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	fam.standIn()
	if err := fam.spawn(); err != nil {
		return err
	}
	for _, r := range fam.members {
		if err := r.step("end children that had ended", r.restoreZombies); err != nil {
			return err
		}
		if err := r.step("join its session", r.joinGroup); err != nil {
			return err
		}
	}
	for _, r := range fam.members {
		if err := r.step("put its terminal's process group in the foreground", r.putInForeground); err != nil {
			return err
		}
	}
	if err := fam.dismiss(); err != nil {
		return err
	}
	for _, r := range fam.members {
		if err := r.build(); err != nil {
			return err
		}
	}
	return nil
}

// spawn starts all husks, parents first.
func (fam *family) spawn() error {
	for started := 0; started < len(fam.members); {
		before := started
		for _, r := range fam.members {
			if r.main != nil || waits(r.parent()) || r != r.leader() && waits(r.leader()) {
				continue
			}
			if err := r.step("start a husk", r.spawnHusk); err != nil {
				return err
			}
			started++
		}
		if started == before {
			return errors.New("restore: the images name each other as parents")
		}
	}
	return nil
}

// waits tells whether a process of the family has yet to be started.
func waits(r *Restored) bool { return r != nil && r.main == nil }

// parent is the rebuilt parent of r, nil if it is not one of the family.
func (r *Restored) parent() *Restored { return r.fam.byPID(r.State.PPID) }

func (fam *family) byPID(pid int) *Restored {
	for _, m := range fam.members {
		if m.State.PID == pid {
			return m
		}
	}
	return nil
}

// states are those of all processes that are rebuilt together.
func (r *Restored) states() []*State {
	var out []*State
	for _, m := range r.fam.members {
		out = append(out, m.State)
	}
	return out
}

// cloneChild makes the husk of r as a child of its parent's.
func (r *Restored) cloneChild(parent *task.Task) error {
	args := task.CloneArgs{ExitSignal: uint64(unix.SIGCHLD)}
	if r.opt.SetTIDs {
		args.SetTID = []int32{int32(r.State.PID)}
	}
	pid, err := parent.Clone3(args)
	if err != nil {
		return err
	}
	r.main = task.Attached(pid, parent)
	r.tasks = []*task.Task{r.main}
	if err := r.main.WaitAttached(10 * time.Second); err != nil {
		return err
	}
	// Sessions pass on at birth, so a leader must be one before it has children.
	return r.lead()
}

// restoreZombies makes children that have ended already.
func (r *Restored) restoreZombies() error {
	for _, z := range r.State.Zombies {
		args := task.CloneArgs{ExitSignal: uint64(unix.SIGCHLD)}
		if r.opt.SetTIDs {
			args.SetTID = []int32{int32(z.PID)}
		}
		pid, err := r.main.Clone3(args)
		if err != nil {
			return err
		}
		t := task.Attached(pid, r.main)
		if err := t.WaitAttached(10 * time.Second); err != nil {
			return err
		}
		if r.opt.DropCaps { // its status would be hidden from those without them
			if err := dropCaps(t); err != nil {
				return fmt.Errorf("child %d: %w", z.PID, err)
			}
		}
		if ws := unix.WaitStatus(z.Status); ws.Signaled() {
			// No second core dump.
			_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
			err = t.EndBy(ws.Signal())
		} else {
			err = t.ExitGroup(ws.ExitStatus())
		}
		t.Forget()
		if err != nil {
			return fmt.Errorf("end child %d: %w", z.PID, err)
		}
	}
	return nil
}

// take returns a descriptor in r of something that another process of the
// family has made, or -1 if nobody has yet.
func (r *Restored) take(id string) (int, error) {
	fd, ok := r.fam.files[id]
	if !ok || id == "" {
		return -1, nil
	}
	return r.receive(fd)
}

// receive passes a descriptor of ours to r.
func (r *Restored) receive(fd int) (int, error) {
	if err := unix.Sendmsg(r.fam.sock[0], []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return -1, fmt.Errorf("send a descriptor to process %d: %w", r.main.TID, err)
	}
	n, err := r.main.ReceiveFD(r.sock)
	if err != nil {
		return -1, fmt.Errorf("receive a descriptor: %w", err)
	}
	return r.lift(n)
}

// offer keeps a copy of a descriptor of r for the others.
func (r *Restored) offer(id string, fd int) error {
	if id == "" || len(r.fam.members) == 1 {
		return nil
	}
	pidfd, err := unix.PidfdOpen(r.main.TID, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	n, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_getfd", err)
	}
	if old, ok := r.fam.files[id]; ok {
		unix.Close(old)
	}
	r.fam.files[id] = n
	return nil
}
