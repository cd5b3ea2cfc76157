package drain

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// A simulated MPI program: each rank runs its list of calls. Lists come from
// one global order of events, so the program is correct: run without
// checkpoints it ends.
type call struct {
	kind string // "coll", "rooted", "send", "recv", "compute"
	comm int    // coll, rooted
	peer int    // send, recv
}

type simRank struct {
	calls   []call
	pc      int
	inside  bool // entered a synchronising collective, waits for the others
	entered map[int]uint64
	clocks  map[int]uint64
	targets map[int]uint64
	tokens  int
	colls   bool // tokens are good for collectives too
	version uint64
	known   bool
}

type sim struct {
	comms   [][]int
	kinds   []Kind
	ranks   []*simRank
	inbox   map[[2]int]int // messages in flight per (src, dst)
	pending bool
	rnd     *rand.Rand
}

func newSim(rnd *rand.Rand, ranks, events int) *sim {
	s := &sim{inbox: map[[2]int]int{}, rnd: rnd}
	world := make([]int, ranks)
	for i := range world {
		world[i] = i
		s.ranks = append(s.ranks, &simRank{entered: map[int]uint64{}, clocks: map[int]uint64{}, targets: map[int]uint64{}})
	}
	s.comms, s.kinds = [][]int{world}, []Kind{Comm}
	for range 3 {
		members := slices.Clone(world)
		rnd.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		members = members[:2+rnd.IntN(ranks-1)]
		slices.Sort(members)
		s.comms = append(s.comms, members)
		s.kinds = append(s.kinds, []Kind{Comm, Group}[rnd.IntN(2)])
	}
	for c, members := range s.comms {
		for _, m := range members {
			if s.kinds[c] == Comm {
				s.ranks[m].clocks[c] = 0
			}
		}
	}
	for range events {
		switch rnd.IntN(4) {
		case 0, 1:
			src, dst := rnd.IntN(ranks), rnd.IntN(ranks)
			if src != dst {
				s.add(src, call{kind: "send", peer: dst})
				s.add(dst, call{kind: "recv", peer: src})
			}
		case 2:
			c := rnd.IntN(len(s.comms))
			kind := []string{"coll", "rooted"}[rnd.IntN(2)]
			for _, m := range s.comms[c] {
				s.add(m, call{kind: kind, comm: c})
			}
		case 3:
			s.add(rnd.IntN(ranks), call{kind: "compute"})
		}
	}
	return s
}

func (s *sim) add(rank int, c call) { s.ranks[rank].calls = append(s.ranks[rank].calls, c) }

func (r *simRank) moving() bool {
	for c, t := range r.targets {
		if r.clocks[c] < t {
			return true
		}
	}
	return false
}

// mayPass is the gate: a parked rank passes with a token, a moving one freely.
func (s *sim) mayPass(r *simRank, collective bool) bool {
	if !s.pending || r.moving() {
		return true
	}
	if r.tokens > 0 && (r.colls || !collective) {
		r.tokens--
		return true
	}
	return false
}

// step lets a rank try its next call and reports whether it got anywhere.
func (s *sim) step(i int) bool {
	r := s.ranks[i]
	if r.pc >= len(r.calls) {
		return false
	}
	c := r.calls[r.pc]
	if r.inside {
		for _, m := range s.comms[c.comm] {
			if s.ranks[m].entered[c.comm] < r.entered[c.comm] {
				return false
			}
		}
		r.inside = false
		r.pc++
		return true
	}
	switch c.kind {
	case "recv":
		if s.inbox[[2]int{c.peer, i}] == 0 || !s.mayPass(r, false) {
			return false
		}
		s.inbox[[2]int{c.peer, i}]--
	case "compute":
	default:
		if !s.mayPass(r, c.kind != "send") {
			return false
		}
		switch c.kind {
		case "send":
			s.inbox[[2]int{i, c.peer}]++
		case "rooted":
			r.clocks[c.comm]++
			r.entered[c.comm]++
		case "coll":
			r.clocks[c.comm]++
			r.entered[c.comm]++
			r.inside = true
			return true
		}
	}
	r.pc++
	return true
}

