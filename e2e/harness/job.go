package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Spec says what a job runs.
type Spec struct {
	MPI     MPI      // "" for a program without MPI
	Ranks   int      // with MPI
	Command []string // the program and its arguments
	Env     []string // in addition to the harness's
	Flags   []string // for the launcher of the product
	Input   []string // files to copy into the job's directory
}

// GateArg in a Command stands for the job's gate file.
const GateArg = "{gate}"

// Job is a computation under a coordinator of its own.
type Job struct {
	Spec
	Dir   string // home, working directory and TMPDIR of the job
	Ckpt  string // checkpoint directory
	Port  int
	Coord *Process
	Run   *Process // the launch, or the latest restart

	RestartFlags []string

	env *Env
	shm []string // what was in /dev/shm before
}

// NewJob makes the directories of a job and starts its coordinator.
func (e *Env) NewJob(spec Spec) (*Job, error) {
	j, err := e.newJob(spec)
	if err != nil {
		return nil, err
	}
	return j, j.StartCoordinator()
}

// NewNative starts a program without the product.
func (e *Env) NewNative(spec Spec) (*Job, error) {
	j, err := e.newJob(spec)
	if err != nil {
		return nil, err
	}
	return j, j.Begin()
}

// NewNativeIdle makes the directories for a program that Begin starts without the product.
func (e *Env) NewNativeIdle(spec Spec) (*Job, error) { return e.newJob(spec) }

// Begin starts the program without the product.
func (j *Job) Begin() error { return j.Start(j.wrap(j.Command)) }

