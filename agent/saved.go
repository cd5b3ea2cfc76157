package agent

import (
	"encoding/json"
	"fmt"
	"slices"

	"mana/image"
	"mana/process"
)

// saved are the opened images, parents before their children.
type saved []opened

type opened struct {
	process.Saved
	image *image.Image
}

func (all saved) close() {
	for _, o := range all {
		o.image.Close()
	}
}

// load opens the images and orders them, r.Images too.
func (r *Restart) load() (saved, error) {
	var all saved
	for _, s := range r.Images {
		o, err := s.open()
		if err != nil {
			all.close()
			return nil, fmt.Errorf("restart from %s: %w", s.Path, err)
		}
		all = append(all, o)
	}
	pids := make(map[int]int)
	for i, o := range all {
		pids[o.State.PID] = i
	}
	depth := func(o opened) int {
		n := 0
		for i, ok := pids[o.State.PPID]; ok && n <= len(all); i, ok = pids[o.State.PPID] {
			o = all[i]
			n++
		}
		return n
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return depth(all[x]) - depth(all[y]) })
	images, sorted := make([]Saved, len(all)), make(saved, len(all))
	for to, from := range order {
		images[to], sorted[to] = r.Images[from], all[from]
	}
	r.Images = images
	return sorted, nil
}

func (s Saved) open() (opened, error) {
	im, err := image.Open(s.Path)
	if err != nil {
		return opened{}, err
	}
	st := new(process.State)
	if s.Sum != "" && s.Sum != im.Checksum {
		err = fmt.Errorf("%w: its checksum is not the one that the manifest has", image.ErrDamaged)
	} else if err = json.Unmarshal(im.Metadata, st); err != nil {
		err = fmt.Errorf("%w: %w", image.ErrDamaged, err)
	}
	if err != nil {
		im.Close()
		return opened{}, err
	}
	return opened{process.Saved{State: st, Memory: im}, im}, nil
}

// Needs are what the saved processes want of the place they are rebuilt in.
type Needs struct {
	Numbers []int // of processes and threads
	IPC     bool  // System V IPC objects or POSIX message queues
}

// Needs looks it up. An image that cannot be read is somebody else's to
// complain about.
func (r *Restart) Needs() Needs {
	var n Needs
	for _, s := range r.Images {
		n.Numbers = append(n.Numbers, s.PID)
		o, err := s.open()
		if err != nil {
			continue
		}
		for _, t := range o.State.Threads {
			n.Numbers = append(n.Numbers, t.TID)
		}
		for _, z := range o.State.Zombies {
			n.Numbers = append(n.Numbers, z.PID)
		}
		n.IPC = n.IPC || o.State.SysV != nil ||
			slices.ContainsFunc(o.State.Files, func(f process.File) bool { return f.MQueue != nil })
		o.image.Close()
	}
	return n
}
