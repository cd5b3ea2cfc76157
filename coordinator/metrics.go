package coordinator

import (
	"fmt"
	"strings"
	"time"

	"mana/wire"
)

// metrics is the state of the computation in the text format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).
func (c *Coordinator) metrics() string {
	var b strings.Builder
	metric := func(name, kind, help string, samples ...string) {
		fmt.Fprintf(&b, "# HELP mana_%s %s\n# TYPE mana_%s %s\n", name, help, name, kind)
		for _, s := range samples {
			fmt.Fprintf(&b, "mana_%s%s\n", name, s)
		}
	}
	number := func(v any) string { return fmt.Sprintf(" %v", v) }
	h := &c.history
	metric("computation_info", "gauge", "The computation that is coordinated.",
		fmt.Sprintf("{computation=%q,host=%q,port=\"%d\"} 1", c.computation, wire.LocalName(), c.port))
	metric("processes", "gauge", "Processes under control.", number(c.peers()))
	ranks, size := c.ranks()
	metric("ranks", "gauge", "Ranks of the MPI job that are connected.", number(ranks))
	metric("ranks_expected", "gauge", "Size of the MPI job, 0 without MPI.", number(size))
	metric("generation", "gauge", "Number of the last checkpoint that was begun.", number(c.generation))
	metric("checkpoint_in_progress", "gauge", "1 while a checkpoint is under way.", number(num(c.ckpt != nil)))
	metric("checkpoint_interval_seconds", "gauge", "Time between checkpoints, 0 for none.", number(c.cfg.Interval))
	metric("checkpoints_total", "counter", "Checkpoints that are over.",
		fmt.Sprintf("{result=\"committed\"} %d", h.committed), fmt.Sprintf("{result=\"failed\"} %d", h.failed))
	var phases []string
	for p, name := range phaseNames {
		phases = append(phases, fmt.Sprintf("_sum{phase=%q} %v", name, h.phases[p].Seconds()),
			fmt.Sprintf("_count{phase=%q} %d", name, h.committed))
	}
	metric("checkpoint_phase_seconds", "summary", "Duration of the phases of committed checkpoints.", phases...)
	metric("checkpoint_stall_seconds", "summary", "Time that the programs stood still for committed checkpoints, at most.",
		fmt.Sprintf("_sum %v", h.stalled.Seconds()), fmt.Sprintf("_count %d", h.committed))
	metric("checkpoint_bytes_total", "counter", "Bytes of committed images.", number(h.bytes))
	if !h.last.IsZero() {
		metric("last_checkpoint_timestamp_seconds", "gauge", "When the last checkpoint was committed.", number(unixSeconds(h.last)))
		metric("last_checkpoint_stall_seconds", "gauge", "Time that the programs stood still for it, at most.", number(h.lastStall.Seconds()))
		metric("last_checkpoint_duration_seconds", "gauge", "Time from its beginning to its end.", number(h.lastTook.Seconds()))
		metric("last_checkpoint_bytes", "gauge", "Bytes of its images.", number(h.lastBytes))
	}
	metric("restarts_total", "counter", "Restarts that are over.",
		fmt.Sprintf("{result=\"complete\"} %d", h.restarts), fmt.Sprintf("{result=\"failed\"} %d", h.failedRestarts))
	return b.String()
}

// unixSeconds avoids the exponent that %v gives a large float.
func unixSeconds(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }

// ranks counts the connected ranks and tells how many the job has.
func (c *Coordinator) ranks() (connected, size int) {
	for _, m := range c.members {
		if m.mpi() {
			connected, size = connected+1, max(size, m.nranks, m.rank+1)
		}
	}
	return connected, size
}

// metricRows are the lines of the metrics as an answer.
func (c *Coordinator) metricRows() []wire.Message {
	var rows []wire.Message
	for line := range strings.Lines(c.metrics()) {
		rows = append(rows, wire.New("ROW", "text", strings.TrimSuffix(line, "\n")))
	}
	return rows
}
