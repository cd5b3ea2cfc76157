package process

import (
	"fmt"
	"time"

	"mana/task"

	"golang.org/x/sys/unix"
)

// A session or process group may have lost its leader. A stand-in with the
// leader's number begins it again and ends when all members have joined.

// standIn adds the stand-ins to the family.
func (fam *family) standIn() {
	for _, m := range fam.members {
		st := m.State
		for _, id := range []int{st.SID, st.PGID} {
			outside := id == 0 || id == st.AgentSID || id == st.AgentPGID
			if outside || !m.opt.SetTIDs || fam.byPID(id) != nil {
				continue
			}
			ghost := &State{PID: id, SID: st.SID, PGID: id, Comm: "leader", AgentSID: st.AgentSID, AgentPGID: st.AgentPGID}
			fam.members = append(fam.members, &Restored{State: ghost, opt: m.opt, fam: fam, sock: fam.sockFD, ghost: true})
		}
	}
}

// dismiss ends the stand-ins.
func (fam *family) dismiss() error {
	var rest []*Restored
	for _, m := range fam.members {
		if !m.ghost {
			rest = append(rest, m)
			continue
		}
		if err := m.main.Kill(); err != nil {
			return fmt.Errorf("end the stand-in for process %d: %w", m.State.PID, err)
		}
		if err := m.main.Reap(5 * time.Second); err != nil {
			return fmt.Errorf("end the stand-in for process %d: %w", m.State.PID, err)
		}
		m.main.Forget()
	}
	fam.members = rest
	return nil
}

// leader is the leader of the session of r, nil if it is not one of the family.
func (r *Restored) leader() *Restored { return r.fam.byPID(r.State.SID) }

// cloneOrphan makes the husk of a process whose parent has ended: a child of a
// child of its session's leader, which ends at once and leaves it to us.
func (r *Restored) cloneOrphan(leader *task.Task) error {
	pid, err := leader.Clone3(task.CloneArgs{ExitSignal: uint64(unix.SIGCHLD)})
	if err != nil {
		return err
	}
	middle := task.Attached(pid, leader)
	if err := middle.WaitAttached(10 * time.Second); err != nil {
		return err
	}
	if err := r.cloneChild(middle); err != nil {
		return err
	}
	err = middle.ExitGroup(0)
	middle.Forget()
	if err == nil {
		_, err = leader.Wait4(pid, 0)
	}
	if err != nil {
		return fmt.Errorf("leave process %d to its subreaper: %w", r.State.PID, err)
	}
	return nil
}

// lead makes r the leader of its session or process group if it was that.
func (r *Restored) lead() error {
	switch r.State.PID {
	case r.State.SID:
		if _, err := r.main.Setsid(); err != nil {
			return fmt.Errorf("setsid: %w", err)
		}
		return r.takeTerminal()
	case r.State.PGID:
		if err := r.main.Setpgid(0, 0); err != nil {
			return fmt.Errorf("setpgid: %w", err)
		}
	}
	return nil
}

// joinGroup puts a process into the group of another.
func (r *Restored) joinGroup() error {
	st := r.State
	if st.PGID == st.PID || st.PGID == st.AgentPGID || st.SID == st.PID {
		return nil
	}
	leader := r.fam.byPID(st.PGID)
	if leader == nil {
		if r.parent() == nil {
			return nil
		}
		r.opt.Warn("process %d leaves its process group %d, whose leader is gone", st.PID, st.PGID)
		return r.main.Setpgid(0, 0)
	}
	pid, err := leader.main.Getpid()
	if err == nil {
		err = r.main.Setpgid(0, pid)
	}
	if err != nil {
		r.opt.Warn("process %d does not join process group %d: %v", st.PID, st.PGID, err)
	}
	return nil
}
