package process

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"mana/image"
	"mana/task"
)

// plan completes the State and decides what is saved where.
func (s *Snapshot) plan() error {
	if s.child {
		// Pipes must see their end when the program closes them, not later.
		if err := s.closeFiles(); err != nil {
			return err
		}
		if err := s.dropRSeq(); err != nil {
			return err
		}
	}
	if err := s.c.actions(s.target); err != nil {
		return err
	}
	if err := s.c.mmPrctls(s.target); err != nil {
		return err
	}
	if err := s.c.vmFlags(s.target.TID); err != nil {
		return err
	}
	s.c.identifyFiles()
	p := planner{s: s, end: image.DataStart}
	return p.run()
}

// closeFiles closes all descriptors of the child.
func (s *Snapshot) closeFiles() error {
	err := s.target.CloseRange(0, math.MaxUint32)
	if !errors.Is(err, unix.ENOSYS) { // before Linux 5.9
		return err
	}
	fds, err := descriptors(s.target.TID)
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if err := s.target.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// dropRSeq ends the child's rseq registration: the kernel would write to its
// memory after each of our calls. The area is filled again by the registration
// at restart.
func (s *Snapshot) dropRSeq() error {
	q, err := s.target.RSeq()
	if err != nil || q.Ptr == 0 {
		return err
	}
	const unregister = 1 // RSEQ_FLAG_UNREGISTER
	return s.target.RegisterRSeq(q, unregister)
}

// planner lays out the data of an image.
type planner struct {
	s     *Snapshot
	pages *task.Pages
	end   int64
}

func (p *planner) run() error {
	var err error
	if p.pages, err = task.OpenPages(p.s.target.TID); err != nil {
		return err
	}
	defer p.pages.Close()
	st := p.s.State
	for i := range st.VMAs {
		if err := p.vma(i); err != nil {
			return err
		}
	}
	// Copied data comes last, so that the rest is written in one go.
	for _, k := range p.s.kept {
		st.VMAs[k.vma].Runs = append(st.VMAs[k.vma].Runs, p.put(k.addr, k.data))
	}
	for _, k := range p.s.c.files {
		st.Files[k.file].Contents = append(st.Files[k.file].Contents, p.put(k.addr, k.data))
	}
	for _, k := range p.s.c.segments {
		g := &st.SysV.Segments[k.segment]
		g.Contents = append(g.Contents, p.put(k.addr, k.data))
	}
	return nil
}

// put places copied data.
func (p *planner) put(addr uint64, data []byte) Run {
	padded := (int64(len(data)) + image.PageSize - 1) &^ (image.PageSize - 1)
	r := Run{Addr: addr, Len: uint64(len(data)), Offset: p.end}
	p.s.extents = append(p.s.extents, image.Extent{Data: data, Len: padded, Off: p.end})
	p.end += padded
	return r
}

// vma places the pages of one mapping.
func (p *planner) vma(i int) error {
	v := &p.s.State.VMAs[i]
	var err error
	if !v.Shared && v.Kind != KindVsyscall {
		if v.Guards, err = p.pages.Guards(task.Range{Addr: v.Start, Len: v.Len()}); err != nil {
			return err
		}
	}
	ranges, err := p.saved(v)
	if err != nil || len(ranges) == 0 {
		return err
	}
	if v.Prot&unix.PROT_READ == 0 && p.s.child {
		if err := p.s.target.Mprotect(v.Start, v.Len(), unix.PROT_READ); err != nil {
			return err
		}
	}
	for _, r := range ranges {
		v.Runs = append(v.Runs, Run{Addr: r.Addr, Len: r.Len, Offset: p.end})
		p.s.extents = append(p.s.extents, image.Extent{Addr: r.Addr, Len: int64(r.Len), Off: p.end})
		p.end += int64(r.Len)
	}
	return nil
}

// saved chooses the pages of a mapping that go into the image.
func (p *planner) saved(v *VMA) ([]task.Range, error) {
	all := task.Range{Addr: v.Start, Len: v.Len()}
	if p.s.child && v.Shared {
		return nil, nil // keepUnshared has it
	}
	switch v.Kind {
	case KindVDSO, KindVVar, KindVsyscall:
		return nil, nil
	case KindFilePrivate:
		if p.s.c.f.opts.Full || v.File.Deleted {
			v.Whole = true
			return p.s.c.readable(p.s.mem, all), nil
		}
	case KindSharedAnon, KindFileShared:
		return p.s.c.sharedPages(p.pages, v)
	}
	return p.pages.Private(all)
}
