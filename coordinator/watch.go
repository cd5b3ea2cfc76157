package coordinator

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"mana/progress"
	"mana/wire"
)

// watcher is somebody who is told the state again and again while it changes.
type watcher struct {
	out  chan []wire.Message // what is not taken in time is replaced by what comes next
	rows bool                // with a line for each member
}

const (
	tellEvery = 500 * time.Millisecond
	// slowAfter is when a wait is worth a word, and slowNote how often the log
	// gets one.
	slowAfter = 3 * time.Second
	slowNote  = time.Minute
	maxSlow   = 5   // ranks named at a time
	maxRows   = 200 // members listed to a watcher
)

// watch begins to tell w.
func (c *Coordinator) watch(w *watcher) {
	c.watchers[w] = true
	c.tell(w)
	c.armTell()
}

func (c *Coordinator) unwatch(w *watcher) { delete(c.watchers, w) }

// armTell keeps the clock of the watchers, and of the notes about slow
// members, running while somebody may want to know.
func (c *Coordinator) armTell() {
	if c.telling || len(c.watchers) == 0 && c.ckpt == nil {
		return
	}
	c.telling = true
	time.AfterFunc(tellEvery, func() {
		c.post(func() {
			c.telling = false
			for w := range c.watchers {
				c.tell(w)
			}
			c.noteSlow()
			c.armTell()
		})
	})
}

func (c *Coordinator) tell(w *watcher) {
	msgs := []wire.Message{c.state().Message()}
	if w.rows {
		msgs = append(c.watchRows(), msgs...)
	}
	select {
	case <-w.out:
	default:
	}
	w.out <- msgs
}

// state is how far the computation is.
func (c *Coordinator) state() progress.State {
	s := progress.State{Generation: c.generation, Peers: c.peers(), Running: c.running(), Interval: c.cfg.Interval,
		Failure: c.lastFailure, Members: len(c.members)}
	for _, m := range c.members {
		s.Done, s.Total = s.Done+m.done, s.Total+m.total
	}
	switch {
	case c.ckpt != nil:
		c.ckpt.fill(&s)
	case c.restart != nil:
		s.Activity, s.Images, s.Came, s.Restored = progress.Restart, c.restart.images, c.present(), len(c.restart.restored)
		s.Elapsed = time.Since(c.restart.began)
		s.Moving = s.Elapsed
	}
	s.Slow = c.slow()
	return s
}

var phases = map[phase]progress.Phase{converging: progress.Converging, draining: progress.Draining,
	writing: progress.Writing, ending: progress.Ending}

func (k *checkpoint) fill(s *progress.State) {
	s.Activity, s.Phase, s.Members, s.Elapsed = progress.Checkpoint, phases[k.phase], len(k.parts), time.Since(k.times[converging])
	if !k.moving.IsZero() {
		s.Moving = time.Since(k.moving)
	}
	for _, p := range k.parts {
		s.Ready += num(p.converged && (k.clocks == nil || p.quiet))
		s.Copied += num(p.copied)
		s.Written += num(p.written)
		s.Ended += num(p.resumed)
	}
}

// slow names the members that the others have been waiting for.
func (c *Coordinator) slow() []string {
	k := c.ckpt
	if k == nil || time.Since(k.times[converging]) < slowAfter || k.phase != converging && k.phase != draining {
		return nil
	}
	var all []string
	behind := slices.ContainsFunc(c.members, func(m *member) bool { return m.target != "" })
	for _, m := range c.inOrder() {
		p := k.parts[m]
		switch {
		case p == nil:
		case k.phase == converging && behind && m.target == "":
			// It waits for those that are named.
		case k.phase == converging && m.stall != "":
			all = append(all, m.short()+" "+m.stalled())
		case k.phase == converging && !p.converged:
			all = append(all, fmt.Sprintf("%s has not answered for %d s", m.short(), int(time.Since(k.times[converging]).Seconds())))
		case k.phase == draining && !p.copied:
			all = append(all, fmt.Sprintf("%s is being copied since %d s", m.short(), int(time.Since(k.times[draining]).Seconds())))
		}
	}
	return all[:min(len(all), maxSlow)]
}

// noteSlow writes to the log, now and then, whom a checkpoint waits for.
func (c *Coordinator) noteSlow() {
	k := c.ckpt
	if k == nil || time.Since(k.times[converging]) < 3*slowAfter || time.Since(k.noted) < slowNote {
		return
	}
	for _, s := range c.slow() {
		k.noted = time.Now()
		c.note("checkpoint %d: %s", k.gen, s)
	}
}

// inOrder are the members by rank, then by arrival.
func (c *Coordinator) inOrder() []*member {
	return slices.SortedStableFunc(slices.Values(c.members), func(a, b *member) int { return cmp.Compare(a.rank, b.rank) })
}

// short names a member in few words.
func (m *member) short() string {
	if m.mpi() {
		return fmt.Sprintf("rank %d on %s", m.rank, m.host)
	}
	return fmt.Sprintf("%s (pid %d on %s)", m.prog, m.pid, m.host)
}

func (m *member) stalled() string {
	if m.target == "" {
		return m.stall
	}
	return m.stall + ", target of " + m.target + " not reached"
}

// watchRows are the members, one line each.
func (c *Coordinator) watchRows() []wire.Message {
	var rows []wire.Message
	for _, m := range c.inOrder() {
		text := m.short()
		if m.mpi() {
			text += ", " + m.prog
		}
		text += ": " + m.doing(c.ckpt)
		rows = append(rows, wire.New("ROW", "text", text))
		if len(rows) == maxRows {
			break
		}
	}
	return rows
}

// doing says what a member is at.
func (m *member) doing(k *checkpoint) string {
	bytes := ""
	if m.total > 0 {
		bytes = fmt.Sprintf(" %s of %s", progress.Bytes(m.done), progress.Bytes(m.total))
	}
	switch {
	case m.state == stateRestarting:
		return "is restored" + bytes
	case k == nil || k.parts[m] == nil:
		return "runs"
	}
	p := k.parts[m]
	switch {
	case p.resumed:
		return "runs"
	case p.written:
		return "written" + bytes
	case p.copied:
		return "runs, is written" + bytes
	case k.phase == draining:
		return "is copied"
	case m.stall != "":
		return m.stalled()
	case p.converged:
		return "stands still"
	}
	return "comes to a halt"
}

// progressed takes a member's report of how far it is.
func (c *Coordinator) progressed(m *member, msg wire.Message) {
	if msg.Int("gen", -1) != c.generation {
		return
	}
	m.done, m.total = int64(msg.Int("done", 0)), int64(msg.Int("total", 0))
	m.stall, m.target = msg.Get("stall"), msg.Get("target")
}

// forgetProgress begins anew for everybody.
func (c *Coordinator) forgetProgress() {
	for _, m := range c.members {
		m.done, m.total, m.stall, m.target = 0, 0, "", ""
	}
}

// showProgress keeps a line about what is under way on the coordinator's
// terminal.
func (c *Coordinator) showProgress(t *progress.Terminal) {
	w := &watcher{out: make(chan []wire.Message, 1)}
	c.post(func() { c.watch(w) })
	for {
		select {
		case msgs := <-w.out:
			t.Show(progress.Parse(msgs[len(msgs)-1]).Line())
		case <-c.done:
			t.Show("")
			return
		}
	}
}

// serveTerminal makes standard error the place of such a line if it is a
// terminal, and returns where the log goes then.
func serveTerminal(o *options) *progress.Terminal {
	if o.Quiet > 0 || o.CoordLogfile != "" {
		return nil
	}
	return progress.OnTerminal(os.Stderr)
}
