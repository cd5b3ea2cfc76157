package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"mana/task"
)

// Zombie is a child that has ended and that its parent has not waited for.
type Zombie struct {
	PID    int `json:"pid"`
	Status int `json:"status"` // as wait(2) gives it
}

// zombies lists the ended children of the process.
func (c *collector) zombies() error {
	tids, err := tasks(c.pid)
	if err != nil {
		return err
	}
	for _, tid := range tids {
		b, err := readProc(c.pid, "task/"+strconv.Itoa(tid)+"/children")
		if err != nil {
			return err
		}
		for _, kid := range strings.Fields(string(b)) {
			st, err := readProc(number(kid), "stat")
			if err != nil {
				continue
			}
			f, err := parseStat(st)
			if err != nil {
				return err
			}
			if f[3] == "Z" && len(f) > 52 {
				c.st.Zombies = append(c.st.Zombies, Zombie{number(kid), number(f[52])})
			}
		}
	}
	return nil
}

// Link notes which open file descriptions the processes of snapshots share. All
// of the processes have to be stopped still.
func Link(snaps []*Snapshot) error {
	type end struct {
		pid int
		f   *File
	}
	byLink := make(map[string][]end)
	for _, s := range snaps {
		for i := range s.State.Files {
			if f := &s.State.Files[i]; f.Description == f.FD {
				byLink[f.Link] = append(byLink[f.Link], end{s.State.PID, f})
			}
		}
	}
	for link, ends := range byLink {
		for i, a := range ends {
			for _, b := range ends[i+1:] {
				if a.pid == b.pid || b.f.Shared != "" {
					continue
				}
				order, err := task.CompareFiles(a.pid, a.f.FD, b.pid, b.f.FD)
				if err != nil {
					return fmt.Errorf("compare open files %s of processes %d and %d: %w", link, a.pid, b.pid, err)
				}
				if order == 0 {
					if a.f.Shared == "" {
						a.f.Shared = fmt.Sprintf("%d:%d", a.pid, a.f.FD)
					}
					b.f.Shared = a.f.Shared
				}
			}
		}
	}
	return nil
}

// Ended tells whether a process is gone or a zombie.
func Ended(pid int) bool {
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	return err != nil || gone(pid)
}
