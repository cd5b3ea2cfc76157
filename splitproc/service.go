package splitproc

import (
	"fmt"
	"sync/atomic"

	"mana/task"
)

// Answer serves a request that the program has left in the page, if any: it
// stops the asking thread, loads a lower half and lets the thread go on. An
// error has been told to the program, which ends with it.
//
// It takes an OS thread of its own for as long as it lasts.
func (c *Control) Answer(o LowerOptions) error {
	if atomic.LoadUint32(&c.Req) != ReqLower || !atomic.CompareAndSwapUint32(&c.Req, ReqLower, ReqNone) {
		return nil
	}
	tid := int(atomic.LoadUint32(&c.ReqTID))
	tracer := task.NewTracer()
	defer tracer.Close()
	err := tracer.Do(func() error { return load(tid, c, o) })
	if err != nil {
		err = fmt.Errorf("load the MPI library: %w", err)
		c.SetErr(err.Error())
		c.Reply(2)
		return err
	}
	c.Reply(1)
	return nil
}

func load(tid int, c *Control, o LowerOptions) error {
	t, err := task.Seize(tid)
	if err != nil {
		return err
	}
	if _, err := t.InterruptWait(callDeadline); err != nil {
		t.Detach(0)
		return err
	}
	err = Prepare(t, c, o)
	if e := t.Detach(0); err == nil {
		err = e
	}
	return err
}
