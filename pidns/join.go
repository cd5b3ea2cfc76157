package pidns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mana/task"
)

// stageJoin: the process has been put into a shared namespace; its argument is
// the descriptor to report on.
const stageJoin = "join"

// Join is Run in a pid namespace shared by all commands on this machine that
// name the same key: the ranks of an MPI job, which must be able to reach each
// other's memory. All of them give the same highest.
//
// A Go program has several threads, and such a process may not change its user
// namespace. So this command is started again, stopped before its first
// instruction, moved by injected system calls, and a clone of it goes on: a
// pid namespace takes effect for children only.
func Join(key string, highest int) (status int, sig syscall.Signal, err error) {
	keeper, pid, err := connect(fmt.Sprintf("mana-pidns-%d-%s", os.Getuid(), key), highest)
	if err != nil {
		return 0, 0, err
	}
	defer keeper.Close()
	var pipe [2]int
	// The write end is inherited under its number, beside the launcher's.
	if err := unix.Pipe2(pipe[:], 0); err != nil {
		return 0, 0, os.NewSyscallError("pipe2", err)
	}
	unix.CloseOnExec(pipe[0])
	r := os.NewFile(uintptr(pipe[0]), "report")
	defer r.Close()
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)
	var inner int
	tracer := task.NewTracer() // not closed: the inner process dies with its thread
	err = tracer.Do(func() (err error) {
		inner, err = spawnInside(pid, pipe[1])
		return err
	})
	unix.Close(pipe[1])
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	proc, err := os.FindProcess(inner)
	if err != nil {
		return 0, 0, err
	}
	defer forward(signals, proc)()
	text, _ := io.ReadAll(r)
	state, err := proc.Wait()
	if err != nil {
		return 0, 0, err
	}
	return verdict(string(text), state, err)
}

// spawnInside starts this command in the namespaces of process keeper.
func spawnInside(keeper, report int) (int, error) {
	env := append(os.Environ(), fmt.Sprintf("%s=%s:%d", variable, stageJoin, report))
	seed, err := task.SpawnTraced("/proc/self/exe", os.Args, env, task.Attr{DieWithParent: true})
	if err != nil {
		return 0, err
	}
	defer seed.Forget()
	inner, err := move(seed, keeper)
	_ = seed.Kill()
	return inner, errors.Join(err, seed.Reap(5*time.Second))
}

// move puts the seed, stopped at its exec, into the namespaces and lets a clone
// of it run.
func move(seed *task.Task, keeper int) (int, error) {
	regs, err := seed.Regs()
	if err != nil {
		return 0, err
	}
	mask, err := seed.SigMask()
	if err != nil {
		return 0, err
	}
	seed.SetScratch((regs.Rsp-16<<10)&^15, 8<<10) // of the fresh stack
	if err := enter(seed, keeper); err != nil {
		return 0, err
	}
	pid, err := seed.Clone(unix.CLONE_PARENT, 0, 0, 0, 0)
	if err != nil {
		return 0, err
	}
	inner := task.Attached(pid, seed)
	err = inner.WaitAttached(10 * time.Second)
	if err == nil {
		_, err = inner.Prctl(unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL))
	}
	if err == nil {
		err = inner.SetRegs(regs)
	}
	if err == nil {
		err = inner.SetSigMask(mask)
	}
	if err == nil {
		err = inner.Detach(0)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	inner.Forget()
	return pid, err
}

// enter moves the task into the keeper's namespaces, with the capabilities that
// a restart needs there, at the same place in the file system.
func enter(t *task.Task, keeper int) error {
	var fds []int
	for _, ns := range []string{"user", "pid", "mnt"} {
		fd := -1
		if !sameNamespace(ns, keeper) {
			var err error
			if fd, err = t.Openat(fmt.Sprintf("/proc/%d/ns/%s", keeper, ns), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return err
			}
		}
		fds = append(fds, fd)
	}
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		if err := t.Setns(fd); err != nil {
			return err
		}
		// New capabilities make a process undumpable, and so its memory inaccessible.
		if _, err := t.Prctl(unix.PR_SET_DUMPABLE, 1); err != nil {
			return err
		}
		if err := t.Close(fd); err != nil {
			return err
		}
	}
	if err := t.Chdir(cwd); err != nil { // setns(CLONE_NEWNS) goes to the root
		return err
	}
	return raise(t)
}

func sameNamespace(ns string, pid int) bool {
	var a, b unix.Stat_t
	return unix.Stat("/proc/self/ns/"+ns, &a) == nil && unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, ns), &b) == nil && a.Ino == b.Ino
}

// raise makes the capabilities survive an exec: only ambient ones do.
func raise(t *task.Task) error {
	header := binary.LittleEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	header = binary.LittleEndian.AppendUint32(header, 0)
	var low, high uint32
	for _, c := range wanted {
		if c < 32 {
			low |= 1 << c
		} else {
			high |= 1 << (c - 32)
		}
	}
	var data []byte
	for _, half := range []uint32{low, high} { // effective, permitted, inheritable
		for range 3 {
			data = binary.LittleEndian.AppendUint32(data, half)
		}
	}
	if err := t.Capset(header, data); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	for _, c := range wanted {
		if _, err := t.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uint64(c), 0, 0); err != nil {
			return fmt.Errorf("raise ambient capability %d: %w", c, err)
		}
	}
	return nil
}

// joined is the inner process' beginning.
func joined(arg string) {
	fd, err := strconv.Atoi(arg)
	if err != nil {
		return
	}
	reportFD = fd
	unix.CloseOnExec(fd)
	os.Unsetenv(variable)
	report("ready")
}

func stage() (name, arg string) {
	name, arg, _ = strings.Cut(os.Getenv(variable), ":")
	return name, arg
}
