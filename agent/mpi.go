package agent

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mana/drain"
	"mana/splitproc"
	"mana/task"
)

// initGID is the clock of MPI_Init itself, which the agent keeps: the stub has
// no clocks before it. Communicators' ids are hashes and never this small.
const initGID = 1

// mpiProgram is what the agent sees of an MPI program through its control page.
type mpiProgram struct {
	pid          int // that the agent started; see owner
	rank, nranks int
	ctl          *splitproc.Control
	tracing      sync.Mutex // held by who traces the program
}

// announce tells the program that a checkpoint is coming: threads park at
// their next MPI call and interruptible waits come back from the lower half.
func (m *mpiProgram) announce() {
	atomic.StoreUint32(&m.ctl.Tokens, 0)
	atomic.StoreUint32(&m.ctl.Pending, 1)
	m.ctl.WakeIntr()
}

// release ends a checkpoint for the program: parked threads go on.
func (m *mpiProgram) release() {
	m.ctl.WithLock(func() error {
		for i := range m.clocks() {
			atomic.StoreUint64(&m.ctl.Clocks[i].Target, 0)
		}
		return nil
	})
	atomic.StoreUint32(&m.ctl.Tokens, 0)
	atomic.StoreUint32(&m.ctl.Pending, 0)
	m.ctl.WakeIntr()
}

// clocks is the used part of the clock table.
func (m *mpiProgram) clocks() []splitproc.Clock {
	n := atomic.LoadUint32(&m.ctl.NClocks)
	return m.ctl.Clocks[:min(n, uint32(len(m.ctl.Clocks)))]
}

// readClocks returns the program's clocks, communicators and groups.
func (m *mpiProgram) readClocks() ([]drain.Clock, error) {
	var out []drain.Clock
	if m.nranks > 1 && m.ctl.State() != splitproc.NotInited {
		out = append(out, drain.Clock{GID: initGID, Kind: drain.Group, Count: 1, Members: m.world()})
	}
	err := m.ctl.WithLock(func() error {
		for i := range m.clocks() {
			k := &m.ctl.Clocks[i]
			clock := drain.Clock{GID: k.GID, Count: atomic.LoadUint64(&k.Count)}
			switch atomic.LoadUint32(&k.Kind) {
			case splitproc.ClockComm:
				clock.Kind = drain.Comm
			case splitproc.ClockGroup:
				if k.NMembers == 0 {
					continue // ours, from a target: the program has not made it yet
				}
				clock.Kind = drain.Group
				members, err := readRanks(m.owner(), k.Members, int(k.NMembers))
				if err != nil {
					return fmt.Errorf("read the members of clock %x: %w", k.GID, err)
				}
				clock.Members = members
			default:
				continue
			}
			out = append(out, clock)
		}
		return nil
	})
	return out, err
}

func (m *mpiProgram) world() []int {
	world := make([]int, m.nranks)
	for i := range world {
		world[i] = i
	}
	return world
}

