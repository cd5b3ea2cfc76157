package coordinator

import (
	"fmt"

	"mana/drain"
	"mana/wire"
)

// clockReport takes one report of a member's collective clocks and passes on
// the orders that follow. A program without MPI has none and is quiet.
func (c *Coordinator) clockReport(m *member, p *part, msg wire.Message) {
	k := c.ckpt
	p.converged, p.quiet = true, msg.Bool("quiet") || !msg.Bool("mpi")
	if !m.mpi() || k.clocks == nil {
		return
	}
	clocks, err := drain.ParseClocks(msg.Get("clocks"))
	if err != nil {
		c.abort(fmt.Sprintf("%s: %v", m, err))
		return
	}
	dropped, err := drain.ParseGIDs(msg.Get("dropped"))
	if err != nil {
		c.abort(fmt.Sprintf("%s: %v", m, err))
		return
	}
	orders, err := k.clocks.Report(m.rank, drain.Report{
		Version: uint64(max(0, msg.Int("version", 0))), Quiet: msg.Bool("quiet") || !msg.Bool("mpi"), Blocked: msg.Bool("blocked"),
		Clocks: clocks, Dropped: dropped,
	})
	if err != nil {
		c.abort(err.Error())
		return
	}
	c.order(orders)
}

func (c *Coordinator) order(orders []drain.Order) {
	for _, o := range orders {
		for m := range c.ckpt.parts {
			if m.rank == o.Rank {
				m.send(wire.New("TARGETS", "gen", c.ckpt.gen, "version", o.Version,
					"targets", drain.FormatTargets(o.Targets), "release", o.Release, "collectives", o.Collectives))
			}
		}
	}
}

// hasEnded takes note of a rank that has left MPI and ends: it is missing from
// later generations, and a restart ends it with the same status.
func (c *Coordinator) hasEnded(m *member, msg wire.Message) {
	if !m.mpi() {
		return
	}
	if c.ended == nil {
		c.ended = map[int]int{}
	}
	c.ended[m.rank] = msg.Int("status", 0)
}

// parseEnded takes the ranks and the statuses that a restarting agent names.
func parseEnded(ranks, statuses []int) map[int]int {
	ended := map[int]int{}
	for i := range min(len(ranks), len(statuses)) {
		ended[ranks[i]] = statuses[i]
	}
	return ended
}

// absent names the ranks of an MPI job that are not members: they have ended.
func (k *checkpoint) absent(world int) []int {
	here := make([]bool, world)
	for m := range k.parts {
		if m.mpi() && m.rank < world {
			here[m.rank] = true
		}
	}
	var ranks []int
	for r, ok := range here {
		if !ok {
			ranks = append(ranks, r)
		}
	}
	return ranks
}