func (s *sim) report(i int) Report {
	r := s.ranks[i]
	if s.rnd.IntN(4) == 0 {
		r.tokens = 0 // unused ones expire
	}
	rep := Report{Version: r.version, Quiet: !r.inside && !r.moving() && r.tokens == 0}
	rep.Blocked = r.inside || (r.moving() && r.pc < len(r.calls) && r.calls[r.pc].kind == "recv" &&
		s.inbox[[2]int{r.calls[r.pc].peer, i}] == 0)
	for c, n := range r.clocks {
		k := Clock{GID: uint64(c), Kind: s.kinds[c], Count: n}
		if k.Kind == Group {
			k.Members = s.comms[c]
		}
		rep.Clocks = append(rep.Clocks, k)
	}
	return rep
}

func (s *sim) obey(orders []Order) {
	for _, o := range orders {
		r := s.ranks[o.Rank]
		r.version = o.Version
		r.tokens, r.colls = o.Release, o.Collectives
		for _, t := range o.Targets {
			r.targets[int(t.GID)] = t.Count
		}
	}
}

// converge runs the program under a pending checkpoint until it converges.
func (s *sim) converge(t *testing.T) {
	s.pending = true
	for _, r := range s.ranks {
		r.version, r.tokens, r.targets = 0, 0, map[int]uint64{}
	}
	c := New(len(s.ranks))
	for step := 0; !c.Converged(); step++ {
		if step > 200000 {
			rank, target, ok := c.Laggard()
			t.Fatalf("no convergence: laggard %d %v %v", rank, target, ok)
		}
		i := s.rnd.IntN(len(s.ranks))
		if s.rnd.IntN(3) > 0 {
			s.step(i)
			continue
		}
		orders, err := c.Report(i, s.report(i))
		if err != nil {
			t.Fatal(err)
		}
		s.obey(orders)
	}
	s.pending = false
}

// Whatever the interleaving, a correct program converges, and then no rank is
// inside a collective that another member has not entered: without the targets
// or without the release of parked ranks this hangs.
func TestConvergesOnAnyCorrectProgram(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			s := newSim(rnd, 2+rnd.IntN(6), 200)
			for range 4 {
				for range rnd.IntN(400) {
					s.step(rnd.IntN(len(s.ranks)))
				}
				s.converge(t)
				for c, members := range s.comms {
					for _, m := range members {
						if s.ranks[m].inside {
							t.Fatalf("rank %d is inside a collective", m)
						}
						if got, want := s.ranks[m].clocks[c], s.ranks[members[0]].clocks[c]; got != want {
							t.Fatalf("comm %d: rank %d at %d, rank %d at %d", c, m, got, members[0], want)
						}
					}
				}
			}
			for step := 0; ; step++ {
				done := true
				for i, r := range s.ranks {
					s.step(i)
					done = done && r.pc == len(r.calls)
				}
				if done {
					return
				}
				if step > 100000 {
					t.Fatal("the program does not end after the checkpoints")
				}
			}
		})
	}
}

// The pattern of a parked rank that a moving one needs: rank 1 has entered the
// barrier, rank 0 has to reach it but first waits for a message of rank 2,
// which is parked before sending it.
func TestReleasesTheParkedRankThatAMovingOneNeeds(t *testing.T) {
	c := New(3)
	barrier := func(n uint64) []Clock { return []Clock{{GID: 7, Kind: Comm, Count: n}} }
	mustReport(t, c, 0, Report{Blocked: true, Clocks: barrier(0)})
	mustReport(t, c, 1, Report{Blocked: true, Clocks: barrier(1)})
	orders := mustReport(t, c, 2, Report{Quiet: true})
	if want := []Order{{Rank: 0, Version: 1, Targets: []Target{{7, Comm, 1}}}}; !reflect.DeepEqual(orders, want) {
		t.Fatalf("orders %+v, want %+v", orders, want)
	}
	orders = mustReport(t, c, 0, Report{Version: 1, Blocked: true})
	if len(orders) != 3 || orders[2].Rank != 2 || orders[2].Release != 1 || orders[0].Release != 0 {
		t.Fatalf("orders %+v: rank 2 is not released", orders)
	}
	if c.Converged() {
		t.Fatal("converged while rank 0 has not reached the barrier")
	}
}

