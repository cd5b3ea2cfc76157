package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"mana/manifest"
	"mana/pidns"
	"mana/process"
	"mana/splitproc"
	"mana/tcp"
	"mana/wire"
)

// family is what one checkpoint saves: the programs, all their descendants, and
// orphans that came to the agent. Their stops overlap, so that what goes on
// between them is caught at one instant. Of an MPI rank one process uses MPI.
type family struct {
	a      *agent
	roots  []*program
	gen    int
	mpi    *mpiProgram // nil without MPI
	absent int         // ranks that have ended
	all    []*snapshot

	tell    func(wire.Message)  // sends to the coordinator
	orders  <-chan wire.Message // of the coordinator
	traffic *process.Traffic    // of the stopped processes
	mates   map[tcp.End]bool    // ends of connections to other members' programs
}

// kin returns the programs' processes and their descendants, parents first.
func (f *family) kin() []*program {
	var pids []int
	for _, p := range f.roots {
		pids = descend(pids, p.pid)
	}
	for _, pid := range f.a.ownChildren() {
		pids = descend(pids, pid)
	}
	var out []*program
	for _, pid := range pids {
		out = append(out, f.programOf(pid))
	}
	return out
}

// programOf finds the record of a process, or starts one.
func (f *family) programOf(pid int) *program {
	for _, p := range f.roots {
		if p.pid == pid {
			return p
		}
	}
	p, born := f.a.kin[pid], startTime(pid)
	if p == nil || p.born != born {
		p = &program{pid: pid, upid: uniqueID(pid), dir: f.roots[0].dir, born: born}
		f.a.kin[pid] = p
	}
	p.name = progName(pid) // it may have executed another program
	return p
}

// take stops all processes and copies their state; they stand until letGo.
func (f *family) take() (failed *program, err error) {
	defer func() { f.traffic.Close() }()
	if failed, err = f.standStill(); err != nil {
		return failed, errors.Join(err, f.thaw(true))
	}
	user := f.user()
	if user != nil {
		if f.absent > 0 && f.mpi.ctl.State() == splitproc.Inited {
			err := fmt.Errorf("%d ranks have ended, but rank %d still uses MPI", f.absent, f.mpi.rank)
			return user.p, errors.Join(err, f.thaw(true))
		}
		if err := f.mpi.drain(user.frozen); err != nil {
			return user.p, errors.Join(err, f.thaw(true))
		}
	}
	if err := f.agree(); err != nil {
		return f.roots[0], errors.Join(err, f.thaw(true))
	}
	var snaps []*process.Snapshot
	for _, s := range f.all {
		if s.s, err = s.frozen.Snapshot(); err != nil {
			return s.p, errors.Join(err, f.thaw(true))
		}
		snaps = append(snaps, s.s)
	}
	if err = process.Link(snaps); err == nil && f.mpi != nil {
		err = f.noteMPI(user)
	}
	if err == nil {
		err = f.noteBoard()
	}
	if err == nil {
		err = process.NoteSysV(snaps, f.sysv())
	}
	if err == nil {
		err = errors.Join(process.NotePtys(snaps), process.NoteMQueues(snaps))
	}
	if err != nil {
		return f.roots[0], errors.Join(err, f.thaw(true))
	}
	return nil, nil
}

// letGo lets the processes run on: those that talk to other members' programs
// only when all have been copied, or what they say would get into a copy.
func (f *family) letGo() error {
	if len(f.mates) > 0 {
		if _, err := f.await("RUN", nil); err != nil {
			return errors.Join(err, f.thaw(true))
		}
	}
	return f.thaw(false)
}

// sysv says which System V IPC objects are the programs'.
func (f *family) sysv() process.SysVScope {
	switch {
	case f.mpi != nil:
		return process.SysVAttached
	case pidns.OwnIPC():
		return process.SysVAll
	}
	return process.SysVUsed
}

var errEnded = errors.New("the program has ended")

