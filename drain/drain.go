// Package drain decides when the ranks of an MPI computation stand still so
// that their messages can be drained and their memory saved: the rules of the
// collective clocks, without processes, sockets or time.
//
// Every communicator carries a clock that counts the collectives begun on it.
// When a checkpoint is announced each rank reports its clocks; the target of a
// clock is the maximum over the ranks that have it, and a rank whose clock is
// below a target must move on until it has caught up, for a peer waits inside
// that collective. A moving rank may begin further collectives and so raise
// targets. The ranks have converged when every clock has reached its target
// and no thread is inside the MPI library any more.
//
// Ranks that have reached all their targets park at their next MPI call. A
// moving rank can then wait for a message that a parked rank has yet to send:
// when all ranks that still have to move are blocked, the parked ones are let
// on for a few calls. A correct program cannot deadlock under this rule, for
// with enough releases it simply runs.
package drain

import (
	"fmt"
	"slices"
)

// Kind tells the two sorts of clock apart.
type Kind byte

const (
	// Comm clocks exist while their communicator does; a rank that does not
	// report one has none (not made yet, or freed) and is not bound by it.
	Comm Kind = 'c'
	// Group clocks belong to a set of ranks for ever; a member that does not
	// report one counts as 0.
	Group Kind = 'g'
)

// Clock is one clock of one rank.
type Clock struct {
	GID     uint64 // the same on every member
	Kind    Kind
	Count   uint64 // collectives begun
	Members []int  // Group only: ranks in ascending order
}

// Target is the count that a clock has to reach.
type Target struct {
	GID   uint64
	Kind  Kind
	Count uint64
}

// Report is what a rank's agent sees of it.
type Report struct {
	Version uint64   // the newest Order.Version that the rank has acted upon
	Quiet   bool     // every thread is parked or outside of MPI
	Blocked bool     // waits inside MPI and has not moved for a while
	Clocks  []Clock  // those that are new or have changed since the last report
	Dropped []uint64 // GIDs of Comm clocks that are gone since the last report
}

// Order tells a rank's agent what to do.
type Order struct {
	Rank    int
	Version uint64   // rises with every order to this rank
	Targets []Target // changed targets
	Release int      // let this many parked calls through
	// Collectives tells whether released calls may be collectives; else they
	// wait for a further release.
	Collectives bool
	// An order without targets and release asks for a fresh report.
}

// Releases double so that long chains resolve quickly, but a rank should not
// run far past the others. A released collective raises targets, and the ranks
// would chase each other until the program ends: at first only point-to-point
// calls are let on, which is nearly always what the moving ranks wait for.
const (
	doublings    = 6 // … of the calls that a release lets through
	pointToPoint = 4 // releases in a row, without any clock moving, before collectives take part
)

type rankState struct {
	reported bool
	left     bool // has ended: no clock binds it
	quiet    bool
	blocked  bool
	version  uint64            // newest order sent
	acted    uint64            // newest order acted upon
	clocks   map[uint64]uint64 // its counts
	sent     map[uint64]uint64 // targets it has been told
}

type clockState struct {
	kind    Kind
	target  uint64
	members []int // Group only
}

// Convergence follows one checkpoint of a computation from its announcement
// to the point where all ranks stand still. It is not safe for concurrent use.
type Convergence struct {
	ranks    []rankState
	clocks   map[uint64]*clockState
	releases int // since a clock last moved
}

// New starts a convergence of n ranks, numbered from 0.
func New(n int) *Convergence {
	c := &Convergence{ranks: make([]rankState, n), clocks: map[uint64]*clockState{}}
	for i := range c.ranks {
		c.ranks[i].clocks = map[uint64]uint64{}
		c.ranks[i].sent = map[uint64]uint64{}
	}
	return c
}

// Report takes a rank's report and returns the orders that follow from it.
func (c *Convergence) Report(rank int, r Report) ([]Order, error) {
	if rank < 0 || rank >= len(c.ranks) {
		return nil, fmt.Errorf("clock report of rank %d in a computation of %d ranks", rank, len(c.ranks))
	}
	s := &c.ranks[rank]
	s.reported = true
	s.quiet, s.blocked = r.Quiet, r.Blocked
	s.acted = max(s.acted, r.Version)
	for _, gid := range r.Dropped {
		delete(s.clocks, gid)
		delete(s.sent, gid)
	}
	for _, k := range r.Clocks {
		if err := c.take(rank, k); err != nil {
			return nil, err
		}
	}
	if !c.allReported() {
		return nil, nil
	}
	orders := c.targets()
	if len(orders) == 0 && c.stuck() {
		orders = c.releaseParked()
	}
	return orders, nil
}

// Leave takes note of a rank that has ended, after its last collective.
func (c *Convergence) Leave(rank int) {
	if rank >= 0 && rank < len(c.ranks) {
		s := &c.ranks[rank]
		s.reported, s.quiet, s.left = true, true, true
	}
}

