package process

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"mana/task"

	"golang.org/x/sys/unix"
)

// restoreProcess sets what belongs to the process as a whole and does not hurt
// the rest of the rebuilding.
func (r *Restored) restoreProcess() error {
	st, t := r.State, r.main
	if gone, deleted := strings.CutSuffix(st.Cwd, " (deleted)"); deleted {
		defer makeDirs(gone, 0o700)()
		st.Cwd = gone
	}
	if err := t.Chdir(st.Cwd); err != nil {
		r.opt.Warn("working directory %s: %v", st.Cwd, err)
	}
	if _, err := t.Umask(st.Umask); err != nil {
		return fmt.Errorf("umask: %w", err)
	}
	flags := []struct {
		on   bool
		op   int
		args []uint64
	}{
		{st.THPDisable, unix.PR_SET_THP_DISABLE, []uint64{1}},
		{st.Subreaper, unix.PR_SET_CHILD_SUBREAPER, []uint64{1}},
		{st.NoNewPrivs, unix.PR_SET_NO_NEW_PRIVS, []uint64{1}},
		// Where the agent is the parent, the signal would come when one of its threads ends.
		{st.ParentDeath != 0 && r.parent() != nil, unix.PR_SET_PDEATHSIG, []uint64{uint64(st.ParentDeath)}},
	}
	for _, f := range flags {
		if !f.on {
			continue
		}
		if _, err := t.Prctl(f.op, f.args...); err != nil {
			return fmt.Errorf("prctl %d: %w", f.op, err)
		}
	}
	for bit := 0; st.Membarrier>>bit != 0; bit++ {
		if cmd := 1 << bit; st.Membarrier&cmd != 0 {
			if _, err := t.Membarrier(cmd); err != nil {
				r.opt.Warn("membarrier command %#x is not registered: %v", cmd, err)
			}
		}
	}
	r.restoreOOM()
	return nil
}

func (r *Restored) restoreOOM() {
	path := fmt.Sprintf("/proc/%d/oom_score_adj", r.main.TID)
	want := fmt.Sprintln(r.State.OOMScoreAdj)
	if b, err := os.ReadFile(path); err != nil || string(b) == want {
		return
	}
	if err := os.WriteFile(path, []byte(want), 0); err != nil {
		r.opt.Warn("oom_score_adj %d is not restored: %v", r.State.OOMScoreAdj, err)
	}
}

// restoreLimits sets the saved resource limits as far as the restarter's hard
// limits allow.
func (r *Restored) restoreLimits() error {
	for res, want := range r.State.Rlimits {
		var now unix.Rlimit
		if err := unix.Prlimit(r.main.TID, res, nil, &now); err != nil {
			return fmt.Errorf("resource limit %d: %w", res, err)
		}
		lim := unix.Rlimit{Cur: min(want.Cur, now.Max), Max: min(want.Max, now.Max)}
		if err := unix.Prlimit(r.main.TID, res, &lim, nil); err != nil {
			return fmt.Errorf("resource limit %d: %w", res, err)
		}
	}
	return nil
}

// dropCaps takes all capabilities from a thread (struct __user_cap_header,
// version 3).
func dropCaps(t *task.Task) error {
	_, _ = t.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	hdr := binary.LittleEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3)
	hdr = binary.LittleEndian.AppendUint32(hdr, 0)
	if err := t.Capset(hdr, make([]byte, 24)); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
