package agent

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
	"mana/pidns"
	"mana/process"
	"mana/splitproc"
	"mana/wire"
)

// rebuild restores every program up to the point where only Resume is left.
func (r *Restart) rebuild(a *agent, all saved, conn *wire.Conn) ([]*process.Restored, error) {
	sockets, err := reconnect(a, all, conn)
	if err != nil {
		return nil, err
	}
	defer sockets.Close()
	opt := process.RestoreOptions{
		SetTIDs: r.Numbers == KeepNumbers, OwnIPC: pidns.OwnIPC(), DropCaps: pidns.Inside() && os.Geteuid() != 0, DieWithParent: true,
		Stdio: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, NoTruncate: r.NoTruncate,
		Overwrite: a.cfg.Overwrite || os.Getenv("DMTCP_ALLOW_OVERWRITE_WITH_CKPTED_FILES") == "1", TailDir: r.Images[0].Dir, Warn: a.warn,
		Connections: sockets,
	}
	restored, err := r.restore(a, all, opt)
	if errors.Is(err, unix.EEXIST) && opt.SetTIDs && a.cfg.Rank >= 0 {
		a.warn("rank %d gets new process numbers: %v", a.cfg.Rank, err) // another rank came from another machine with the same
		opt.SetTIDs = false
		restored, err = r.restore(a, all, opt)
	}
	if err == nil {
		err = a.tracer.Do(func() error { return a.restoreBoard(restored, r.Generation, opt.DropCaps) })
	}
	return restored, err
}

// rebuilt is how the rebuilding of the programs went.
type rebuilt struct {
	all []*process.Restored
	err error
}

// restored takes note of what has been rebuilt and tells the coordinator.
func (a *agent) restored(b rebuilt) error {
	if b.err != nil {
		return b.err
	}
	for i, p := range b.all {
		if err := p.CutBack(); err != nil {
			return err
		}
		a.programs[i].pid = p.PID()
		if err := a.watch(a.programs[i]); err != nil {
			return err
		}
	}
	a.link.send("RESTORED", "gen", a.gen)
	return nil
}

func (r *Restart) restore(a *agent, all saved, opt process.RestoreOptions) ([]*process.Restored, error) {
	if slices.ContainsFunc(all, func(o opened) bool { return o.State.MPI != nil }) {
		return r.restoreMPI(a, all, opt)
	}
	var tree []process.Saved
	for _, o := range all {
		tree = append(tree, o.Saved)
	}
	var restored []*process.Restored
	err := a.tracer.Do(func() (err error) {
		restored, err = process.RestoreTree(tree, opt)
		return err
	})
	return restored, err
}

// restoreMPI restores the one rank of an MPI job that is this agent's, with
// its wrappers and children.
func (r *Restart) restoreMPI(a *agent, all saved, opt process.RestoreOptions) ([]*process.Restored, error) {
	var t mpiTree
	if err := t.parse(all); err != nil {
		return nil, err
	}
	closeLeaks()
	var tree []process.Saved
	for i, o := range all {
		if t.states[i] != nil {
			o.Saved.Keep = inherited()
		}
		tree = append(tree, o.Saved)
	}
	p := a.programs[0]
	var kept map[int]int
	err := a.tracer.Do(func() (err error) {
		t.all, err = process.RestoreTree(tree, opt)
		if err == nil && opt.DropCaps {
			err = pidns.DropCaps()
		}
		if err == nil {
			kept = t.all[t.user].Kept()
			p.mpi, err = restoreMPI(&t, os.Environ())
		}
		return err
	})
	if err == nil {
		plan := &splitproc.Plan{Program: all[t.user].State.Exe.Path, ABI: splitproc.ABI(t.states[t.user].ABI)}
		go p.mpi.serve(splitproc.LowerOptions{Plan: plan, Env: renumber(os.Environ(), kept)}, a.warn)
	}
	return t.all, err
}
