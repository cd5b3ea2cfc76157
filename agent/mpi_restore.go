package agent

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"mana/process"
	"mana/splitproc"
)

// restartTimeout bounds the stub's restart function: MPI_Init of the new lower
// half waits for all ranks, some of which may still read their images.
const restartTimeout = 15 * time.Minute

// mpiTree is a rebuilt rank: the process that uses MPI, its wrappers and its
// children.
type mpiTree struct {
	all    []*process.Restored // parents first
	states []*mpiState         // of each, nil for one without the control page
	user   int                 // the one that uses MPI
}

// parse reads what the images say of MPI.
func (t *mpiTree) parse(images saved) error {
	t.user = -1
	for i, o := range images {
		t.states = append(t.states, nil)
		if o.State.MPI == nil {
			continue
		}
		st, err := parseMPIState(o.State.MPI)
		if err != nil {
			return err
		}
		t.states[i] = st
		if st.Control != nil {
			t.user = i
		}
	}
	if t.user < 0 {
		return errors.New("no image of the set has the MPI program's control page")
	}
	return nil
}

// restoreMPI gives a rebuilt process, still stopped, its control page and a
// lower half, on which the stub makes every MPI object again. It waits for the
// other ranks inside the real MPI_Init. It runs on the tracer's thread.
func restoreMPI(t *mpiTree, env []string) (*mpiProgram, error) {
	tids := make(map[int]int)
	for _, r := range t.all {
		maps.Copy(tids, r.TIDMap())
	}
	st := t.states[t.user]
	ctl, err := st.controlPage(tids)
	if err != nil {
		return nil, err
	}
	m := &mpiProgram{pid: t.all[0].PID(), rank: st.Rank, nranks: st.NRanks, ctl: ctl}
	for i, r := range t.all {
		if i != t.user && t.states[i] != nil {
			err = errors.Join(err, ctl.MapInto(r.Tasks()[0]))
		}
	}
	if err == nil {
		err = m.revive(t.all[t.user], st, env)
	}
	if err != nil {
		ctl.Close()
		return nil, fmt.Errorf("rank %d: %w", st.Rank, err)
	}
	return m, nil
}

func (m *mpiProgram) revive(r *process.Restored, st *mpiState, env []string) error {
	main := r.Task(int(m.ctl.MainTID))
	if main == nil {
		main = r.Tasks()[0]
	}
	if err := m.ctl.MapInto(main); err != nil {
		return err
	}
	for _, fd := range r.Kept() {
		m.ctl.MarkLowerFD(fd)
	}
	if splitproc.InitState(st.Init) != splitproc.Inited {
		return nil
	}
	plan := &splitproc.Plan{Program: r.State.Exe.Path, ABI: splitproc.ABI(st.ABI)}
	o := splitproc.LowerOptions{Plan: plan, Env: renumber(env, r.Kept())}
	if err := splitproc.Prepare(main, m.ctl, o); err != nil {
		return fmt.Errorf("load the MPI library: %w", err)
	}
	var refused error
	stop := m.ctl.ServeCode(m.owner, func(err error) { refused = errors.Join(refused, err) })
	rc, err := main.Call(m.ctl.FnRestart, m.ctl.CallStack, restartTimeout)
	stop()
	if err != nil {
		return fmt.Errorf("start the MPI library: %w", errors.Join(err, refused))
	}
	if err := m.result("restart MPI", rc); err != nil {
		return errors.Join(err, refused)
	}
	// Call has put back all registers, and with them the way to the thread's
	// storage in the saved process's lower half, which may have lain elsewhere.
	return main.SetGSBase(m.ctl.LowerTP(m.ctl.MainTID))
}

// launcherFDs are the variables with which launchers name descriptors that
// they hand down (PMI of MPICH's hydra and of Slurm's pmi2).
var launcherFDs = []string{"PMI_FD", "HYDI_CONTROL_FD"}

// renumber makes these variables name the present numbers of the descriptors.
func renumber(env []string, kept map[int]int) []string {
	out := make([]string, 0, len(env))
	for _, e := range env {
		for _, name := range launcherFDs {
			v, ok := strings.CutPrefix(e, name+"=")
			if !ok {
				continue
			}
			if old, err := strconv.Atoi(v); err == nil {
				if now, ok := kept[old]; ok {
					e = name + "=" + strconv.Itoa(now)
				}
			}
		}
		out = append(out, e)
	}
	return out
}
