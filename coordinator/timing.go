package coordinator

import "time"

// times are when the phases of a checkpoint began and when it was over.
type times [ending + 2]time.Time

func (t *times) mark(p phase) { t[p] = time.Now() }

// lasted is how long a phase took; 0 if it was not reached.
func (t *times) lasted(p phase) time.Duration {
	if t[p].IsZero() || t[p+1].IsZero() {
		return 0
	}
	return t[p+1].Sub(t[p])
}

// phaseNames are what metrics call them.
var phaseNames = [ending + 1]string{"converge", "copy", "write", "commit"}

// stall is the time that the programs stood still, or less: the copy, for
// MPI also the wait until all ranks had come to it, and the writing where a
// copy could not be had.
func (k *checkpoint) stall() time.Duration {
	d := k.times.lasted(draining)
	if k.clocks != nil {
		d += k.times.lasted(converging)
	}
	if k.held {
		d += k.times.lasted(writing)
	}
	return d
}

// history sums up the checkpoints of this coordinator's life.
type history struct {
	committed, failed, restarts, failedRestarts int

	phases    [ending + 1]time.Duration // of committed checkpoints
	stalled   time.Duration
	bytes     int64
	last      time.Time // of the last commit
	lastStall time.Duration
	lastBytes int64
	lastTook  time.Duration
}

// record takes a checkpoint that is over into the history.
func (h *history) record(k *checkpoint) {
	if k.failed != "" {
		h.failed++
		return
	}
	h.committed++
	h.last, h.lastStall, h.lastBytes = k.times[ending], k.stall(), 0
	h.lastTook = k.times[ending+1].Sub(k.times[converging])
	for p := range h.phases {
		h.phases[p] += k.times.lasted(phase(p))
	}
	for _, im := range k.images {
		h.lastBytes += im.Size
	}
	h.bytes += h.lastBytes
	h.stalled += h.lastStall
}
