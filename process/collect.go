package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
)

// collector fills a State in two parts: what changes as soon as the program runs
// on is read while it is stopped, the rest from the snapshot.
type collector struct {
	f         *Frozen
	pid       int
	st        *State
	files     []captured // contents of files, by index in st.Files
	keptFiles uint64     // bytes in files with a name
	// segments are contents of shared memory that no process has attached.
	segments []captured
}

// captured is data that was copied while the program was stopped.
type captured struct {
	vma     int // index in State.VMAs, or -1
	file    int // index in State.Files, or -1
	segment int // index in State.SysV.Segments, if neither
	addr    uint64
	data    []byte
}

// stopped reads everything that must be read now.
func (c *collector) stopped() error {
	for _, step := range []func() error{c.identity, c.relations, c.zombies, c.memoryMap, c.threads, c.signals, c.dying, c.timers, c.descriptors} {
		if err := step(); err != nil {
			return fmt.Errorf("collect the state of process %d: %w", c.pid, err)
		}
	}
	return nil
}

func (c *collector) leader() *task.Task { return c.f.threads[0].Task }

// identity: who the process is and where it runs.
func (c *collector) identity() error {
	st := c.st
	st.PID = c.pid
	link := func(name string) (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/%s", c.pid, name)) }
	exe, err := link("exe")
	if err != nil {
		return err
	}
	st.Exe.Path = strings.TrimSuffix(exe, " (deleted)")
	st.Exe.Deleted = st.Exe.Path != exe
	if st.Cwd, err = link("cwd"); err != nil {
		return err
	}
	if st.Root, err = link("root"); err != nil {
		return err
	}
	cmd, err := readProc(c.pid, "cmdline")
	if err != nil {
		return err
	}
	st.Argv = strings.Split(strings.TrimSuffix(string(cmd), "\x00"), "\x00")
	if b, err := readProc(c.pid, "personality"); err == nil {
		p, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 16, 32)
		st.Personality = uint32(p)
	}
	var u unix.Utsname
	unix.Uname(&u)
	st.Kernel = unix.ByteSliceToString(u.Release[:])
	st.Hostname = unix.ByteSliceToString(u.Nodename[:])
	if st.CPUFeatures, err = readCPUFeatures(); err != nil {
		return err
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	st.BootID = strings.TrimSpace(string(boot))
	st.TakenAt = time.Now().UnixNano()
	var mono unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
	st.Monotonic = mono.Nano()
	return nil
}

// relations: what the process inherits or has been given.
func (c *collector) relations() error {
	st := c.st
	f, err := status(c.pid, "")
	if err != nil {
		return err
	}
	mask, _ := strconv.ParseUint(f["Umask"], 8, 32)
	st.Umask = uint32(mask)
	st.NoNewPrivs = f["NoNewPrivs"] == "1"
	st.Seccomp = number(f["Seccomp_filters"])
	if b, err := readProc(c.pid, "oom_score_adj"); err == nil {
		st.OOMScoreAdj = number(strings.TrimSpace(string(b)))
	}
	if s := c.f.threads[0].stop; s.Kind == task.StopGroup {
		st.StopSignal = int(s.Signal)
	}
	for r := 0; r < rlimits; r++ {
		var l unix.Rlimit
		if err := unix.Prlimit(c.pid, r, nil, &l); err != nil {
			return fmt.Errorf("read resource limit %d: %w", r, err)
		}
		st.Rlimits = append(st.Rlimits, Rlimit{l.Cur, l.Max})
	}
	sub, err := c.leader().PrctlOut(unix.PR_GET_CHILD_SUBREAPER, 8)
	if err != nil {
		return err
	}
	st.Subreaper = sub[0] != 0
	death, err := c.leader().PrctlOut(unix.PR_GET_PDEATHSIG, 8)
	if err != nil {
		return err
	}
	st.ParentDeath = int(death[0])
	if m, err := c.leader().Membarrier(task.MembarrierGet); err == nil {
		st.Membarrier = m
	}
	return nil
}

const rlimits = 16 // RLIM_NLIMITS

// threads reads every thread of the program.
func (c *collector) threads() error {
	slack, err := c.leader().Prctl(unix.PR_GET_TIMERSLACK)
	if err != nil {
		return err
	}
	for _, t := range c.f.threads {
		if t.lower {
			continue
		}
		x, err := c.thread(t)
		if err != nil {
			return fmt.Errorf("thread %d: %w", t.TID, err)
		}
		x.TimerSlack = slack
		c.st.Threads = append(c.st.Threads, *x)
	}
	c.st.Comm = c.st.Threads[0].Comm
	return nil
}

func (c *collector) thread(t *thread) (*Thread, error) {
	x := &Thread{TID: t.TID}
	comm, err := readProc(c.pid, fmt.Sprintf("task/%d/comm", t.TID))
	if err != nil {
		return nil, err
	}
	x.Comm = strings.TrimSuffix(string(comm), "\n")
	if x.Regs, err = t.Regs(); err != nil {
		return nil, err
	}
	x.Regs = t.TrueCall(x.Regs)
	if x.XState, err = t.XState(); err != nil {
		return nil, err
	}
	if x.SigMask, err = t.SigMask(); err != nil {
		return nil, err
	}
	if x.RSeq, err = t.RSeq(); err != nil {
		return nil, err
	}
	if x.RobustHead, x.RobustLen, err = t.RobustList(); err != nil {
		return nil, err
	}
	if x.ClearChildTID, err = t.TIDAddress(); err != nil {
		return nil, err
	}
	if err := c.altStack(t, x); err != nil {
		return nil, err
	}
	pending, err := t.Pending(false)
	if err != nil {
		return nil, err
	}
	x.Pending = infos(pending)
	return x, c.scheduling(t.TID, x)
}

func (c *collector) altStack(t *thread, x *Thread) error {
	b, err := t.SigAltStack(nil)
	if err != nil {
		return err
	}
	x.AltStack = AltStack{SP: le64(b), Flags: uint32(le64(b[8:])), Size: le64(b[16:])}
	return nil
}

func (c *collector) scheduling(tid int, x *Thread) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(tid, &set); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	for _, w := range set {
		for i := 0; i < 64; i += 8 {
			x.Affinity = append(x.Affinity, byte(w>>i))
		}
	}
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return fmt.Errorf("read scheduling attributes: %w", err)
	}
	x.Policy, x.Priority, x.Nice = int(attr.Policy), int(attr.Priority), int(attr.Nice)
	return nil
}

func infos(in []task.SigInfo) []SigInfo {
	out := make([]SigInfo, len(in))
	for i := range in {
		out[i] = slices.Clone(in[i][:])
	}
	return out
}
