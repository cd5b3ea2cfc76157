package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"mana/manifest"
	"mana/wire"
)

// checkpoint is the generation that this agent takes part in.
type checkpoint struct {
	gen       int
	working   bool // a goroutine of this checkpoint is at work
	over      string
	kill      bool
	stands    []*snapshot // stopped until the verdict, if it is to be killed: it must not go beyond its image
	absent    int         // ranks of the job that have ended
	kept      []int       // generations that stay, once committed
	images    []written
	orders    chan wire.Message // for the goroutine at work
	ended     []*program        // programs that ended while the engine was at work
	mpi       *converging       // nil without MPI, and once it has converged
	forbidden bool              // by the program, at the moment
}

// result is how one piece of work went.
type result struct {
	gen    int
	images []written // the images, when they are durable
	failed *program  // the one that err is about
	err    error
	taken  bool        // the snapshots are taken, the programs run on
	held   bool        // but for one that could not be copied
	stands []*snapshot // the programs stand still, to be killed
}

// written is an image on disk.
type written struct {
	p          *program
	dir        string
	file, name string
	size       int64
	sum        string
}

// published is what a program's newest committed image is called.
type published struct{ dir, name string }

func (c *checkpoint) busy() bool { return c != nil && c.working }

// begin answers the announcement of a checkpoint, when the program allows it.
func (a *agent) begin(m wire.Message) {
	a.ckpt = &checkpoint{gen: m.Int("gen", 0), kill: m.Bool("kill"), absent: m.Int("ended", 0), orders: make(chan wire.Message, 8)}
	if a.ckpt.forbidden = a.forbids(); !a.ckpt.forbidden {
		a.converge()
	}
}

// converge makes the program ready. One without MPI has nothing to quiesce,
// and one that is alone in its job quiesces by itself.
func (a *agent) converge() {
	mpi := a.programs[0].mpi
	if mpi != nil && a.cfg.Rank >= 0 {
		a.ckpt.mpi = a.startConverging(mpi, a.ckpt.gen)
		return
	}
	if mpi != nil {
		mpi.announce()
	}
	a.link.send("CLOCKS", "gen", a.ckpt.gen, "mpi", 0)
}

// step obeys the coordinator's orders about the checkpoint under way.
func (a *agent) step(m wire.Message) {
	c := a.ckpt
	if c == nil || m.Int("gen", -1) != c.gen {
		return
	}
	switch m.Verb {
	case "TARGETS":
		if c.mpi == nil {
			return
		}
		if err := c.mpi.obey(m); err != nil {
			a.link.send("FAILED", "gen", c.gen, "reason", err.Error())
		}
	case "DRAIN":
		c.endConverging()
		c.working = true
		live := a.live()
		go func() { a.results <- a.take(c, live) }()
	case "MATES", "COPY":
		c.order(m)
	case "RUN":
		c.order(m)
		if mpi := a.programs[0].mpi; mpi != nil {
			mpi.release()
		}
	case "COMMIT", "ABORT":
		c.order(m)
		c.over = m.Verb
		c.kept = m.Ints("kept")
		if !c.working {
			a.finish()
		}
	}
}

// order passes an order on to the goroutine at work, which need not wait for it.
func (c *checkpoint) order(m wire.Message) {
	select {
	case c.orders <- m:
	default:
	}
}

func (a *agent) live() []*program {
	return slices.DeleteFunc(slices.Clone(a.programs), func(p *program) bool { return p.exited })
}

// take saves the programs: stop them, snapshot, let them go on unless they are
// to be killed, and write the images while they run. It runs beside the loop.
func (a *agent) take(c *checkpoint, programs []*program) result {
	r := result{gen: c.gen}
	stop := make(chan struct{})
	defer close(stop)
	var snaps []*snapshot
	if len(programs) == 0 {
		r.err = errEnded
	} else {
		f := &family{a: a, roots: programs, gen: c.gen, mpi: a.programs[0].mpi, absent: c.absent, tell: a.tell(stop), orders: c.orders}
		snaps = a.copyAll(f, c.kill, &r)
	}
	m := new(meter)
	if r.err == nil {
		r.err = m.sized(snaps)
		go m.report(c.gen, a.tell(stop), stop)
	}
	for _, s := range snaps {
		if r.err == nil {
			var w written
			s.s.State.Settings = a.cfg.Settings.save()
			if w, r.err = s.write(a.cfg.Codec, m); r.err == nil {
				r.images = append(r.images, w)
			}
		}
		if !c.kill {
			s.close()
		}
	}
	if c.kill && r.err == nil {
		r.stands = snaps
	} else if c.kill {
		r.err = errors.Join(r.err, closeAll(snaps))
	}
	return r
}

