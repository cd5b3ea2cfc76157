package coordinator

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mana/drain"
	"mana/manifest"
	"mana/tcp"
	"mana/wire"
)

// checkpoint is one generation on its way. Its parts go through the same
// steps in the same order:
//
//	CKPT     → CLOCKS until the collective clocks converge (at once without MPI)
//	DRAIN    → STILL: stopped and quiesced
//	MATES    → SETTLED, COPY: see mates.go
//	           SNAPSHOT: copied
//	RUN      : all are copied; MPI may be called again
//	           IMAGE …, WRITTEN: durable on disk
//	COMMIT   → RESUMED: stable names in place, older generations dropped
//	ABORT    → RESUMED: what was written is gone
type checkpoint struct {
	gen    int
	kill   bool
	phase  phase
	parts  map[*member]*part
	images []manifest.Image
	clocks *drain.Convergence // nil without MPI
	failed string
	done   []func(failure string)
	times  times
	held   bool // a program stands until its image is written
	// dropped are the generations that the commit has taken out of being.
	dropped []*manifest.Manifest
	mated   bool // MATES has been sent
	copying bool // COPY too

	moving time.Time // since the first copy was taken
	noted  time.Time // when the log was last told for whom it waits
}

type phase int

const (
	converging phase = iota
	draining
	writing
	ending // committed or aborted; the agents tidy up
)

// part is one member's progress in a checkpoint.
type part struct {
	converged, copied, written, resumed bool
	quiet                               bool // by its last report

	still, settled bool
	ends           []tcp.End // connections that lead out of it
	mates          []tcp.End // those of them that lead to another member
}

// startCheckpoint opens the next generation. The caller has checked running.
func (c *Coordinator) startCheckpoint(kill bool, done func(failure string)) {
	kill = kill || c.cfg.KillAfter
	c.generation++
	k := &checkpoint{gen: c.generation, kill: kill, parts: map[*member]*part{}}
	if done != nil {
		k.done = append(k.done, done)
	}
	k.times.mark(converging)
	c.ckpt = k
	c.forgetProgress()
	c.armTell()
	world := 0
	c.note("starting checkpoint; incrementing generation to %d", k.gen)
	for _, m := range c.members {
		k.parts[m] = &part{}
		world = max(world, m.nranks, m.rank+1) // not every launcher tells the size
		m.state, m.wants = statePresuspend, false
		m.send(wire.New("CKPT", "gen", k.gen, "members", len(c.members), "kill", kill, "ended", len(c.ended)))
	}
	if world > 0 {
		k.clocks = drain.New(world)
		var lost []int
		for _, r := range k.absent(world) {
			if _, ok := c.ended[r]; ok {
				k.clocks.Leave(r)
			} else {
				lost = append(lost, r)
			}
		}
		if lost != nil {
			c.abort(fmt.Sprintf("ranks %v of %d have ended without MPI_Finalize", lost, world))
		}
	}
}

// checkpointMessage moves a member one step on. A message of another
// generation is late: that checkpoint was given up.
func (c *Coordinator) checkpointMessage(m *member, msg wire.Message) {
	k := c.ckpt
	if k == nil || msg.Int("gen", -1) != k.gen || k.parts[m] == nil {
		return
	}
	p := k.parts[m]
	switch msg.Verb {
	case "CLOCKS":
		if k.phase == converging {
			c.clockReport(m, p, msg)
		}
	case "STILL":
		p.still, p.ends = true, parseEnds(msg)
	case "SETTLED":
		p.settled = true
	case "SNAPSHOT":
		p.copied = true
		k.held = k.held || msg.Bool("held")
		if k.moving.IsZero() {
			k.moving = time.Now()
		}
		m.state, m.barrier = stateCheckpointed, "MANA:Write"
	case "IMAGE":
		k.images = append(k.images, imageOf(m, msg))
	case "WRITTEN":
		p.copied, p.written, m.barrier = true, true, "MANA:Commit"
		m.done = m.total
	case "FAILED":
		c.abort(fmt.Sprintf("%s: %s", m, msg.Get("reason")))
	case "RESUMED":
		p.resumed = true
		m.state, m.barrier = stateRunning, ""
	}
	c.advance()
}

func imageOf(m *member, msg wire.Message) manifest.Image {
	var size int64
	fmt.Sscan(msg.Get("size"), &size)
	return manifest.Image{Rank: m.rank, Host: m.host, PID: msg.Int("pid", 0), Prog: msg.Get("prog"), UPID: msg.Get("upid"),
		Dir: msg.Get("dir"), File: msg.Get("file"), Name: msg.Get("name"), Size: size, Sum: msg.Get("sum")}
}

// all reports whether every part satisfies f.
func (k *checkpoint) all(f func(*part) bool) bool {
	for _, p := range k.parts {
		if !f(p) {
			return false
		}
	}
	return true
}

