package agent

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"mana/pidns"
	"mana/task"
)

// forwarded are the signals that a user or a batch system sends to the
// process it knows, which is the agent, and means for the program.
var forwarded = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGALRM}

// notifySignals takes over the forwarded signals, except those that were
// ignored when the agent began (nohup): the program inherits that.
func notifySignals() chan os.Signal {
	ch := make(chan os.Signal, 64)
	for _, s := range forwarded {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	return ch
}

// forward passes a signal on to the programs.
func (a *agent) forward(sig syscall.Signal) {
	for _, p := range a.programs {
		if !p.exited {
			unix.Kill(p.pid, sig)
		}
	}
}

// watch reports the end of a program to the agent's loop, without reaping
// it: a zombie's number cannot be taken by another process.
func (a *agent) watch(p *program) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	go func() {
		defer unix.Close(fd)
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if n, err := unix.Poll(fds, -1); n > 0 || (err != nil && err != unix.EINTR) {
				break
			}
		}
		a.exits <- p
	}()
	return nil
}

// reap collects the exit status of a program that has ended. It must not run
// while the engine waits for the same process.
func (p *program) reap() {
	var ws unix.WaitStatus
	pid, err := unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
	for err == unix.EINTR {
		pid, err = unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
	}
	if pid == p.pid {
		p.exited, p.status = true, ws
	}
	if err == unix.ECHILD {
		p.exited = true // the engine has seen its end, see endedBy
	}
}

// endedBy notes how a program ended if err says so: the engine, waiting for
// the program to stop, may be told of its end instead, and only once.
func (p *program) endedBy(err error) {
	var g *task.GoneError
	if errors.As(err, &g) && g.TID == p.pid {
		p.exited, p.status = true, g.Stop.WaitStatus()
	}
}

// ownCopy reports whether a child of ours is a snapshot, which is traced from
// its first moment to its last; a program's process is traced only while it
// stands still for one.
func ownCopy(pid int) bool {
	tracer, err := task.TracerPID(pid)
	return err == nil && tracer == os.Getpid()
}

// reapOrphans collects the descendants that were left to the agent, which is
// their subreaper, so that they do not stay behind as zombies.
func (a *agent) reapOrphans() {
	for _, pid := range children(os.Getpid()) {
		mine := slices.ContainsFunc(a.programs, func(p *program) bool { return p.pid == pid })
		if !mine && zombie(pid) && !ownCopy(pid) {
			unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
	}
}

// leave ends the agent the way its program ended.
func leave(ws unix.WaitStatus) int {
	if !ws.Signaled() {
		return ws.ExitStatus()
	}
	LeaveBy(ws.Signal())
	return 128 + int(ws.Signal())
}

// LeaveBy ends this process by a signal. The first process of a pid namespace
// cannot die so; there the one outside is told and does it.
func LeaveBy(sig syscall.Signal) {
	if pidns.Inside() {
		pidns.Died(sig)
		return
	}
	task.DieBy(sig)
}
