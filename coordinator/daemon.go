package coordinator

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mana/cli"
	"mana/wire"
)

// reportEnv marks the background half of a coordinator, which reports on
// reportFD when it is ready.
const (
	reportEnv = "MANA_DAEMON_STAGE"
	reportFD  = 3
)

// report is the background half's line to the process that started it.
type report struct{ f *os.File }

func openReport() *report {
	if os.Getenv(reportEnv) != stageServe {
		return nil
	}
	os.Unsetenv(reportEnv)
	unix.CloseOnExec(reportFD)
	return &report{os.NewFile(reportFD, "report")}
}

// ready tells the port, after which the starter goes on: by now everything
// that scripts read must be in place.
func (r *report) ready(port int) {
	fmt.Fprintf(r.f, "ready %d\n", port)
	r.f.Close()
}

func (r *report) fail(err error) {
	if r != nil {
		kind := "failed"
		if errors.Is(err, syscall.EADDRINUSE) {
			kind = "busy"
		}
		fmt.Fprintf(r.f, "%s %s\n", kind, strings.ReplaceAll(err.Error(), "\n", " "))
		r.f.Close()
	}
}

// ErrBusy says that somebody else listens on the port.
var ErrBusy = errors.New("the port is in use")

// Spawn starts a coordinator in the background with the given options of
// dmtcp_coordinator and returns its port when it is ready for clients.
func Spawn(args ...string) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("start coordinator: %w", err)
	}
	defer r.Close()
	cmd := background(w, stageFork, args)
	err = cmd.Run()
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("start coordinator: %w", err)
	}
	return readReport(bufio.NewReader(r))
}

// The background half is started in two stages, of which the first ends at
// once, so that it is no child of an agent, which takes its children for
// processes of its program.
const (
	stageFork  = "fork"
	stageServe = "serve"
)

func background(report *os.File, stage string, args []string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "dmtcp_coordinator"
	cmd.ExtraFiles = []*os.File{report}
	cmd.Env = append(os.Environ(), reportEnv+"="+stage)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// leaveBehind is the first stage.
func leaveBehind(name string, args []string) int {
	w := os.NewFile(reportFD, "report")
	// Whatever the starter's shell left open must not stay open as long as the
	// coordinator lives: somebody may wait for its end.
	unix.CloseRange(reportFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err := background(w, stageServe, args).Start(); err != nil {
		return cli.Die(name, cli.FailRC(), err)
	}
	return 0
}

func readReport(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the coordinator ended before it was ready: %w", err)
	}
	kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch kind {
	case "ready":
		return strconv.Atoi(rest)
	case "busy":
		return 0, fmt.Errorf("%w: %s", ErrBusy, rest)
	}
	return 0, errors.New(rest)
}

// daemonize starts the background half of --daemon.
func daemonize(o *options, port int) (int, error) {
	if o.Quiet == 0 {
		fmt.Fprintf(os.Stderr, "dmtcp_coordinator starting...\n    Host: %s\n    Port: %d\nBackgrounding...\n", hostLine(), port)
	}
	return Spawn(o.args(port)...)
}

// args writes the options out again for the background half.
func (o *options) args(port int) []string {
	args := []string{"--port", strconv.Itoa(port), "--interval", o.Interval,
		"--timeout", strconv.Itoa(o.Timeout), "--stale-timeout", strconv.Itoa(o.StaleTimeout), "--restart-wait", strconv.Itoa(o.RestartWait),
		"--keep", strconv.Itoa(o.Keep)}
	for _, s := range [][2]string{{"--port-file", o.PortFile}, {"--status-file", o.StatusFile}, {"--ckptdir", o.Ckptdir},
		{"--coord-logfile", o.CoordLogfile}, {"--listen", o.Listen}, {"--mtbf", o.MTBF}} {
		if s[1] != "" {
			args = append(args, s[0], s[1])
		}
	}
	for _, b := range []struct {
		name string
		on   bool
	}{{"--exit-on-last", o.ExitOnLast}, {"--kill-after-ckpt", o.KillAfter}, {"--write-kv-data", o.WriteKvData}} {
		if b.on {
			args = append(args, b.name)
		}
	}
	for range o.Quiet {
		args = append(args, "-q")
	}
	return args
}

// manaMain is mana_coordinator: always in the background, found by the other
// mana_* tools through the information file.
func manaMain(name string, o *options) int {
	rc, err := cli.RCFile()
	if err != nil {
		return cli.Die(name, 3, err)
	}
	port, given, err := o.port()
	if err == nil {
		err = o.times()
	}
	if err != nil {
		return cli.Die(name, 3, err)
	}
	o.StatusFile, o.ExitOnLast = rc, true
	if !o.Verbose {
		o.Quiet = 3
	}
	_, err = Spawn(o.args(port)...)
	if errors.Is(err, ErrBusy) && !given {
		// Two jobs may share a node; the information file tells which is whose.
		_, err = Spawn(o.args(0)...)
	}
	if err != nil {
		return cli.Die(name, 3, fmt.Errorf("the coordinator on %s did not start: %w", wire.LocalName(), err))
	}
	dropOldRC(rc)
	fmt.Printf("*** Coordinator/job information written to %s\n", rc)
	return 0
}

// dropOldRC removes the information files of Slurm jobs that have long ended.
func dropOldRC(rc string) {
	const week = 7 * 24 * time.Hour
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(rc), ".mana-slurm-*.rc"))
	for _, path := range old {
		if st, err := os.Stat(path); err == nil && path != rc && time.Since(st.ModTime()) > week {
			os.Remove(path)
		}
	}
}
