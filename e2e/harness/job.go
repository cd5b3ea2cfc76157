package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
}

// Job is a computation under a coordinator of its own.
type Job struct {
	Spec
	Dir   string // home, working directory and TMPDIR of the job
	Ckpt  string // checkpoint directory
	Port  int
	Coord *Process
	Run   *Process // the launch, or the latest restart
	env   *Env
	runs  int
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
	return j, j.start(j.wrap(j.Command))
}

func (e *Env) newJob(spec Spec) (*Job, error) {
	dir, err := e.Mkdir("j")
	if err != nil {
		return nil, err
	}
	j := &Job{Spec: spec, Dir: dir, Ckpt: filepath.Join(dir, "ckpt"), env: e}
	j.Env = append([]string{"MANAE2E_HURRY=" + j.hurry()}, j.Env...)
	if err := os.Mkdir(j.Ckpt, 0o755); err != nil {
		return nil, err
	}
	return j, e.own(j.Ckpt)
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

func (j *Job) coordinates() []string {
	return []string{"--coord-host", "127.0.0.1", "--coord-port", strconv.Itoa(j.Port)}
}

// LaunchArgs is the whole command line of the launch.
func (j *Job) LaunchArgs() []string {
	tool := "dmtcp_launch"
	if j.MPI != "" {
		tool = "mana_launch"
	}
	args := append([]string{tool}, j.coordinates()...)
	args = append(append(args, "--ckptdir", j.Ckpt), j.Flags...)
	return j.wrap(append(args, j.Command...))
}

// RestartArgs is the whole command line of a restart from the last generation.
func (j *Job) RestartArgs() ([]string, error) {
	if j.MPI != "" {
		return j.wrap(append(append([]string{"mana_restart"}, j.coordinates()...), "--restartdir", j.Ckpt)), nil
	}
	images, err := filepath.Glob(filepath.Join(j.Ckpt, "ckpt_*.dmtcp"))
	if err != nil || len(images) == 0 {
		return nil, fmt.Errorf("no images in %s", j.Ckpt)
	}
	return append(append([]string{"dmtcp_restart"}, j.coordinates()...), images...), nil
}

func (j *Job) wrap(args []string) []string {
	if j.MPI == "" {
		return args
	}
	return j.MPI.Mpirun(j.Ranks, args...)
}

// Launch starts the program under the product.
func (j *Job) Launch() error { return j.start(j.LaunchArgs()) }

// Restart brings the computation back from its last generation.
func (j *Job) Restart() error {
	args, err := j.RestartArgs()
	if err != nil {
		return err
	}
	return j.start(args)
}

func (j *Job) start(args []string) error {
	p, err := j.env.Start(j.Dir, j.Env, args...)
	if err != nil {
		return err
	}
	j.Run = p
	j.runs++
	return nil
}

// Ask runs dmtcp_command with the given arguments.
func (j *Job) Ask(command ...string) (*Process, error) {
	return j.env.Run(j.Dir, j.Env, append(append([]string{"dmtcp_command"}, j.coordinates()...), command...)...)
}

// Checkpoint asks for a checkpoint and returns when the generation is committed.
func (j *Job) Checkpoint() error {
	if j.Run.Ended() {
		return fmt.Errorf("the program ended before its checkpoint: %v%s", j.Run.werr, j.Run.tail())
	}
	if _, err := j.Ask("--bcheckpoint"); err != nil {
		return fmt.Errorf("checkpoint: %w\nthe job:%s\nthe coordinator:%s", err, j.Run.tail(), j.Coord.tail())
	}
	return nil
}

// Kill ends the whole job without warning, as a node failure does; only the coordinator stays.
func (j *Job) Kill() error {
	var spare []int
	if j.Coord != nil && !j.Coord.Ended() {
		spare = append(spare, j.Coord.Pid())
	}
	if err := KillAll(spare...); err != nil {
		return err
	}
	if foreign := sweepSharedMemory(j.env.Uid()); len(foreign) > 0 {
		return fmt.Errorf("left in /dev/shm after the kill: %v", foreign)
	}
	select {
	case <-j.Run.done:
		return nil
	case <-time.After(Patience):
		return &ErrHang{"the killed job is not over", State()}
	}
}

// Finish waits for the regular end and returns the RESULT line.
func (j *Job) Finish() (string, error) {
	if err := j.Run.Wait(3 * Patience); err != nil {
		return "", err
	}
	if left := sharedMemory(j.env.Uid()); len(left) > 0 {
		sweepSharedMemory(j.env.Uid())
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
	return errors.Join(err, KillAll(), os.RemoveAll(j.Dir))
}

// Gate is the file that the programs of a job wait for, and Open creates it.
func (j *Job) Gate() string { return filepath.Join(j.Dir, "gate") }

// Open lets the programs go on.
func (j *Job) Open() error { return os.WriteFile(j.Gate(), nil, 0o644) }

// Hurry lets the programs run without their pauses.
func (j *Job) Hurry() error { return os.WriteFile(j.hurry(), nil, 0o644) }

func (j *Job) hurry() string { return filepath.Join(j.Dir, "hurry") }
