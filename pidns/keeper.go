package pidns

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A keeper is process 1 of a pid namespace that several commands share. Each
// holds a connection to it; with the last of them it ends, and so does the
// namespace.

const (
	stageKeep  = "keep"  // sets up the namespaces
	stageServe = "serve" // then waits for connections
)

// listenFD is where a keeper inherits its socket, bound and not yet listening.
const listenFD = 4

// lonely is how long a keeper waits for its first connection.
const lonely = 30 * time.Second

// joinTimeout bounds the search for a keeper that another command is starting.
const joinTimeout = 30 * time.Second

// connect finds the keeper of this name, or starts it. The connection is to be
// kept open for as long as the namespace is used.
func connect(name string, highest int) (*net.UnixConn, int, error) {
	addr := &net.UnixAddr{Name: "@" + name, Net: "unixpacket"}
	deadline := time.Now().Add(joinTimeout)
	for {
		err := startKeeper(addr.Name, highest)
		if err != nil && !errors.Is(err, unix.EADDRINUSE) {
			return nil, 0, err
		}
		if c, err := net.DialUnix(addr.Net, nil, addr); err == nil {
			if pid, err := welcome(c); err == nil {
				return c, pid, nil
			}
			c.Close() // it was about to end
		}
		if time.Now().After(deadline) {
			return nil, 0, fmt.Errorf("%w: the keeper of the shared one does not answer", ErrUnavailable)
		}
		time.Sleep(5 * time.Millisecond) // another command is starting it
	}
}

// welcome reads the keeper's greeting and returns its number.
func welcome(c *net.UnixConn) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(joinTimeout)); err != nil {
		return 0, err
	}
	b := make([]byte, 16)
	if _, err := c.Read(b); err != nil {
		return 0, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return 0, e
	}
	if err != nil {
		return 0, err
	}
	if int(cred.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("the keeper belongs to user %d", cred.Uid)
	}
	return int(cred.Pid), nil
}

// startKeeper starts the keeper unless it is there: EADDRINUSE.
func startKeeper(name string, highest int) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), name)
	defer socket.Close()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := command(stageKeep, Options{Highest: highest}, w)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, nil, nil
	cmd.ExtraFiles = append(cmd.ExtraFiles, socket)
	cmd.SysProcAttr.Pdeathsig = 0 // the others may outlive this command
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	line := make([]byte, 512)
	n, err := r.Read(line)
	if why, failed := strings.CutPrefix(string(line[:n]), "failed "); failed || err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, errors.Join(cmd.Wait(), errors.New(strings.TrimSpace(why))))
	}
	go reapKeeper(cmd)
	return nil
}

func reapKeeper(cmd *exec.Cmd) { _ = cmd.Wait() }

// serve is the keeper's life.
func serve() error {
	// The launcher's descriptors of the command that started it are not for the keeper.
	if err := unix.CloseRange(listenFD+1, ^uint(0), 0); err != nil {
		return os.NewSyscallError("close_range", err)
	}
	if err := unix.Listen(listenFD, unix.SOMAXCONN); err != nil {
		return os.NewSyscallError("listen", err)
	}
	l, err := net.FileListener(os.NewFile(listenFD, "keeper"))
	if err != nil {
		return err
	}
	go reapAll()
	report("ready")
	unix.Close(pipeFD)
	var users sync.WaitGroup
	first := make(chan struct{})
	users.Add(1)
	go func() {
		select {
		case <-first:
		case <-time.After(lonely):
		}
		users.Done()
		users.Wait()
		os.Exit(0)
	}()
	for n := 0; ; n++ {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		users.Add(1)
		if n == 0 {
			close(first)
		}
		go func() {
			defer users.Done()
			defer c.Close()
			if _, err := c.Write([]byte("ready")); err == nil {
				_, _ = c.Read(make([]byte, 1)) // until the other side closes it
			}
		}()
	}
}

// reapAll collects the processes that the namespace's others left behind.
func reapAll() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGCHLD)
	for range ch {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

// keep is both stages of a keeper; it does not return.
func keep(stage, arg string) {
	var err error
	if stage == stageKeep {
		var o Options
		if o, err = parseOptions(arg); err == nil {
			err = setUp(o)
		}
		if err == nil {
			os.Setenv(variable, stageServe+":")
			err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
		}
	} else {
		unix.CloseOnExec(pipeFD)
		err = serve()
	}
	report("failed " + strings.ReplaceAll(err.Error(), "\n", " "))
	os.Exit(1)
}
