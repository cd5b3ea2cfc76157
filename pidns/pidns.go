// Package pidns runs this command again inside a new pid namespace, in which a
// restart can give processes and threads the numbers they had.
//
// Two processes take part. The outer one, which the user started, makes the
// namespaces, passes signals on and ends as the inner one ends. The inner one
// is process 1 of the new pid namespace with a /proc of its own, and goes on as
// the agent. Without privilege a user namespace comes first; it maps nothing
// but the user's own ids, onto themselves.
package pidns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mana/task"
	"mana/witness"
)

// The inner process learns from this variable what it is: a stage, and the
// Options.
const variable = "MANA_PIDNS"

// pipeFD is where the process that is 1 in its namespace reports to the outer one.
const pipeFD = 3

// reportFD is pipeFD, or where a process that joined a namespace reports.
var reportFD = pipeFD

// wanted are the capabilities that a restart takes: to mount a /proc and to
// choose process numbers.
var wanted = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_CHECKPOINT_RESTORE}

const (
	stageMount = "mount"
	stageRun   = "run"
)

// ErrUnavailable is wrapped by errors of Run that mean the namespaces cannot be
// had on this system; nothing has happened then.
var ErrUnavailable = errors.New("no pid namespace")

// String is what parseOptions reads.
func (o Options) String() string { return fmt.Sprintf("%d,%t", o.Highest, o.IPC) }

func parseOptions(s string) (o Options, err error) {
	highest, ipc, _ := strings.Cut(s, ",")
	if o.Highest, err = strconv.Atoi(highest); err == nil {
		o.IPC, err = strconv.ParseBool(ipc)
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", variable, err)
	}
	return o, nil
}

// Inside tells whether this process is the inner one.
func Inside() bool { return inside }

var inside = os.Getpid() == 1 && strings.HasPrefix(os.Getenv(variable), stageRun) ||
	strings.HasPrefix(os.Getenv(variable), stageJoin)

// OwnIPC tells whether it has an ipc namespace for itself and its programs.
func OwnIPC() bool { return ownIPC }

var ownIPC bool

// Options say what the namespaces are to be like.
type Options struct {
	Highest int  // process numbers up to it are kept free
	IPC     bool // there is an ipc namespace too
}

// Run starts this command again in the namespaces and returns when that has
// ended: with the status to exit with and, if a signal ended the program, that
// signal.
func Run(o Options) (status int, sig syscall.Signal, err error) {
	// PDEATHSIG follows the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	cmd := command(stageMount, o, w)
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer forward(signals, cmd.Process)()
	report, _ := io.ReadAll(r) // ends when the inner process does
	err = cmd.Wait()
	return verdict(string(report), cmd.ProcessState, err)
}

// command is this command, to be run in the new namespaces.
func command(stage string, o Options, w *os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%s", variable, stage, o))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if o.IPC {
		attr.Cloneflags |= unix.CLONE_NEWIPC
	}
	if !capable(unix.CAP_SYS_ADMIN) || !ownsPIDs() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		// An exec by a user other than 0 keeps only ambient capabilities.
		attr.AmbientCaps = wanted
	}
	cmd.SysProcAttr = attr
	return cmd
}

func forwarded() []os.Signal {
	var out []os.Signal
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGALRM} {
		if !signal.Ignored(s) {
			out = append(out, s)
		}
	}
	return out
}

// forward begins to pass on what is sent to this process alone, and returns what
// ends that. What is sent to the process group or to all processes of a job the
// inner process gets itself.
func forward(signals <-chan os.Signal, to *os.Process) (stop func()) {
	others, lone := witness.New(task.NewTracer()), make(chan syscall.Signal)
	if err := others.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "%v; what is sent to all processes of the job will reach the program twice\n", err)
	}
	go others.Sort(signals, lone)
	go func() {
		for sig := range lone {
			_ = to.Signal(sig)
		}
	}()
	return others.Stop
}

// verdict reads the inner process' lines: "ready", "failed <why>", "signal <n>".
func verdict(report string, state *os.ProcessState, err error) (int, syscall.Signal, error) {
	ready := false
	var sig syscall.Signal
	for line := range strings.Lines(report) {
		word, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "ready":
			ready = true
		case "failed":
			return 0, 0, fmt.Errorf("%w: %s", ErrUnavailable, arg)
		case "signal":
			n, _ := strconv.Atoi(arg)
			sig = syscall.Signal(n)
		}
	}
	if !ready {
		return 0, 0, fmt.Errorf("%w: %w", ErrUnavailable, errors.Join(err, errors.New("the process in it did not come up")))
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		sig = ws.Signal()
	}
	return state.ExitCode(), sig, nil
}
