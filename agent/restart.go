package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
	"mana/image"
	"mana/manifest"
	"mana/pidns"
	"mana/process"
	"mana/splitproc"
)

// Saved is a checkpoint image to restart from.
type Saved struct {
	manifest.Image
	Path string
}

// Restart describes what comes back.
type Restart struct {
	Computation string
	Generation  int
	Total       int // images of the whole computation
	Images      []Saved
	Numbers     Numbers
	NoTruncate  bool
}

// Numbers says which process and thread numbers the programs get.
type Numbers int

const (
	// KeepNumbers gives them the saved numbers.
	KeepNumbers Numbers = iota
	// NewNumbers lets the kernel choose.
	NewNumbers
)

// Run rebuilds the programs, waits until the whole computation is rebuilt,
// lets them run on, supervises them and returns the exit status of the first.
func (r *Restart) Run(cfg Config) int {
	a := newAgent(cfg)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return a.die(fmt.Errorf("become subreaper: %w", err))
	}
	for _, s := range r.Images {
		dir := s.Dir
		if cfg.CkptDir != "" {
			dir = cfg.CkptDir
		}
		a.programs = append(a.programs, &program{pid: s.PID, name: s.Prog, upid: s.UPID, dir: dir,
			image: published{s.Dir, s.File, s.Name}})
	}
	join := a.join().With("restart", 1).With("comp", r.Computation).With("gen", r.Generation).
		With("images", len(r.Images)).With("total", r.Total)
	if cfg.Interval >= 0 {
		join = join.With("interval", cfg.Interval)
	}
	in, err := a.link.open(join)
	if err != nil {
		return a.die(err)
	}
	a.joined(in)
	restored, err := r.rebuild(a)
	if err == nil {
		a.link.send("RESTORED", "gen", r.Generation)
		if err = a.awaitResume(); err == nil {
			err = a.tracer.Do(func() error { return resume(restored) })
		}
	}
	if err != nil {
		a.tracer.Do(func() error { kill(restored); return nil })
		a.link.close()
		return a.die(err)
	}
	if a.killed {
		return 0
	}
	return a.run()
}

// rebuild restores every program up to the point where only Resume is left.
func (r *Restart) rebuild(a *agent) ([]*process.Restored, error) {
	var all []*process.Restored
	for i, s := range r.Images {
		restored, err := r.restore(a, s, a.programs[i])
		if restored != nil {
			all = append(all, restored)
		}
		if err != nil {
			return all, fmt.Errorf("restart from %s: %w", s.Path, err)
		}
		a.programs[i].pid = restored.PID()
		if err := a.watch(a.programs[i]); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (r *Restart) restore(a *agent, s Saved, p *program) (*process.Restored, error) {
	im, err := image.Open(s.Path)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	if s.Sum != "" && s.Sum != im.Checksum {
		return nil, fmt.Errorf("%w: its checksum is not the one that the manifest has", image.ErrDamaged)
	}
	st := new(process.State)
	if err := json.Unmarshal(im.Metadata, st); err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrDamaged, err)
	}
	opt := process.RestoreOptions{
		Memory: im, SetTIDs: r.Numbers == KeepNumbers, DropCaps: pidns.Inside() && os.Geteuid() != 0, DieWithParent: true,
		Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, NoTruncate: r.NoTruncate, TailDir: s.Dir, Warn: a.warn,
	}
	var restored *process.Restored
	var mpi *mpiState
	if st.MPI != nil {
		if mpi, err = parseMPIState(st.MPI); err != nil {
			return nil, err
		}
		opt.Keep = inherited
	}
	err = a.tracer.Do(func() (err error) {
		if restored, err = process.Restore(st, opt); err == nil && mpi != nil {
			p.mpi, err = restoreMPI(restored, mpi, os.Environ())
		}
		return err
	})
	if err == nil && mpi != nil {
		plan := &splitproc.Plan{Program: st.Exe.Path, ABI: splitproc.ABI(mpi.ABI)}
		go p.mpi.serve(splitproc.LowerOptions{Plan: plan, Env: renumber(os.Environ(), restored.Kept())}, a.warn)
	}
	return restored, err
}

// awaitResume waits until the coordinator says that everybody is rebuilt.
func (a *agent) awaitResume() error {
	for {
		select {
		case in := <-a.link.in:
			if in.err != nil {
				return fmt.Errorf("lost the coordinator during the restart: %w", in.err)
			}
			switch in.msg.Verb {
			case "RESUME":
				return nil
			case "ABORT":
				return errors.New("the restart failed: " + in.msg.Get("reason"))
			case "KILL":
				a.killed = true
				return errors.New("killed by the coordinator during the restart")
			case "PEERS":
				a.link.send("PEERS", a.peers(in.msg.Get("id"))...)
			}
		case s := <-a.signals:
			if sig := s.(syscall.Signal); sig == syscall.SIGINT || sig == syscall.SIGTERM || sig == syscall.SIGHUP {
				return fmt.Errorf("%v during the restart", sig)
			}
		case p := <-a.exits:
			return fmt.Errorf("%s (pid %d) ended during the restart", p.name, p.pid)
		}
	}
}

func resume(all []*process.Restored) error {
	for _, r := range all {
		if err := r.Resume(); err != nil {
			return err
		}
	}
	return nil
}

func kill(all []*process.Restored) {
	for _, r := range all {
		r.Kill()
	}
}
