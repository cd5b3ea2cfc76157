package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mana/task"
	"mana/tcp"
)

// stream tells whether the socket is of TCP.
func (s *Socket) stream() bool {
	return (s.Domain == unix.AF_INET || s.Domain == unix.AF_INET6) && s.Type == unix.SOCK_STREAM &&
		(s.Protocol == 0 || s.Protocol == unix.IPPROTO_TCP)
}

// tcp reads the state of a TCP socket that has or had a peer, and what waits to
// be read. A connection with urgent data in it cannot go on after a restart.
func (c *collector) tcp(o *openFile, fd int) error {
	if !o.Socket.stream() || o.Socket.Listen {
		return nil
	}
	st, err := tcp.StateOf(fd)
	if err != nil || !st.Connected() {
		return err
	}
	if st.Net, err = network(c.pid); err != nil {
		return err
	}
	o.Socket.TCP = &st
	data, err := tcp.Peek(fd)
	if errors.Is(err, tcp.ErrUrgent) {
		st.Failed = true
		return nil
	}
	if known := c.f.traffic[o.Inode]; known != nil {
		st.Unaccepted = known.Unaccepted
		if known.Spilled {
			data = known.Data
		}
	}
	if len(data) > 0 {
		c.files = append(c.files, captured{vma: -1, file: len(c.st.Files), data: data})
	}
	return err
}

// network names the network namespace of a process.
func network(pid int) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st); err != nil {
		return "", fmt.Errorf("look at the network namespace of process %d: %w", pid, err)
	}
	return fmt.Sprintf("%s/%d", strings.TrimSpace(string(boot)), st.Ino), nil
}

// Traffic is what goes on in the TCP connections of processes that stand still.
type Traffic struct {
	tcp.Set
	frozen []*Frozen
	inodes []uint64 // of Set.Sockets
}

// OpenTraffic finds the connections.
func OpenTraffic(all []*Frozen) (*Traffic, error) {
	t := &Traffic{frozen: all}
	t.Guard = t.guard
	seen := make(map[uint64]bool)
	for _, f := range all {
		if err := t.add(f, seen); err != nil {
			t.Close()
			return nil, fmt.Errorf("find the connections of process %d: %w", f.PID, err)
		}
	}
	return t, nil
}

// add takes a copy of each TCP socket of a process that has not been seen yet.
func (t *Traffic) add(f *Frozen, seen map[uint64]bool) error {
	net, err := network(f.PID)
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(f.PID, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	fds, err := descriptors(f.PID)
	if err != nil {
		return err
	}
	for _, fd := range fds {
		ino, ok := socketInode(f.PID, fd)
		if !ok || seen[ino] || f.opts.lowerFD(fd) {
			continue
		}
		seen[ino] = true
		dup, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			return fmt.Errorf("copy fd %d: %w", fd, err)
		}
		kept, err := t.socket(dup, net, ino, fmt.Sprintf("fd %d of process %d", fd, f.PID))
		if !kept {
			unix.Close(dup)
		}
		if err != nil {
			return fmt.Errorf("fd %d: %w", fd, err)
		}
	}
	return nil
}

func socketInode(pid, fd int) (uint64, bool) {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	s, ok := strings.CutPrefix(link, "socket:[")
	if err != nil || !ok {
		return 0, false
	}
	ino, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return ino, err == nil
}

// socket takes note of a TCP socket and tells whether it is connected.
func (t *Traffic) socket(fd int, net string, ino uint64, owner string) (bool, error) {
	s, err := socketOf(fd)
	if err != nil || !s.stream() {
		return false, err
	}
	// What is left of the program's sockets when it dies must not keep a restart from
	// its ports for the minute of TIME_WAIT: all sockets of a port have to agree (socket(7)).
	if s.Listen || s.Remote != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return false, fmt.Errorf("set SO_REUSEADDR: %w", err)
		}
	}
	if s.Listen {
		at, _ := tcp.ParseAddr(s.Local)
		t.Listeners = append(t.Listeners, tcp.Listener{Domain: s.Domain, Local: at})
		return false, nil
	}
	st, err := tcp.StateOf(fd)
	if err != nil || !st.Alive() {
		return false, err
	}
	t.Sockets = append(t.Sockets, &tcp.Socket{FD: fd, Owner: owner, End: tcp.EndOf(s.Local, s.Remote, net), State: st})
	t.inodes = append(t.inodes, ino)
	return true, nil
}

// Settle waits until nothing is in flight but what is known, and leaves what it
// has learnt to the snapshots.
func (t *Traffic) Settle() error {
	err := t.Set.Settle()
	known := make(map[uint64]*tcp.Socket)
	for i, s := range t.Sockets {
		known[t.inodes[i]] = s
	}
	for _, f := range t.frozen {
		f.traffic = known
	}
	return err
}

// guard makes the processes end with us, or not.
func (t *Traffic) guard(on bool) error {
	var errs []error
	for _, f := range t.frozen {
		errs = append(errs, f.Do(func(leader *task.Task) error {
			if on {
				return leader.DieWithTracer()
			}
			return leader.OutliveTracer()
		}))
	}
	return errors.Join(errs...)
}

// Close forgets the connections.
func (t *Traffic) Close() {
	if t == nil {
		return
	}
	for _, s := range t.Sockets {
		unix.Close(s.FD)
	}
}