// A member that lacks a group clock counts as 0; one that lacks a communicator
// clock is not bound by it.
func TestAbsentClocks(t *testing.T) {
	for _, tc := range []struct {
		kind   Kind
		orders int
	}{{Comm, 0}, {Group, 1}} {
		c := New(2)
		k := Clock{GID: 9, Kind: tc.kind, Count: 3}
		if tc.kind == Group {
			k.Members = []int{0, 1}
		}
		mustReport(t, c, 0, Report{Quiet: true, Clocks: []Clock{k}})
		if orders := mustReport(t, c, 1, Report{Quiet: true}); len(orders) != tc.orders {
			t.Errorf("kind %c: orders %+v, want %d", tc.kind, orders, tc.orders)
		}
		if got, want := c.Converged(), tc.orders == 0; got != want {
			t.Errorf("kind %c: converged = %v", tc.kind, got)
		}
	}
}

func TestReportRefusesNonsense(t *testing.T) {
	c := New(2)
	for name, r := range map[string]Report{
		"member out of range": {Clocks: []Clock{{GID: 1, Kind: Group, Members: []int{0, 5}}}},
	} {
		if _, err := c.Report(0, r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := c.Report(2, Report{}); err == nil {
		t.Error("rank out of range: accepted")
	}
}

func mustReport(t *testing.T, c *Convergence, rank int, r Report) []Order {
	t.Helper()
	orders, err := c.Report(rank, r)
	if err != nil {
		t.Fatal(err)
	}
	return orders
}

func TestTextRoundTrip(t *testing.T) {
	clocks := []Clock{
		{GID: 0xdeadbeef, Kind: Comm, Count: 12},
		{GID: 1, Kind: Group, Count: 3, Members: []int{0, 1, 2, 5, 7, 8}},
	}
	text := FormatClocks(clocks)
	if want := "cdeadbeef:12,g1:3:0-2+5+7-8"; text != want {
		t.Fatalf("%q, want %q", text, want)
	}
	back, err := ParseClocks(text)
	if err != nil || !reflect.DeepEqual(back, clocks) {
		t.Fatalf("%+v, %v", back, err)
	}
	targets := []Target{{0xff, Comm, 4}, {2, Group, 9}}
	tback, err := ParseTargets(FormatTargets(targets))
	if err != nil || !reflect.DeepEqual(tback, targets) {
		t.Fatalf("%+v, %v", tback, err)
	}
	gids, err := ParseGIDs(FormatGIDs([]uint64{1, 0xabc}))
	if err != nil || !reflect.DeepEqual(gids, []uint64{1, 0xabc}) {
		t.Fatalf("%v, %v", gids, err)
	}
}

func FuzzParseClocks(f *testing.F) {
	f.Add("cdeadbeef:12,g1:3:0-2+5")
	f.Add("g1:3:5-2")
	f.Fuzz(func(t *testing.T, s string) {
		clocks, err := ParseClocks(s)
		if err != nil {
			return
		}
		again, err := ParseClocks(FormatClocks(clocks))
		if err != nil || !reflect.DeepEqual(again, clocks) {
			t.Fatalf("%q: %+v, then %+v (%v)", s, clocks, again, err)
		}
	})
}

// A rank that has reached its targets but waits inside the library, for a lock
// that a parked rank holds, gets the parked rank released.
func TestBlockedWithoutTargetReleases(t *testing.T) {
	c := New(2)
	if _, err := c.Report(0, Report{Quiet: true}); err != nil {
		t.Fatal(err)
	}
	orders, err := c.Report(1, Report{})
	if err != nil || len(orders) != 0 {
		t.Fatalf("a rank that is busy: orders %v, %v; want none", orders, err)
	}
	orders, err = c.Report(1, Report{Blocked: true})
	if err != nil {
		t.Fatal(err)
	}
	released := false
	for _, o := range orders {
		released = released || o.Rank == 0 && o.Release > 0
	}
	if !released || c.Converged() {
		t.Errorf("orders %v, converged %v; want a release of rank 0", orders, c.Converged())
	}
}

// A rank that has ended neither reports nor moves, whatever the clocks of the
// groups that it was a member of.
func TestRankThatLeft(t *testing.T) {
	c := New(2)
	c.Leave(1)
	orders, err := c.Report(0, Report{Quiet: true, Clocks: []Clock{{GID: 1, Kind: Group, Count: 1, Members: []int{0, 1}}}})
	if err != nil || len(orders) != 0 || !c.Converged() || len(c.Silent()) != 0 {
		t.Errorf("orders %v, %v, converged %v, silent %v", orders, err, c.Converged(), c.Silent())
	}
}
