package agent

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"mana/aware"
	"mana/manifest"
	"mana/pidns"
	"mana/process"
	"mana/splitproc"
	"mana/task"
)

// wishes is what the agent has of a program that knows of checkpoints: its
// board, and what of it has been acted upon.
type wishes struct {
	board   *aware.Board
	bell    chan struct{} // the program may want something
	asked   uint32        // checkpoints that the coordinator has been asked for
	covered uint32        // what had been asked for when the program was last stopped for one
}

func newWishes() (*wishes, error) {
	board, err := aware.New()
	if err != nil {
		return nil, err
	}
	return &wishes{board: board, bell: make(chan struct{}, 1)}, nil
}

// preload adds what a program that asks for DMTCP's functions is to be started with.
func preload(plan *splitproc.Plan) error {
	if !aware.Asks(plan.Binary()) {
		return nil
	}
	lib, err := aware.Library()
	plan.Preload = append(plan.Preload, lib)
	return err
}

// listen passes on what a program does to its board, for as long as there is a program.
func (w *wishes) listen(pid int) {
	last := uint32(0)
	for !process.Ended(pid) {
		if now := w.board.Wait(last, time.Second); now != last {
			last = now
			select {
			case w.bell <- struct{}{}:
			default:
			}
		}
	}
}

// rung looks what the program wants. A checkpoint that it had forbidden goes
// on; what it asks for while there is one is looked at when that is over.
func (a *agent) rung() {
	w := a.wishes
	if w == nil {
		return
	}
	if c := a.ckpt; c != nil {
		if c.forbidden && !w.board.Disabled() {
			c.forbidden = false
			a.converge()
		}
		return
	}
	if n := w.board.Wanted(); n != w.asked && a.link.conn != nil {
		w.asked = n
		a.link.send("WANTED")
	}
}

// taken tells the program that it has been copied.
func (w *wishes) taken() {
	if w != nil {
		w.board.Taken()
	}
}

// over tells the program how a checkpoint has ended; generation 0: it failed.
func (w *wishes) over(generation int) {
	if w == nil {
		return
	}
	if generation == 0 {
		w.covered = w.board.Wanted()
	}
	w.asked = w.covered
	w.board.End(w.covered, generation)
}

// bell is nil for programs that want nothing.
func (a *agent) bell() <-chan struct{} {
	if a.wishes == nil {
		return nil
	}
	return a.wishes.bell
}

// forbids announces a checkpoint to a program that knows of such, and tells
// whether it must wait.
func (a *agent) forbids() bool {
	w := a.wishes
	if w == nil {
		return false
	}
	a.tellPlace(a.ckpt.gen)
	w.board.Announce()
	return w.board.Disabled()
}

// tellPlace tells the program where its image of a generation is, or will be.
func (a *agent) tellPlace(gen int) {
	p := a.programs[0]
	dir := a.imageDir(p, gen)
	_, image := manifest.ImageNames(a.cfg.Rank, gen, p.name, p.upid)
	a.wishes.board.Tell(dir, filepath.Join(dir, image), p.upid)
}

// exclude leaves the board out of what is saved of a process, and tells whether it has one.
func (w *wishes) exclude(pid int, o *process.Options) bool {
	if w == nil || !aware.Mapped(pid) {
		return false
	}
	o.Exclude = append(o.Exclude, task.Range{Addr: aware.Addr, Len: aware.Size})
	return true
}

// noteBoard adds the board to the snapshots of those that have it.
func (f *family) noteBoard() error {
	w := f.a.wishes
	if w == nil {
		return nil
	}
	w.covered = w.board.Wanted()
	raw, err := w.board.Save()
	for _, s := range f.all {
		if s.hasBoard {
			s.s.State.Board = raw
		}
	}
	return err
}

// restoreBoard gives rebuilt processes their board again. It runs on the
// tracer's thread. dropCaps: only without its capabilities can they look into the agent.
func (a *agent) restoreBoard(all []*process.Restored, generation int, dropCaps bool) error {
	if !slices.ContainsFunc(all, func(r *process.Restored) bool { return r.State.Board != nil }) {
		return nil
	}
	if dropCaps {
		if err := pidns.DropCaps(); err != nil {
			return err
		}
	}
	w, err := newWishes()
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.State.Board != nil {
			err = errors.Join(err, w.board.Revive(r.State.Board, generation), w.board.MapInto(r.Tasks()[0]))
		}
	}
	if err != nil {
		w.board.Close()
		return err
	}
	w.asked = w.board.Wanted()
	a.wishes = w
	a.tellPlace(generation)
	go w.listen(all[0].PID())
	return nil
}