// stopAll stops all processes, and those that are started while the first are
// being stopped.
func (f *family) stopAll() (failed *program, err error) {
	for {
		fresh := 0
		for _, p := range f.kin() {
			if slices.ContainsFunc(f.all, func(s *snapshot) bool { return s.p == p }) {
				continue
			}
			fresh++
			if err := f.stop(p); err != nil {
				return p, err
			}
		}
		if fresh > 0 {
			continue
		}
		if len(f.all) == 0 {
			return f.roots[0], errEnded
		}
		if u := f.user(); u == nil || u.usesMPI {
			return nil, nil
		}
		// A process began to use MPI just before it was stopped as one that does not.
		if err := f.thaw(true); err != nil {
			return f.roots[0], err
		}
		f.all = nil
	}
}

// user is the process that uses MPI, nil if there is none (any more).
func (f *family) user() *snapshot {
	if f.mpi == nil {
		return nil
	}
	pid := f.mpi.owner()
	if i := slices.IndexFunc(f.all, func(s *snapshot) bool { return s.p.pid == pid }); i >= 0 {
		return f.all[i]
	}
	return nil
}

// noteMPI adds to the snapshots what a restart has to know of MPI. Without a
// process that uses it (any more) the first one carries it.
func (f *family) noteMPI(user *snapshot) error {
	if user == nil {
		user = f.all[0]
	}
	state, err := f.mpi.save()
	for _, s := range f.all {
		if s == user {
			s.s.State.MPI = state
		} else if splitproc.HasControl(s.p.pid) {
			s.s.State.MPI = sharesPage
		}
	}
	return err
}

// freezeTries bounds how often a process is tried that is just being born, or
// executes another program, or ends: none of that takes long.
const freezeTries = 20

// stop stops one process; one that has ended meanwhile is no failure unless it
// is the program itself.
func (f *family) stop(p *program) error {
	s, err := newSnapshot(p, f.a.imageDir(p, f.gen), f.a.cfg.Rank, f.gen)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err = f.freeze(s); err == nil {
			break
		}
		if process.Ended(p.pid) && !slices.Contains(f.roots, p) {
			return nil
		}
		if try == freezeTries || s.usesMPI {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.all = append(f.all, s)
	return nil
}

func (f *family) freeze(s *snapshot) (err error) {
	o := process.Options{SeccompFilters: ownFilters(), Children: true, OpenFiles: f.a.cfg.OpenFiles}
	s.hasBoard = f.a.wishes.exclude(s.p.pid, &o)
	switch {
	case f.mpi == nil:
		s.frozen, err = process.Freeze(s.p.pid, o)
	case s.p.pid == f.mpi.owner():
		s.usesMPI = true
		s.frozen, err = f.mpi.freeze(o)
	default:
		s.usesMPI = false
		s.frozen, err = f.mpi.freezeOther(s.p.pid, o)
	}
	return err
}

// thaw lets everybody go on, but for those whose memory could not be copied:
// they wait until their image is written, unless nothing is to be written.
func (f *family) thaw(all bool) error {
	var errs []error
	for _, s := range f.all {
		if all && s.s != nil {
			errs = append(errs, s.s.Close())
		}
		if all || !s.s.Live() {
			errs = append(errs, s.thaw())
		}
	}
	if !all {
		// Those that wait are written first.
		slices.SortStableFunc(f.all, func(x, y *snapshot) int {
			switch {
			case x.s.Live() == y.s.Live():
				return 0
			case x.s.Live():
				return -1
			}
			return 1
		})
	}
	return errors.Join(errs...)
}

// unpublishEnded takes away the stable names of processes that the committed
// generation does not have any more.
func (a *agent) unpublishEnded(c *checkpoint) {
	known := append(slices.Clone(a.programs), slices.Collect(maps.Values(a.kin))...)
	for _, p := range known {
		old := p.image
		if old.dir == "" || slices.ContainsFunc(c.images, func(w written) bool { return w.p == p }) {
			continue
		}
		if a.cfg.UniqueNames {
			// They are a checkpoint's of their own.
		} else if err := manifest.Unpublish(old.dir, old.name); err != nil {
			a.warn("remove the image of %s, which has ended: %v", p.name, err)
		}
		p.image = published{}
		delete(a.kin, p.pid)
	}
}
