package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary serve as the tools, under their names, and
// as the program that they checkpoint.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	switch {
	case name == "counter":
		os.Exit(counter(os.Args[1:]))
	case strings.HasPrefix(name, "dmtcp_") || strings.HasPrefix(name, "mana_"):
		main()
	}
	os.Exit(m.Run())
}

// counter appends a line with its pid to a file every 20 ms, n times, and
// exits with status 7.
func counter(args []string) int {
	n, _ := strconv.Atoi(args[1])
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 1
	}
	for i := range n {
		fmt.Fprintf(f, "%d %d\n", i, os.Getpid())
		time.Sleep(20 * time.Millisecond)
	}
	return 7
}

// place is a directory with the tools, a home and a working directory, and
// the unprivileged user to run as.
type place struct {
	t         *testing.T
	bin, work string
	env       []string
	cred      *syscall.Credential
}

func newPlace(t *testing.T) *place {
	t.Helper()
	root, err := os.MkdirTemp("", "mana-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	p := &place{t: t, bin: filepath.Join(root, "bin"), work: filepath.Join(root, "work")}
	home := filepath.Join(root, "home")
	p.check(os.Chmod(root, 0o755))
	for _, d := range []string{p.bin, p.work, home} {
		p.check(os.Mkdir(d, 0o755))
	}
	exe, err := os.ReadFile("/proc/self/exe")
	p.check(err)
	p.check(os.WriteFile(filepath.Join(p.bin, "mana"), exe, 0o755))
	p.check(os.WriteFile(filepath.Join(p.bin, "counter"), exe, 0o755))
	for _, n := range []string{"dmtcp_coordinator", "dmtcp_launch", "dmtcp_restart", "dmtcp_command", "dmtcp_nocheckpoint",
		"mana_coordinator", "mana_start_coordinator", "mana_launch", "mana_restart", "mana_status"} {
		p.check(os.Symlink("mana", filepath.Join(p.bin, n)))
	}
	if os.Geteuid() == 0 {
		p.cred = &syscall.Credential{Uid: 65533, Gid: 65533}
		p.check(os.Chown(p.work, 65533, 65533))
		p.check(os.Chown(home, 65533, 65533))
	}
	p.env = []string{"HOME=" + home, "PATH=" + p.bin + ":" + os.Getenv("PATH"), "MANA_LISTEN=127.0.0.1", "TMPDIR=" + home,
		"MANA_CI_RUN=" + os.Getenv("MANA_CI_RUN")}
	return p
}

func (p *place) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// output is what a tool has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is a tool that was started.
type proc struct {
	*exec.Cmd
	out, err output
	done     chan struct{}
}

func (p *place) command(env []string, name string, args ...string) *proc {
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join(p.bin, name)
	}
	c := &proc{Cmd: exec.Command(path, args...), done: make(chan struct{})}
	c.Args[0] = name
	c.Dir, c.Env = p.work, append(slices.Clone(p.env), env...)
	c.Stdout, c.Stderr = &c.out, &c.err
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setpgid: true}
	c.WaitDelay = 5 * time.Second
	return c
}

// start runs a tool in the background; the test's end kills it.
func (p *place) start(env []string, name string, args ...string) *proc {
	p.t.Helper()
	c := p.command(env, name, args...)
	p.check(c.Start())
	go func() { c.Wait(); close(c.done) }()
	p.t.Cleanup(func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL); <-c.done })
	return c
}

// wait returns the exit status, negative for the signal that killed it.
func (c *proc) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%v does not end\nstdout: %s\nstderr: %s", c.Args, c.out.String(), c.err.String())
	}
	ws := c.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return -int(ws.Signal())
	}
	return ws.ExitStatus()
}

// run runs a tool to its end.
func (p *place) run(name string, args ...string) (rc int, out, errOut string) {
	p.t.Helper()
	c := p.start(nil, name, args...)
	rc = c.wait(p.t)
	return rc, c.out.String(), c.err.String()
}

// until polls a condition that other processes bring about.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("timed out waiting until %s", what)
}

// port waits for the port file and for n running processes behind it.
func (p *place) port(file string, n int) string {
	p.t.Helper()
	var port string
	until(p.t, fmt.Sprintf("%d processes run", n), func() bool {
		b, err := os.ReadFile(filepath.Join(p.work, file))
		if err != nil || len(b) == 0 {
			return false
		}
		port = string(b)
		_, out, _ := p.run("dmtcp_command", "-p", port, "-s")
		return strings.Contains(out, fmt.Sprintf("NUM_PEERS=%d\n  RUNNING=yes\n", n))
	})
	return port
}

func (p *place) lines(file string) []string {
	b, _ := os.ReadFile(filepath.Join(p.work, file))
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// counted checks that file holds what an uninterrupted counter writes.
func (p *place) counted(file string, n int) {
	p.t.Helper()
	lines := p.lines(file)
	if len(lines) != n {
		p.t.Errorf("%s has %d lines, want %d", file, len(lines), n)
	}
	_, pid, _ := strings.Cut(lines[0], " ")
	for i, l := range lines {
		if l != fmt.Sprintf("%d %s", i, pid) {
			p.t.Fatalf("line %d of %s is %q, and the first %q", i, file, l, lines[0])
		}
	}
}

func (p *place) images() []string {
	found, err := filepath.Glob(filepath.Join(p.work, "ckpt_*.dmtcp"))
	p.check(err)
	return found
}

func (p *place) mustRun(name string, args ...string) string {
	p.t.Helper()
	rc, out, errOut := p.run(name, args...)
	if rc != 0 {
		p.t.Fatalf("%s %v: rc %d, stderr %q", name, args, rc, errOut)
	}
	return out
}

// freePort is one on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