// Converged tells whether every rank has reached every target, knows it, and
// stands still.
func (c *Convergence) Converged() bool {
	for i := range c.ranks {
		s := &c.ranks[i]
		if !s.reported || !s.quiet || s.acted != s.version || c.moving(i) {
			return false
		}
	}
	return true
}

// Laggard names a rank that the others wait for, and the clock that it has not
// reached; ok is false when no rank has to move.
func (c *Convergence) Laggard() (rank int, t Target, ok bool) {
	for i := range c.ranks {
		for gid, k := range c.clocks {
			if c.behind(i, gid, k) {
				return i, Target{gid, k.kind, k.target}, true
			}
		}
	}
	return 0, Target{}, false
}

// Silent returns the ranks that have not reported yet.
func (c *Convergence) Silent() []int {
	var out []int
	for i := range c.ranks {
		if !c.ranks[i].reported {
			out = append(out, i)
		}
	}
	return out
}

func (c *Convergence) take(rank int, k Clock) error {
	known := c.clocks[k.GID]
	if known == nil {
		known = &clockState{kind: k.Kind, members: k.Members}
		c.clocks[k.GID] = known
	}
	if known.kind != k.Kind || (k.Members != nil && !slices.Equal(known.members, k.Members)) {
		return fmt.Errorf("rank %d reports clock %x otherwise than another rank", rank, k.GID)
	}
	for _, m := range k.Members {
		if m < 0 || m >= len(c.ranks) {
			return fmt.Errorf("rank %d reports clock %x with member %d in a computation of %d ranks",
				rank, k.GID, m, len(c.ranks))
		}
	}
	if k.Count > c.ranks[rank].clocks[k.GID] {
		c.releases = 0
	}
	c.ranks[rank].clocks[k.GID] = k.Count
	known.target = max(known.target, k.Count)
	return nil
}

func (c *Convergence) allReported() bool {
	for i := range c.ranks {
		if !c.ranks[i].reported {
			return false
		}
	}
	return true
}

// bound tells whether a clock binds a rank, and at which count the rank is.
func (c *Convergence) bound(rank int, gid uint64, k *clockState) (count uint64, ok bool) {
	if c.ranks[rank].left {
		return 0, false
	}
	count, ok = c.ranks[rank].clocks[gid]
	if !ok && k.kind == Group {
		_, ok = slices.BinarySearch(k.members, rank)
	}
	return count, ok
}

func (c *Convergence) behind(rank int, gid uint64, k *clockState) bool {
	count, ok := c.bound(rank, gid, k)
	return ok && count < k.target
}

func (c *Convergence) moving(rank int) bool {
	for gid, k := range c.clocks {
		if c.behind(rank, gid, k) {
			return true
		}
	}
	return false
}

// targets tells each rank the targets that it is behind and does not know.
func (c *Convergence) targets() []Order {
	var orders []Order
	for i := range c.ranks {
		s := &c.ranks[i]
		var news []Target
		for gid, k := range c.clocks {
			if c.behind(i, gid, k) && s.sent[gid] != k.target {
				s.sent[gid] = k.target
				news = append(news, Target{gid, k.kind, k.target})
			}
		}
		if news != nil {
			slices.SortFunc(news, func(a, b Target) int {
				if a.GID < b.GID {
					return -1
				}
				return 1
			})
			s.version++
			orders = append(orders, Order{Rank: i, Version: s.version, Targets: news})
		}
	}
	return orders
}

// stuck tells whether somebody has to move but everybody who has to is
// blocked, with all orders acted upon. A rank that waits inside the library,
// for a lock of a window say, has to come out of there, whatever its clocks.
func (c *Convergence) stuck() bool {
	any := false
	for i := range c.ranks {
		s := &c.ranks[i]
		if s.acted != s.version {
			return false
		}
		if c.moving(i) || s.blocked {
			if !s.blocked {
				return false
			}
			any = true
		}
	}
	return any
}

// allowance is how many calls the next release lets through, and whether they
// may be collectives.
func (c *Convergence) allowance() (calls int, collectives bool) {
	n := c.releases
	if n >= pointToPoint {
		n, collectives = n-pointToPoint, true
	}
	return 1 << min(n, doublings), collectives
}

// releaseParked lets the ranks on that stand still though a peer needs them,
// and asks the moving ones to look anew whether they are blocked.
func (c *Convergence) releaseParked() []Order {
	var orders []Order
	for i := range c.ranks {
		s := &c.ranks[i]
		if s.left {
			continue
		}
		s.version++
		order := Order{Rank: i, Version: s.version}
		if !c.moving(i) {
			order.Release, order.Collectives = c.allowance()
		}
		s.quiet, s.blocked = false, false
		orders = append(orders, order)
	}
	c.releases++
	return orders
}
