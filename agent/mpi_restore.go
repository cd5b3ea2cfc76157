package agent

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"mana/process"
	"mana/splitproc"
)

// restartTimeout bounds the stub's restart function: MPI_Init of the new lower
// half waits for all ranks, some of which may still read their images.
const restartTimeout = 15 * time.Minute

// restoreMPI gives a rebuilt process, still stopped, its control page and a
// lower half, on which the stub makes every MPI object again. It waits for the
// other ranks inside the real MPI_Init. It runs on the tracer's thread.
func restoreMPI(r *process.Restored, st *mpiState, env []string) (*mpiProgram, error) {
	ctl, err := st.controlPage(r.TIDMap())
	if err != nil {
		return nil, err
	}
	m := &mpiProgram{pid: r.PID(), rank: st.Rank, nranks: st.NRanks, ctl: ctl}
	if err := m.revive(r, st, env); err != nil {
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
	rc, err := main.Call(m.ctl.FnRestart, m.ctl.CallStack, restartTimeout)
	if err != nil {
		return fmt.Errorf("start the MPI library: %w", err)
	}
	return m.result("restart MPI", rc)
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
