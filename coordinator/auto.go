package coordinator

import (
	"fmt"
	"math"
	"time"

	"mana/cli"
	"mana/wire"
)

// auto chooses the interval between checkpoints from what they cost.
type auto struct {
	on   bool
	mtbf time.Duration // of the whole job
	cost float64       // seconds, smoothed; 0 before the first checkpoint
}

const (
	// defaultMTBF is that of a job of some nodes.
	defaultMTBF = 24 * time.Hour
	// firstCost stands in before anything has been measured, in seconds.
	firstCost = 1
	// writeShare is how much of the time in which images are written counts as
	// lost: the programs run on meanwhile, but share memory and disk with it.
	writeShare = 0.1
)

// optimum is the time to compute between two checkpoints that loses least,
// by J. T. Daly, A higher order estimate of the optimum checkpoint interval
// for restart dumps (2006), equation 37. For small costs it is Young's
// sqrt(2 cost mtbf).
func optimum(cost, mtbf float64) float64 {
	if cost >= 2*mtbf {
		return mtbf
	}
	x := math.Sqrt(cost / (2 * mtbf))
	return math.Sqrt(2*cost*mtbf)*(1+x/3+x*x/9) - cost
}

// choose is the interval in whole seconds. It is never shorter than a
// checkpoint takes, of which the writing is the longest part.
func (a *auto) choose(took time.Duration) int {
	cost := a.cost
	if cost == 0 {
		cost = firstCost
	}
	s := math.Max(optimum(cost, a.mtbf.Seconds()), took.Seconds())
	return int(math.Min(math.Max(1, math.Round(s)), math.MaxInt32))
}

// measure takes a checkpoint's cost into account.
func (a *auto) measure(k *checkpoint) {
	cost := k.stall().Seconds()
	if !k.held {
		cost += writeShare * k.times.lasted(writing).Seconds()
	}
	if a.cost == 0 {
		a.cost = cost
	} else {
		a.cost = (a.cost + cost) / 2
	}
}

// setInterval changes the interval, to whatever suits if seconds is cli.Auto.
func (c *Coordinator) setInterval(seconds int) {
	c.auto.on = seconds == cli.Auto
	c.cfg.Interval = max(0, seconds)
	if c.auto.on {
		c.cfg.Interval = c.auto.choose(c.history.lastTook)
		c.note("checkpoint interval chosen: %s", c.intervalText())
	}
	c.armInterval()
}

// retime chooses the interval anew after a checkpoint.
func (c *Coordinator) retime(k *checkpoint) {
	if !c.auto.on || k.failed != "" {
		return
	}
	c.auto.measure(k)
	if n := c.auto.choose(c.history.lastTook); n != c.cfg.Interval {
		c.cfg.Interval = n
		c.note("checkpoint interval chosen: %s", c.intervalText())
	}
}

// why tells from what the interval was chosen.
func (a *auto) why() string {
	if a.cost == 0 {
		return fmt.Sprintf("auto, until a checkpoint has been measured, MTBF %v", a.mtbf)
	}
	return fmt.Sprintf("auto: a checkpoint costs %.3g s, MTBF %v", a.cost, a.mtbf)
}

// intervalOf reads an interval of a message: seconds, cli.Auto, or -1.
func intervalOf(m wire.Message, key string) int {
	n, err := cli.ParseInterval(m.Get(key))
	if err != nil {
		return -1
	}
	return n
}
