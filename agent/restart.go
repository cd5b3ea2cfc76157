package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"mana/image"
	"mana/manifest"
	"mana/process"
	"mana/progress"
	"mana/wire"
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
	Ranks       int // of an MPI job
	Highest     int // process number of the whole computation
	Ended       []manifest.Ended
	Images      []Saved
	Numbers     Numbers
	NoTruncate  bool
	Last        int           // the highest number among the computation's generations
	Hint        func() string // what to try if the images turn out to be damaged
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
	if err := r.bringBack(a); err != nil {
		a.link.close()
		return a.die(r.advise(err)) // what is being rebuilt dies with its tracer
	}
	if a.killed {
		return 0
	}
	return a.run()
}

// bringBack returns when the programs run.
func (r *Restart) bringBack(a *agent) error {
	if err := adoptOrphans(); err != nil {
		return err
	}
	for _, s := range r.Images {
		dir := s.Dir
		if a.cfg.CkptDir != "" {
			dir = a.cfg.CkptDir
		}
		a.programs = append(a.programs, &program{pid: s.PID, name: s.Prog, upid: s.UPID, dir: dir,
			image: published{s.Dir, s.Name}})
	}
	saved, err := r.load()
	if err != nil {
		if a.cfg.Rank >= 0 {
			r.join(a) // only to leave: the other ranks must not wait for this one
		}
		return err
	}
	if err = r.apply(a, saved); err == nil {
		err = r.join(a)
	}
	if err != nil {
		saved.close()
		return err
	}
	return r.revive(a, saved)
}

// join enters the computation with what is to be rebuilt.
func (r *Restart) join(a *agent) error {
	m := a.join().With("restart", 1).With("comp", r.Computation).With("gen", r.Generation).
		With("images", len(r.Images)).With("total", r.Total).With("last", r.Last)
	for _, e := range r.Ended {
		m = m.With("ended", e.Rank).With("status", e.Status)
	}
	in, err := a.link.open(a.withInterval(m))
	if err != nil {
		return err
	}
	a.joined(in)
	return nil
}

// revive rebuilds the programs beside the loop, in which an MPI rank waits for
// its peers and must hear when one of them has failed, and lets them run.
func (r *Restart) revive(a *agent, saved saved) error {
	done := make(chan rebuilt, 1)
	over := make(chan struct{})
	m := new(meter)
	m.count(saved)
	conn := a.link.conn
	go m.report(a.gen, func(msg wire.Message) { conn.Send(msg) }, over)
	if a.cfg.Quiet == 0 && a.cfg.Rank <= 0 {
		go show(a.cfg.Dial, progress.OnTerminal(os.Stderr), over)
	}
	go func() {
		all, err := r.rebuild(a, saved, conn)
		if err == nil {
			a.tracer.Do(func() error { r.modifyEnv(a, all); return nil })
		}
		done <- rebuilt{all, err}
	}()
	restored, err := a.awaitResume(done)
	close(over)
	if err == nil {
		saved.close() // nobody reads them any more
		err = a.tracer.Do(func() error { return resume(restored) })
	}
	if err != nil && restored != nil {
		a.tracer.Do(func() error { kill(restored); return nil })
	}
	return err
}

// advise adds to the complaint about a damaged image what else there is to
// restart from.
func (r *Restart) advise(err error) error {
	if errors.Is(err, image.ErrDamaged) && r.Hint != nil {
		if hint := r.Hint(); hint != "" {
			return fmt.Errorf("%w; %s", err, hint)
		}
	}
	return err
}

// awaitResume waits until the programs are rebuilt and the coordinator says
// that everybody's are.
func (a *agent) awaitResume(done <-chan rebuilt) (all []*process.Restored, err error) {
	for {
		select {
		case b := <-done:
			all = b.all
			if err := a.restored(b); err != nil {
				return all, err
			}
		case in := <-a.link.in:
			if in.err != nil {
				return all, fmt.Errorf("lost the coordinator during the restart: %w", in.err)
			}
			switch in.msg.Verb {
			case "RESUME":
				a.gen = max(a.gen, in.msg.Int("gen", 0))
				return all, nil
			case "PEERS":
				a.link.send("PEERS", "id", in.msg.Get("id"))
			case "MATES":
				a.mates <- in.msg
			default:
				if err := a.stopped(in.msg); err != nil {
					return all, err
				}
			}
		case s := <-a.signals:
			if sig := s.(syscall.Signal); sig == syscall.SIGINT || sig == syscall.SIGTERM || sig == syscall.SIGHUP {
				return all, fmt.Errorf("%v during the restart", sig)
			}
		case p := <-a.exits:
			return all, fmt.Errorf("%s (pid %d) ended during the restart", p.name, p.pid)
		}
	}
}

// stopped is the error with which a message of the coordinator ends a restart.
func (a *agent) stopped(m wire.Message) error {
	switch m.Verb {
	case "ABORT":
		return errors.New("the restart failed: " + m.Get("reason"))
	case "KILL":
		a.killed = true
		return errors.New("killed by the coordinator during the restart")
	}
	return nil
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