// copyAll takes the snapshots of all processes, which then go on or stand.
func (a *agent) copyAll(f *family, stand bool, r *result) []*snapshot {
	if r.failed, r.err = f.take(); r.err != nil {
		return nil
	}
	a.results <- result{gen: f.gen, taken: true, held: slices.ContainsFunc(f.all, func(s *snapshot) bool { return !s.s.Live() })}
	if stand {
		return f.all
	}
	if r.err = f.letGo(); r.err != nil {
		return nil
	}
	return f.all
}

// progress passes on how the work went.
func (a *agent) progress(r result) {
	c := a.ckpt
	if c == nil || c.gen != r.gen {
		return
	}
	if r.taken {
		a.wishes.taken()
		a.link.send("SNAPSHOT", "gen", c.gen, "held", r.held)
		return
	}
	c.working = false
	c.images = r.images
	c.stands = r.stands
	if r.failed != nil {
		r.failed.endedBy(r.err)
		if !r.failed.exited {
			r.failed.reap()
		}
	}
	for _, p := range c.ended {
		if !p.exited {
			p.reap()
		}
	}
	switch {
	case a.link.conn == nil:
		a.settle()
	case c.over != "":
		a.finish()
	case r.err != nil && len(a.live()) == 0:
		// It ended before it could be saved: nothing has failed.
		a.finish()
	case r.err != nil:
		a.link.send("FAILED", "gen", c.gen, "reason", r.err.Error())
	default:
		a.report()
	}
}

func (a *agent) report() {
	for _, w := range a.ckpt.images {
		a.link.send("IMAGE", "gen", a.ckpt.gen, "dir", w.dir, "file", w.file, "name", w.name,
			"size", w.size, "sum", w.sum, "prog", w.p.name, "upid", w.p.upid, "pid", w.p.pid)
	}
	a.link.send("WRITTEN", "gen", a.ckpt.gen)
}

// settle decides a checkpoint whose coordinator is gone: it may have
// committed it as its last act, and then it stands.
func (a *agent) settle() {
	c := a.ckpt
	if c.working {
		return // progress comes back here
	}
	c.over = "ABORT"
	for _, w := range c.images {
		if _, err := manifest.Read(filepath.Join(w.dir, manifest.FileName(a.comp, c.gen))); err == nil {
			c.over = "COMMIT"
		}
	}
	a.finish()
}

// endConverging stops the reports about the program's clocks.
func (c *checkpoint) endConverging() {
	c.mpi.end()
	c.mpi = nil
}

// finish carries out the verdict on the checkpoint.
func (a *agent) finish() {
	c := a.ckpt
	a.ckpt = nil
	c.endConverging()
	if m := a.programs[0].mpi; m != nil {
		m.release()
	}
	done := 0
	if c.over == "COMMIT" {
		done = c.gen
		a.gen = c.gen
		for _, w := range c.images {
			if err := w.publish(c.kept, a.cfg.Rank >= 0); err != nil {
				a.warn("checkpoint %d: %v", c.gen, err)
			}
		}
		a.unpublishEnded(c)
		if c.kill {
			a.kill() // the end of the connection is the answer
			closeAll(c.stands)
			return
		}
	} else {
		for _, w := range c.images {
			if err := manifest.DropGeneration(w.dir, w.file); err != nil {
				a.warn("checkpoint %d: %v", c.gen, err)
			}
		}
	}
	if err := closeAll(c.stands); err != nil {
		a.warn("checkpoint %d: let the program go on: %v", c.gen, err)
	}
	a.link.send("RESUMED", "gen", c.gen)
	a.wishes.over(done)
	a.rung()
}

// publish gives the image its stable name and removes the generations that do
// not stay, unless the coordinator could not say which do. A job that writes
// to another directory than before leaves the old one as it is.
func (w *written) publish(kept []int, rank bool) error {
	old := w.p.image
	w.p.image = published{w.dir, w.name}
	err := manifest.Publish(w.dir, w.file, w.name)
	if len(kept) > 0 {
		err = errors.Join(err, manifest.DropOthers(w.dir, w.file, kept))
	}
	if old.dir == w.dir && old.name != w.name {
		err = errors.Join(err, manifest.Unpublish(old.dir, old.name))
	}
	if rank {
		err = errors.Join(err, manifest.Alone(w.dir, w.name))
	}
	if err != nil {
		return fmt.Errorf("put the image in place: %w", err)
	}
	return nil
}

// mayLeave reports whether nothing keeps the agent of an ended program: a
// snapshot of it that is being written still is part of the generation.
func (a *agent) mayLeave() bool {
	c := a.ckpt
	return c == nil || !c.working && (a.killed || len(c.images) == 0)
}
