package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"mana/e2e/harness"
)

// Outcome is how one run of an entry went.
type Outcome struct {
	ID     string
	Fault  string        // "" is a pass
	Took   time.Duration // of a run without interruptions
	Saved  bool          // a checkpoint was taken while it ran
	Detail string        `json:",omitempty"`
}

// runner runs entries, one at a time: the harness kills by ancestry.
type runner struct {
	env      *harness.Env
	suite    *Suite
	mpi      harness.MPI
	attempts int           // at hitting an entry with a checkpoint
	limit    time.Duration // of native runs
	random   *rand.Rand
}

func (r *runner) spec(e *Entry) harness.Spec {
	return harness.Spec{MPI: r.mpi, Ranks: e.Ranks, Command: append([]string{r.suite.Program(e)}, e.Args...), Env: e.Env}
}

// native runs an entry without the product.
func (r *runner) native(e *Entry) Outcome {
	j, err := r.env.NewNative(r.spec(e))
	if err != nil {
		return Outcome{ID: e.ID(), Fault: err.Error()}
	}
	defer j.Close()
	return r.finish(j, e, min(e.Limit, r.limit), "")
}

// under runs an entry under the product without disturbing it.
func (r *runner) under(e *Entry, took time.Duration) Outcome {
	j, err := r.env.NewJob(r.spec(e))
	if err != nil {
		return Outcome{ID: e.ID(), Fault: err.Error()}
	}
	if err := j.Launch(); err != nil {
		return closed(j, Outcome{ID: e.ID(), Fault: err.Error()})
	}
	return closed(j, r.finish(j, e, patience(took), ""))
}

// disturbed runs an entry under the product and takes a checkpoint at a random
// moment of the time that it is known to take; with kill the checkpoint kills it,
// so that it cannot go on changing its files, and it is restarted. A run that was
// over before its checkpoint is repeated with an earlier moment.
func (r *runner) disturbed(e *Entry, took time.Duration, kill bool) Outcome {
	var o Outcome
	within := took
	for range r.attempts {
		moment := time.Duration(r.random.Int64N(int64(within) + 1))
		o = r.once(e, took, moment, kill)
		if o.Saved || o.Fault != "" {
			return o
		}
		within = moment
	}
	return o
}

func (r *runner) once(e *Entry, took, moment time.Duration, kill bool) Outcome {
	j, err := r.env.NewJob(r.spec(e))
	if err != nil {
		return Outcome{ID: e.ID(), Fault: err.Error()}
	}
	began := time.Now()
	if err := j.Launch(); err != nil {
		return closed(j, Outcome{ID: e.ID(), Fault: err.Error()})
	}
	if err := j.WaitRunning(e.Ranks); err == nil && !j.Run.Ended() {
		j.Run.Wait(moment - time.Since(began)) // a moment, not a condition
	}
	command := "--bcheckpoint"
	if kill {
		command = "--kcheckpoint"
	}
	saved, fault := checkpoint(j, command)
	if fault != "" {
		return closed(j, Outcome{ID: e.ID(), Fault: fault, Detail: harness.State()})
	}
	before := ""
	if saved && kill {
		if before, err = r.revive(j); err != nil {
			return closed(j, Outcome{ID: e.ID(), Fault: first(err.Error()), Detail: err.Error(), Saved: true})
		}
	}
	o := r.finish(j, e, patience(took), before)
	o.Saved = saved
	return closed(j, o)
}

// checkpoint takes one, if the job lives long enough: a failure counts only if
// the job goes on.
func checkpoint(j *harness.Job, command string) (saved bool, fault string) {
	p, err := j.Ask(command)
	var hang *harness.ErrHang
	switch {
	case err == nil:
		return true, ""
	case errors.As(err, &hang):
		return false, "the checkpoint hangs"
	case j.Run.Wait(2*time.Second) == nil, j.Run.Ended():
		return false, ""
	}
	return false, "checkpoint: " + first(p.Stderr())
}

// revive ends what is left of a killed job and restarts it; what it had written until then is returned.
func (r *runner) revive(j *harness.Job) (string, error) {
	if err := j.Kill(); err != nil {
		return "", err
	}
	before := j.Run.Stdout()
	return before, j.Restart()
}

// patience is how long a run under the product may take that natively took so long.
func patience(took time.Duration) time.Duration { return 45*time.Second + 20*took }

// finish waits for the end and judges the output. A pass that was written before
// the checkpoint is not written again by what was restarted from it.
func (r *runner) finish(j *harness.Job, e *Entry, limit time.Duration, before string) Outcome {
	began := time.Now()
	err := j.Run.Wait(limit)
	o := Outcome{ID: e.ID(), Took: time.Since(began)}
	var hang *harness.ErrHang
	if errors.As(err, &hang) {
		o.Fault, o.Detail = fmt.Sprintf("not over after %v", limit), err.Error()
		if err := j.KillTree(); err != nil {
			o.Detail += "\n" + err.Error()
		}
		return o
	}
	output := j.Run.Stdout() + j.Run.Stderr()
	if o.Fault = judge(e.Check, j.Run.ExitCode(), output); o.Fault != "" && goodLine.MatchString(before) {
		o.Fault = judge(e.Check, j.Run.ExitCode(), before+output)
	}
	if o.Fault != "" {
		o.Detail = output
	}
	return o
}

// closed ends the job of an outcome; what it leaves behind is a fault too.
func closed(j *harness.Job, o Outcome) Outcome {
	if !j.Run.Ended() {
		j.KillTree()
	}
	if err := j.Close(); err != nil && o.Fault == "" {
		o.Fault, o.Detail = first(err.Error()), err.Error()
	}
	return o
}

func first(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
