package coordinator

import (
	"fmt"
	"time"

	"mana/wire"
)

// restart is a computation on its way back: nobody resumes before everybody
// is restored, because the first to run would talk to the others.
type restart struct {
	images   int // images that the manifest lists
	came     int // of these, how many have had a process come for them
	last     int // the highest generation that exists
	restored map[*member]bool
	offers   map[*member][]offer // connections that lead to elsewhere; nil once all know of each other
	timer    *time.Timer
	began    time.Time
}

// failedRestart is the last restart that failed, for its processes that come
// late: they must not begin to wait for those that have given up.
type failedRestart struct {
	comp   string
	gen    int
	reason string
	late   int // processes that have not come yet
	until  time.Time
}

// lateFor bounds how long after the first the last process of a job is
// started; then the same images may be tried again.
const lateFor = 10 * time.Second

// refuseRestart says why this restarting agent does not belong here.
func (c *Coordinator) refuseRestart(m *member, join wire.Message) string {
	comp, gen := join.Get("comp"), join.Int("gen", 0)
	switch {
	case c.tooLate(join):
		return "the restart failed: " + c.failed.reason
	case c.restart == nil && len(c.members) > 0:
		return "a computation is running here; restart under another coordinator"
	case c.restart != nil && comp != c.computation:
		return fmt.Sprintf("the image belongs to computation %s, not to %s which is being restarted", comp, c.computation)
	case c.restart != nil && gen != c.generation:
		return fmt.Sprintf("the image is of generation %d, the others are of %d", gen, c.generation)
	case c.restart != nil && c.restart.images != join.Int("total", 0):
		return "the others restart from another set of images"
	case c.hasRank(m.rank):
		return fmt.Sprintf("rank %d is already here", m.rank)
	}
	return ""
}

// tooLate reports whether the others of this restarting agent have given up.
func (c *Coordinator) tooLate(join wire.Message) bool {
	f := &c.failed
	return c.restart == nil && f.late > 0 && f.comp == join.Get("comp") && f.gen == join.Int("gen", 0) && time.Now().Before(f.until)
}

// joinRestart takes a restarting agent in; the first one says which
// computation is to come back.
func (c *Coordinator) joinRestart(m *member, join wire.Message) {
	if c.restart == nil {
		c.computation, c.generation = join.Get("comp"), join.Int("gen", 0)
		c.ended = parseEnded(join.Ints("ended"), join.Ints("status"))
		c.restart = &restart{images: join.Int("total", 1), restored: map[*member]bool{}, offers: map[*member][]offer{}, began: time.Now()}
		c.note("FIRST restart connection; generation %d of %s", c.generation, c.computation)
	}
	c.restart.came += m.images
	c.restart.last = max(c.restart.last, join.Int("last", 0))
	m.state, m.barrier = stateRestarting, "MANA:Restart"
	c.armRestart()
}

// armRestart bounds the wait for the next process: one that never comes must
// not hold the others for ever.
func (c *Coordinator) armRestart() {
	r := c.restart
	if r.timer != nil {
		r.timer.Stop()
	}
	r.timer = time.AfterFunc(c.cfg.RestartWait, func() {
		c.post(func() {
			if n := c.present(); c.restart == r && n < r.images {
				c.failRestart(fmt.Sprintf("only %d of %d processes came to the restart within %s", n, r.images, c.cfg.RestartWait))
			}
		})
	})
}

// present counts the images that the members restart from.
func (c *Coordinator) present() int {
	n := 0
	for _, m := range c.members {
		n += m.images
	}
	return n
}

func (c *Coordinator) restored(m *member) {
	if c.restart != nil {
		c.restart.restored[m] = true
	}
	c.advanceRestart()
}

// advanceRestart lets the members run once all of them are restored.
func (c *Coordinator) advanceRestart() {
	r := c.restart
	if r == nil || c.present() < r.images {
		return
	}
	if r.offers != nil && len(r.offers) == len(c.members) {
		r.introduce()
	}
	if len(r.restored) < len(c.members) {
		return
	}
	r.timer.Stop()
	c.restart = nil
	c.generation = max(c.generation, r.last)
	for _, m := range c.members {
		m.state, m.barrier = stateRunning, ""
		m.send(wire.New("RESUME", "gen", c.generation))
	}
	c.history.restarts++
	c.note("restart complete; all workers running")
	c.writeDatabase("restart", "", nil)
	c.armInterval()
	c.serveWanted()
}

// leftRestart ends a restart that has lost one of its processes.
func (c *Coordinator) leftRestart(m *member) {
	if c.restart != nil {
		c.failRestart(m.String() + " failed to restart")
	}
}

func (c *Coordinator) failRestart(reason string) {
	c.restart.timer.Stop()
	c.history.failedRestarts++
	c.failed = failedRestart{comp: c.computation, gen: c.generation, reason: reason,
		late: c.restart.images - c.restart.came, until: time.Now().Add(lateFor)}
	c.restart = nil
	c.note("restart failed: %s", reason)
	for _, m := range c.members {
		m.send(wire.New("ABORT", "gen", c.generation, "reason", reason))
	}
}