func (e *Env) newJob(spec Spec) (*Job, error) {
	dir, err := e.Mkdir("j")
	if err != nil {
		return nil, err
	}
	j := &Job{Spec: spec, Dir: dir, Ckpt: filepath.Join(dir, "ckpt"), env: e, shm: sharedMemory(e.Uid())}
	for i, arg := range j.Command {
		if arg == GateArg {
			j.Command[i] = j.Gate()
		}
	}
	j.Env = append([]string{"MANAE2E_HURRY=" + j.hurry()}, j.Env...)
	if err := j.MakeCkpt(); err != nil {
		return nil, err
	}
	for _, file := range spec.Input {
		if err := e.copyTo(dir, file); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// MakeCkpt makes the checkpoint directory.
func (j *Job) MakeCkpt() error {
	if err := os.Mkdir(j.Ckpt, 0o755); err != nil {
		return err
	}
	return j.env.own(j.Ckpt)
}

// StartCoordinator starts a fresh coordinator on a random loopback port, in place of the last one.
func (j *Job) StartCoordinator(flags ...string) error {
	file := filepath.Join(j.Dir, "port")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	args := append([]string{"dmtcp_coordinator", "--listen", "127.0.0.1", "--coord-port", "0", "--port-file", file, "--quiet"}, flags...)
	p, err := j.env.Start(j.Dir, j.Env, args...)
	if err != nil {
		return err
	}
	j.Coord = p
	for limit := time.Now().Add(Patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(file)
		if port, perr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && perr == nil {
			j.Port = port
			return nil
		}
		if p.Ended() {
			return fmt.Errorf("coordinator ended: %v%s", p.werr, p.tail())
		}
		if time.Now().After(limit) {
			return &ErrHang{"coordinator wrote no port file" + p.tail(), State()}
		}
	}
}

// StopCoordinator ends the coordinator by its own command.
func (j *Job) StopCoordinator() error {
	if j.Coord == nil || j.Coord.Ended() {
		return nil
	}
	if p, err := j.Ask("--quit"); err != nil {
		return fmt.Errorf("quit: %w (%v)", err, p)
	}
	return j.Coord.Wait(Patience)
}

// Coordinates are the options that lead a tool to the coordinator.
func (j *Job) Coordinates() []string {
	return []string{"--coord-host", "127.0.0.1", "--coord-port", strconv.Itoa(j.Port)}
}

// LaunchArgs is the whole command line of the launch.
func (j *Job) LaunchArgs() []string {
	tool := "dmtcp_launch"
	if j.MPI != "" {
		tool = "mana_launch"
	}
	args := append([]string{tool}, j.Coordinates()...)
	args = append(append(args, "--ckptdir", j.Ckpt), j.Flags...)
	return j.wrap(append(args, j.Command...))
}

// RestartArgs is the whole command line of a restart from the last generation.
func (j *Job) RestartArgs() ([]string, error) {
	if j.MPI != "" {
		return j.wrap(append(j.restarter("mana_restart"), "--restartdir", j.Ckpt)), nil
	}
	images, err := filepath.Glob(filepath.Join(j.Ckpt, "ckpt_*.dmtcp"))
	if err != nil || len(images) == 0 {
		return nil, fmt.Errorf("no images in %s", j.Ckpt)
	}
	return append(j.restarter("dmtcp_restart"), images...), nil
}

// From is the whole command line of a restart from a generation in the checkpoint directory.
func (j *Job) From(generation string) []string {
	tool := "dmtcp_restart"
	if j.MPI != "" {
		tool = "mana_restart"
	}
	return j.wrap(append(j.restarter(tool), "--restartdir", j.Ckpt, "--from", generation))
}

func (j *Job) restarter(tool string) []string {
	return append(append([]string{tool}, j.Coordinates()...), j.RestartFlags...)
}

func (j *Job) wrap(args []string) []string {
	if j.MPI == "" {
		return args
	}
	return j.MPI.Mpirun(j.Ranks, args...)
}

// Launch starts the program under the product.
func (j *Job) Launch() error { return j.Start(j.LaunchArgs()) }

// Restart brings the computation back from its last generation.
func (j *Job) Restart() error {
	args, err := j.RestartArgs()
	if err != nil {
		return err
	}
	return j.Start(args)
}

// Start runs a whole command line as the job.
func (j *Job) Start(args []string) error {
	p, err := j.env.Start(j.Dir, j.Env, args...)
	if err != nil {
		return err
	}
	j.Run = p
	return nil
}

// Ask runs dmtcp_command with the given arguments.
func (j *Job) Ask(command ...string) (*Process, error) {
	return j.env.Run(j.Dir, j.Env, append(append([]string{"dmtcp_command"}, j.Coordinates()...), command...)...)
}

// Checkpoint asks for a checkpoint and returns when the generation is committed.
func (j *Job) Checkpoint() error {
	if j.Run.Ended() {
		return fmt.Errorf("the program ended before its checkpoint: %v%s", j.Run.werr, j.Run.tail())
	}
	p, err := j.BeginCheckpoint()
	if err == nil {
		err = p.Wait(Patience)
	}
	return j.Explain(err)
}

// BeginCheckpoint asks for a checkpoint; the command ends when the generation is committed.
func (j *Job) BeginCheckpoint() (*Process, error) {
	args := append(append([]string{"dmtcp_command"}, j.Coordinates()...), "--bcheckpoint")
	return j.env.Start(j.Dir, j.Env, args...)
}

// Explain adds what the job and its coordinator said to a failure of theirs.
func (j *Job) Explain(err error) error {
	if err != nil {
		return fmt.Errorf("checkpoint: %w\nthe job:%s\nthe coordinator:%s", err, j.Run.tail(), j.Coord.tail())
	}
	return nil
}

// WaitRunning waits until the coordinator sees n processes, all running.
func (j *Job) WaitRunning(n int) error {
	return j.waitStatus(fmt.Sprintf("%d running processes", n), func(peers int, running bool) bool { return peers == n && running })
}

// WaitPending waits until a checkpoint has begun.
func (j *Job) WaitPending() error {
	return j.waitStatus("a pending checkpoint", func(_ int, running bool) bool { return !running })
}

func (j *Job) waitStatus(what string, good func(peers int, running bool) bool) error {
	for limit := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		p, err := j.Ask("--status")
		if err != nil {
			return err
		}
		m := statusLines.FindStringSubmatch(p.Stdout())
		if m == nil {
			return fmt.Errorf("odd status:%s", p.tail())
		}
		if peers, _ := strconv.Atoi(m[1]); good(peers, m[2] == "yes") {
			return nil
		}
		if j.Run.Ended() {
			return fmt.Errorf("the job ended while the test waited for %s: %v%s", what, j.Run.werr, j.Run.tail())
		}
		if time.Now().After(limit) {
			return &ErrHang{fmt.Sprintf("no %s within %v%s", what, Patience, j.Run.tail()), State()}
		}
	}
}

var statusLines = regexp.MustCompile(`NUM_PEERS=(\d+)\s+RUNNING=(yes|no)`)

// Kill ends the whole job without warning, as a node failure does; only the coordinator stays.
func (j *Job) Kill() error {
	var spare []int
	if j.Coord != nil && !j.Coord.Ended() {
		spare = append(spare, j.Coord.Pid())
	}
	if err := KillAll(spare...); err != nil {
		return err
	}
	if foreign := sweepSharedMemory(j.env.Uid(), j.shm); len(foreign) > 0 {
		return fmt.Errorf("left in /dev/shm after the kill: %v", foreign)
	}
	select {
	case <-j.Run.done:
		return nil
	case <-time.After(Patience):
		return &ErrHang{"the killed job is not over", State()}
	}
}

// KillTree kills the running command and everything below it, and no other process.
func (j *Job) KillTree() error {
	for limit := time.Now().Add(Patience); ; time.Sleep(2 * time.Millisecond) {
		if left := KillBelow(j.Run.Pid()); left == 0 && j.Run.Ended() {
			sweepSharedMemory(j.env.Uid(), j.shm)
			return nil
		}
		if time.Now().After(limit) {
			return &ErrHang{"processes survive SIGKILL", State()}
		}
	}
}

// Finish waits for the regular end and returns the RESULT line.
func (j *Job) Finish() (string, error) {
	if err := j.Run.Wait(3 * Patience); err != nil {
		return "", err
	}
	if left := newSharedMemory(j.env.Uid(), j.shm); len(left) > 0 {
		sweepSharedMemory(j.env.Uid(), j.shm)
		return "", fmt.Errorf("left in /dev/shm at the regular end: %v", left)
	}
	r := Result(j.Run.Stdout())
	if r == "" {
		return "", fmt.Errorf("no RESULT%s", j.Run.tail())
	}
	return r, nil
}

// Close stops the coordinator and reports every process that outlives it.
func (j *Job) Close() error {
	err := j.StopCoordinator()
	if left := Leftovers(); len(left) > 0 && err == nil {
		err = fmt.Errorf("processes outlive the job:\n%s", strings.Join(left, "\n"))
	}
	err = errors.Join(err, KillAll(), os.RemoveAll(j.Dir))
	sweepSharedMemory(j.env.Uid(), j.shm) // of a job that was still running
	return err
}

// Gate is the file that the programs of a job wait for, and Open creates it.
func (j *Job) Gate() string { return filepath.Join(j.Dir, "gate") }

// Open lets the programs go on.
func (j *Job) Open() error { return os.WriteFile(j.Gate(), nil, 0o644) }

// Hurry lets the programs run without their pauses.
func (j *Job) Hurry() error { return os.WriteFile(j.hurry(), nil, 0o644) }

func (j *Job) hurry() string { return filepath.Join(j.Dir, "hurry") }
