package agent

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"mana/image"
	"mana/progress"
	"mana/splitproc"
	"mana/wire"
)

// reportEvery is how often the coordinator hears how far the images are.
const reportEvery = 500 * time.Millisecond

// meter counts the bytes of a checkpoint's or a restart's images.
type meter struct{ done, total atomic.Int64 }

// report sends the count whenever it has changed, until stop is closed.
func (m *meter) report(gen int, send func(wire.Message), stop <-chan struct{}) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		if done := m.done.Load(); done != last {
			last = done
			send(wire.New("PROGRESS", "gen", gen, "done", done, "total", m.total.Load()))
		}
	}
}

// metered is an image's source that counts what has been taken from it.
type metered struct {
	image.Source
	m *meter
}

func (s metered) WriteExtents(f *os.File, name string, es []image.Extent, done func(int64)) error {
	at := es[0].Off
	return s.Source.WriteExtents(f, name, es, func(mark int64) {
		s.m.done.Add(mark - at)
		at = mark
		done(mark)
	})
}

func (s metered) ReadMemory(addr uint64, b []byte) error {
	err := s.Source.ReadMemory(addr, b)
	s.m.done.Add(int64(len(b)))
	return err
}

// sized adds what the images of all snapshots hold to the total.
func (m *meter) sized(snaps []*snapshot) error {
	for _, s := range snaps {
		es, err := s.s.Extents()
		if err != nil {
			return err
		}
		for _, e := range es {
			if e.Data == nil {
				m.total.Add(e.Len)
			}
		}
	}
	return nil
}

// countedMemory counts what a restart reads from an image.
type countedMemory struct {
	io.ReaderAt
	m *meter
}

func (c countedMemory) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, off)
	c.m.done.Add(int64(n))
	return n, err
}

// count makes the images' readers count.
func (m *meter) count(all saved) {
	for i := range all {
		for _, v := range all[i].State.VMAs {
			for _, run := range v.Runs {
				m.total.Add(int64(run.Len))
			}
		}
		all[i].Memory = countedMemory{all[i].Memory, m}
	}
}

// show keeps a line about the whole restart on a terminal until stop is closed.
func show(dial func() (*wire.Conn, error), t *progress.Terminal, stop <-chan struct{}) {
	if t == nil {
		return
	}
	c, err := dial()
	if err != nil {
		return // the agent's own connection tells
	}
	go func() { <-stop; c.Close() }()
	defer t.Show("")
	if c.Send(wire.New("CMD", "name", "watch")) != nil {
		return
	}
	for {
		m, err := c.Recv(0)
		if err != nil {
			return
		}
		if s := progress.Parse(m); m.Verb == "STATE" && s.Activity == progress.Restart {
			t.Show(s.Line())
		}
	}
}

// stallAfter is when the agent begins to tell what keeps its rank, and how
// often it does.
const stallAfter = time.Second

// stall says what the program does while the others wait for it.
func (c *converger) stall(p posture) string {
	what := "computes"
	switch {
	case p.waiting || p.held:
		what = "waits inside MPI"
	case !p.quiet:
		what = "is inside MPI"
	}
	return fmt.Sprintf("%s since %d s", what, int(time.Since(c.since).Seconds()))
}

// behind names the first clock of the program that is below its target. A
// communicator is named by its place in the program's table, where those that
// are always there come first.
func (m *mpiProgram) behind(targets map[uint64]uint64) string {
	if targets[initGID] > 0 && m.ctl.State() == splitproc.NotInited {
		return "MPI_Init"
	}
	clocks := m.clocks()
	for i := range clocks {
		k := &clocks[i]
		kind := atomic.LoadUint32(&k.Kind)
		if kind == splitproc.ClockFree || atomic.LoadUint64(&k.Count) >= atomic.LoadUint64(&k.Target) {
			continue
		}
		switch {
		case kind == splitproc.ClockGroup && k.NMembers > 0:
			return fmt.Sprintf("a group of %d ranks", k.NMembers)
		case kind == splitproc.ClockGroup:
			return "a group of ranks"
		case i == 0:
			return "MPI_COMM_WORLD"
		}
		return fmt.Sprintf("communicator %d", i)
	}
	return ""
}