// advance takes the checkpoint to its next phase once every part is ready.
func (c *Coordinator) advance() {
	k := c.ckpt
	switch {
	case k == nil:
	case len(k.parts) == 0 && k.phase != ending:
		k.failed = "no process is left"
		c.endCheckpoint()
	case k.phase == converging && k.all(func(p *part) bool { return p.converged }) && (k.clocks == nil || k.clocks.Converged()):
		k.phase = draining
		k.times.mark(draining)
		for m := range k.parts {
			m.state, m.barrier = stateSuspended, "MANA:Drain"
			m.send(wire.New("DRAIN", "gen", k.gen))
		}
	case k.phase == draining && k.introduce():
		c.advance()
	case k.phase == draining && k.all(func(p *part) bool { return p.copied }):
		// Not before: a message of a rank that runs on must not get into the
		// copy of one that is still drained.
		k.phase = writing
		k.times.mark(writing)
		for m := range k.parts {
			m.send(wire.New("RUN", "gen", k.gen))
		}
		c.advance()
	case k.phase == writing && k.all(func(p *part) bool { return p.written }):
		c.commit()
	case k.phase == ending && k.all(func(p *part) bool { return p.resumed }):
		c.endCheckpoint()
	}
}

// commit makes the generation the one to restart from: the manifest's rename
// is the instant at which it comes to exist.
func (c *Coordinator) commit() {
	k := c.ckpt
	m := &manifest.Manifest{Computation: c.computation, Generation: k.gen, Created: time.Now(), Images: k.images, Agents: len(k.parts)}
	for mem := range k.parts {
		m.Ranks = max(m.Ranks, mem.nranks)
	}
	for rank, status := range c.ended {
		m.Ended = append(m.Ended, manifest.Ended{Rank: rank, Status: status})
	}
	slices.SortFunc(m.Images, func(a, b manifest.Image) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Name, b.Name))
	})
	if err := m.Write(); err != nil {
		c.abort(err.Error())
		return
	}
	if err := c.writeScript(m); err != nil {
		c.note("restart script: %v", err)
	}
	c.note("Checkpoint complete; all workers running")
	k.phase = ending
	k.times.mark(ending)
	kept, dropped, err := m.Prune(c.cfg.Keep)
	if err != nil {
		c.note("older generations: %v", err)
	}
	k.dropped = dropped
	order := wire.New("COMMIT", "gen", k.gen, "kill", k.kill)
	for _, g := range kept {
		order = order.With("kept", g)
	}
	for mem := range k.parts {
		mem.send(order)
	}
}

// sweep removes what is left of dropped generations: the images of processes
// that have ended. It runs beside the rest, there may be many.
func (c *Coordinator) sweep(dropped []*manifest.Manifest) {
	c.talking.Add(1)
	go func() {
		defer c.talking.Done()
		for _, m := range dropped {
			if err := m.Sweep(); err != nil {
				c.post(func() { c.note("remove generation %d: %v", m.Generation, err) })
			}
		}
	}()
}

// abort gives the generation up; the programs run on.
func (c *Coordinator) abort(reason string) {
	k := c.ckpt
	if k == nil || k.phase == ending {
		return
	}
	k.failed, k.phase = reason, ending
	c.note("checkpoint %d failed: %s", k.gen, reason)
	for m := range k.parts {
		m.send(wire.New("ABORT", "gen", k.gen, "reason", reason))
	}
}

// leftCheckpoint goes on without a member that ended during a checkpoint. A
// program of its own that ends is no failure; an MPI job without one of its
// ranks could not be restarted.
func (c *Coordinator) leftCheckpoint(m *member) {
	k := c.ckpt
	if k == nil || k.parts[m] == nil {
		return
	}
	p := k.parts[m]
	if k.phase != ending && !p.written {
		k.images = slices.DeleteFunc(k.images, func(im manifest.Image) bool { return im.UPID == m.upid && im.Rank == m.rank })
		if _, ok := c.ended[m.rank]; ok && k.phase == converging && k.clocks != nil {
			k.clocks.Leave(m.rank)
		} else if m.mpi() {
			c.abort(m.String() + " left during the checkpoint")
		}
	}
	if p.written && k.phase != ending {
		p.resumed = true // its image stands; nobody is left to tidy up
	} else {
		delete(k.parts, m)
	}
	c.advance()
}

// endCheckpoint tells who waits, and lets in who came meanwhile.
func (c *Coordinator) endCheckpoint() {
	k := c.ckpt
	c.ckpt = nil
	c.lastFailure = k.failed
	k.times.mark(ending + 1)
	c.history.record(k)
	c.retime(k)
	c.writeDatabase("checkpoint", k.failed, k.images)
	for _, f := range k.done {
		f(k.failed)
	}
	c.sweep(k.dropped)
	held := c.held
	c.held = nil
	for _, f := range held {
		f()
	}
	c.armInterval()
	if len(c.members) == 0 && c.cfg.ExitOnLast {
		c.finish(0, "last client exited")
	}
	c.serveWanted()
}

// asks notes that a program asks for a checkpoint. One that is under way will
// do if the program has not been stopped for it yet: its agent had not heard of it.
func (c *Coordinator) asks(m *member) {
	if k := c.ckpt; k != nil && k.parts[m] != nil && !k.parts[m].resumed {
		return
	}
	m.wants = true
	c.serveWanted()
}

// serveWanted starts the checkpoint that a program has asked for as soon as one can start.
func (c *Coordinator) serveWanted() {
	if slices.ContainsFunc(c.members, func(m *member) bool { return m.wants }) && c.running() {
		c.note("a program asks for a checkpoint")
		c.startCheckpoint(false, nil)
	}
}
