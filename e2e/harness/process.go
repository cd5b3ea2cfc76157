package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a started command whose output is collected line by line.
type Process struct {
	Name string
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer // stdout
	err  bytes.Buffer // stderr
	news chan struct{}
	done chan struct{}
	werr error
}

// sink is one of the two streams of a Process.
type sink struct {
	p   *Process
	buf *bytes.Buffer
}

func (s sink) Write(b []byte) (int, error) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	select {
	case s.p.news <- struct{}{}:
	default:
	}
	return s.buf.Write(b)
}

// Environ is what every command of the tests gets.
func (e *Env) Environ(home string, extra ...string) []string {
	env := []string{
		"PATH=" + e.Bin + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"HOME=" + home, "TMPDIR=" + home, "USER=" + Account(), "LANG=C.UTF-8",
		"MANAE2E_MARK=kept", // programs check that it survives
	}
	return append(append(env, mpiEnv...), extra...)
}

// Start runs a command as the account, in dir, in a process group of its own.
func (e *Env) Start(dir string, extraEnv []string, args ...string) (*Process, error) {
	p := &Process{Name: strings.Join(args, " "), news: make(chan struct{}, 1), done: make(chan struct{})}
	path, err := e.lookPath(args[0])
	if err != nil {
		return nil, err
	}
	p.cmd = &exec.Cmd{Path: path, Args: args, Dir: dir, Env: e.Environ(dir, extraEnv...)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: e.cred, Setpgid: true}
	p.cmd.Stdout = sink{p, &p.out}
	p.cmd.Stderr = sink{p, &p.err}
	// A background process that keeps our pipes must not keep Wait from returning.
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	own(p.Pid())
	go func() {
		p.werr = p.cmd.Wait()
		disown(p.Pid())
		close(p.done)
	}()
	return p, nil
}

func (e *Env) lookPath(name string) (string, error) {
	for _, dir := range []string{e.Bin} {
		path := dir + "/" + name
		if _, err := os.Stat(path); err == nil && dir != "" {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// Run is Start and Wait.
func (e *Env) Run(dir string, extraEnv []string, args ...string) (*Process, error) {
	p, err := e.Start(dir, extraEnv, args...)
	if err != nil {
		return nil, err
	}
	return p, p.Wait(Patience)
}

// Pid of the started command.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stdout is what the command has written so far.
func (p *Process) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Stderr is what the command has complained so far.
func (p *Process) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

// Kill ends the command itself, not what it started, and waits for that.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// Ended says whether the command is over.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ExitCode is valid once the command has ended; -1 means a signal.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// ErrHang marks a wait that ran out; the state of all processes is in its text.
type ErrHang struct{ What, State string }

func (e *ErrHang) Error() string { return e.What + "\n" + e.State }

// Wait waits for the end of the command and returns its failure, if any, with what it wrote.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case <-p.done:
	case <-time.After(limit):
		return &ErrHang{fmt.Sprintf("%s: still running after %v%s", p.Name, limit, p.tail()), State()}
	}
	if p.werr != nil && p.werr != io.ErrClosedPipe && p.werr != exec.ErrWaitDelay && p.werr != context.Canceled {
		return fmt.Errorf("%s: %w%s", p.Name, p.werr, p.tail())
	}
	return nil
}

// tail is the end of both streams, for error messages.
func (p *Process) tail() string {
	cut := func(s string) string {
		if len(s) > 3000 {
			return "..." + s[len(s)-3000:]
		}
		return s
	}
	return fmt.Sprintf("\n--- stdout:\n%s\n--- stderr:\n%s\n---", cut(p.Stdout()), cut(p.Stderr()))
}

// WaitOutput waits until enough says that stdout has what it looks for.
func (p *Process) WaitOutput(what string, enough func(stdout string) bool) error {
	limit := time.After(Patience)
	for {
		ended := p.Ended() // read before the output, which is complete by then
		if enough(p.Stdout()) {
			return nil
		}
		if ended {
			return fmt.Errorf("%s: ended before %s: %v%s", p.Name, what, p.werr, p.tail())
		}
		select {
		case <-p.news:
		case <-p.done:
		case <-time.After(100 * time.Millisecond):
		case <-limit:
			return &ErrHang{fmt.Sprintf("%s: no %s within %v%s", p.Name, what, Patience, p.tail()), State()}
		}
	}
}

var (
	stepLine   = regexp.MustCompile(`(?m)^step (\d+)$`)
	readyLine  = regexp.MustCompile(`(?m)^READY \d+$`)
	resultLine = regexp.MustCompile(`(?m)^RESULT .*$`)
)

// Result is the one line that tells how a program's computation ended.
func Result(stdout string) string { return resultLine.FindString(stdout) }

// Steps are the numbers on the "step" lines of an output.
func Steps(stdout string) []int {
	var steps []int
	for _, m := range stepLine.FindAllStringSubmatch(stdout, -1) {
		n := 0
		fmt.Sscan(m[1], &n)
		steps = append(steps, n)
	}
	return steps
}

// LastStep is the highest step seen, or -1.
func (p *Process) LastStep() int {
	last := -1
	for _, n := range Steps(p.Stdout()) {
		last = max(last, n)
	}
	return last
}

// WaitSteps waits for n "step" lines: the program runs.
func (p *Process) WaitSteps(n int) error {
	return p.WaitOutput(fmt.Sprintf("%d steps", n), func(s string) bool { return len(stepLine.FindAllString(s, n)) >= n })
}

// WaitReady waits until n ranks are in the state that the test wants.
func (p *Process) WaitReady(n int) error {
	return p.WaitOutput(fmt.Sprintf("%d READY lines", n), func(s string) bool { return len(readyLine.FindAllString(s, n)) >= n })
}