// setTargets writes targets into the clock table. A group clock that the
// program does not have yet is made for it; the stub adopts it by its id.
func (m *mpiProgram) setTargets(targets []drain.Target) error {
	return m.ctl.WithLock(func() error {
		for _, t := range targets {
			if t.GID == initGID {
				continue
			}
			if err := m.setTarget(t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *mpiProgram) setTarget(t drain.Target) error {
	free := -1
	for i := range m.clocks() {
		k := &m.ctl.Clocks[i]
		kind := atomic.LoadUint32(&k.Kind)
		if kind == splitproc.ClockFree {
			if free < 0 {
				free = i
			}
			continue
		}
		if k.GID == t.GID {
			atomic.StoreUint64(&k.Target, t.Count)
			return nil
		}
	}
	if t.Kind != drain.Group {
		return nil // freed meanwhile: the group clock of its members tells
	}
	if free < 0 {
		free = int(atomic.LoadUint32(&m.ctl.NClocks))
		if free >= len(m.ctl.Clocks) {
			return fmt.Errorf("the clock table of process %d is full", m.pid)
		}
		atomic.StoreUint32(&m.ctl.NClocks, uint32(free+1))
	}
	k := &m.ctl.Clocks[free]
	*k = splitproc.Clock{GID: t.GID, Target: t.Count}
	atomic.StoreUint32(&k.Kind, splitproc.ClockGroup)
	return nil
}

// moving tells whether a clock of the program is below its target.
func (m *mpiProgram) moving(targets map[uint64]uint64) bool {
	if targets[initGID] > 0 && m.ctl.State() == splitproc.NotInited {
		return true
	}
	for i := range m.clocks() {
		k := &m.ctl.Clocks[i]
		if atomic.LoadUint32(&k.Kind) != splitproc.ClockFree &&
			atomic.LoadUint64(&k.Count) < atomic.LoadUint64(&k.Target) {
			return true
		}
	}
	return false
}

// posture is where the program's threads are, taken together.
type posture struct {
	quiet   bool   // all outside of MPI or parked, nothing released is left
	waiting bool   // somebody waits inside MPI, nobody does anything else there
	held    bool   // … and only a call of a peer lets it out of there
	mark    uint64 // changes whenever a thread gets anywhere
}

func (m *mpiProgram) posture() posture {
	p := posture{mark: uint64(atomic.LoadUint32(&m.ctl.Doorbell)) << 32}
	in, waiting := m.ctl.State() == splitproc.Initing, false
	m.ctl.EachThread(func(t *splitproc.Thread) {
		p.mark += atomic.LoadUint64(&t.Calls)*8 + uint64(t.At())
		switch t.At() {
		case splitproc.In:
			in = true
		case splitproc.Wait, splitproc.Coll:
			waiting = true
		case splitproc.Held:
			waiting, p.held = true, true
		}
	})
	if m.ctl.State() == splitproc.Initing {
		in, waiting = false, true // waits for the other ranks
	}
	p.quiet = !in && !waiting && atomic.LoadUint32(&m.ctl.Tokens)&^splitproc.TokensColl == 0
	p.waiting, p.held = waiting && !in, p.held && !in
	return p
}

// converger runs one checkpoint's convergence for the program.
type converger struct {
	m       *mpiProgram
	orders  chan drain.Order
	send    func(drain.Report)
	targets map[uint64]uint64
	sent    map[uint64]uint64
	version uint64
	stable  time.Time // since when mark has not changed
	mark    uint64
	last    drain.Report
	forced  bool
	since   time.Time // … since the program was seen to get anywhere
	told    time.Time // when the stall was
	tell    func(stall, target string)
	wishes  *wishes // nil: the program has none
}

// settle is how long a rank has to stand still in a wait before it counts as
// blocked, and released calls that nobody takes expire. Too short a time costs
// a needless release, too long a time delays a checkpoint that needs one.
const settle = 20 * time.Millisecond

// wishStall is how long a rank that has to move must have stood still before it
// is taken to wait for the very checkpoint that it holds up.
const wishStall = 200 * time.Millisecond

// run reports the program's clocks and obeys orders until stop is closed.
func (c *converger) run(stop <-chan struct{}) error {
	c.targets, c.sent = map[uint64]uint64{}, map[uint64]uint64{}
	c.stable, c.forced = time.Now(), true
	c.since, c.told = c.stable, c.stable
	for {
		select {
		case <-stop:
			return nil
		case o := <-c.orders:
			if err := c.obey(o); err != nil {
				return err
			}
		default:
		}
		bell := atomic.LoadUint32(&c.m.ctl.Doorbell)
		if err := c.report(); err != nil {
			if exiting(c.m.owner()) {
				return nil // the coordinator hears of its end
			}
			return err
		}
		c.m.ctl.WaitDoorbell(bell, settle/4)
	}
}

func (c *converger) obey(o drain.Order) error {
	for _, t := range o.Targets {
		c.targets[t.GID] = t.Count
	}
	if err := c.m.setTargets(o.Targets); err != nil {
		return err
	}
	tokens := uint32(o.Release)
	if o.Collectives {
		tokens |= splitproc.TokensColl
	}
	if c.m.ctl.State() == splitproc.NotInited && c.targets[initGID] > 0 {
		tokens++ // MPI_Init itself: the others are in it already
	}
	atomic.StoreUint32(&c.m.ctl.Tokens, tokens)
	c.version = o.Version
	c.stable, c.forced = time.Now(), true
	c.m.ctl.WakeIntr()
	return nil
}

// report tells the coordinator what has changed since the last time.
func (c *converger) report() error {
	clocks, err := c.m.readClocks()
	if err != nil {
		return err
	}
	p := c.m.posture()
	moving := c.m.moving(c.targets)
	if p.mark != c.mark {
		c.mark, c.stable = p.mark, time.Now()
		c.since = c.stable
	}
	if (moving || !p.quiet) && time.Since(c.told) > stallAfter {
		c.told = time.Now()
		c.tell(c.stall(p), c.m.behind(c.targets))
	}
	if c.wishes != nil && moving && time.Since(c.since) > wishStall {
		c.wishes.board.LetMove()
	}
	still := time.Since(c.stable) > settle
	if still && !moving {
		atomic.StoreUint32(&c.m.ctl.Tokens, 0)
		if p.waiting {
			// A released call that has gone back to waiting for its peer: park it.
			c.stable = time.Now()
			c.m.ctl.WakeIntr()
		}
	}
	r := drain.Report{Version: c.version, Quiet: p.quiet && !moving, Blocked: still && (p.held || moving && p.waiting)}
	r.Clocks, r.Dropped = c.changed(clocks)
	if !c.forced && len(r.Clocks)+len(r.Dropped) == 0 && r.Quiet == c.last.Quiet && r.Blocked == c.last.Blocked {
		return nil
	}
	c.forced, c.last = false, r
	c.send(r)
	return nil
}

// changed picks the clocks that differ from what was sent last.
func (c *converger) changed(clocks []drain.Clock) (news []drain.Clock, dropped []uint64) {
	here := make(map[uint64]bool, len(clocks))
	for _, k := range clocks {
		here[k.GID] = true
		if count, ok := c.sent[k.GID]; !ok || count != k.Count {
			c.sent[k.GID] = k.Count
			news = append(news, k)
		}
	}
	for gid := range c.sent {
		if !here[gid] {
			delete(c.sent, gid)
			dropped = append(dropped, gid)
		}
	}
	slices.Sort(dropped)
	return news, dropped
}

// readRanks reads n world ranks from the program's memory; the program need not
// be stopped for that.
func readRanks(pid int, addr uint64, n int) ([]int, error) {
	if n > 1<<24 {
		return nil, fmt.Errorf("%d members", n)
	}
	raw := make([]byte, 4*n)
	reader := task.Task{TID: pid}
	if err := reader.ReadMem(addr, raw); err != nil {
		return nil, err
	}
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = int(int32(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	return ranks, nil
}
