package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"mana/image"
	"mana/task"

	"golang.org/x/sys/unix"
)

const (
	hugePage = 2 << 20
	// minHuge: below this, huge pages do not pay for the split mapping.
	minHuge = 8 * hugePage
)

// fillMemory writes the saved pages. Memory is copied from outside by several
// threads, because a page costs more to allocate and clear than to copy, and
// chunk by chunk, because that is what the image checks.
func (r *Restored) fillMemory() error {
	r.adviseHuge()
	chunks := chunkRuns(r.savedRuns())
	work := make(chan []Run, len(chunks))
	for _, c := range chunks {
		work <- c
	}
	close(work)
	workers := min(runtime.NumCPU(), 8, len(chunks))
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, image.ChunkSize)
			for c := range work {
				if errs[i] = r.fillChunk(c, buf); errs[i] != nil {
					return
				}
			}
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// savedRuns are the runs of all mappings. A page of shared memory is filled
// once: the first process was saved while all stood still, others may have been
// saved when it already ran on.
func (r *Restored) savedRuns() []Run {
	var runs []Run
	for i := range r.State.VMAs {
		v := &r.State.VMAs[i]
		if !v.Shared || v.SharedID == "" {
			runs = append(runs, v.Runs...)
			continue
		}
		for _, run := range v.Runs {
			runs = append(runs, r.fam.unfilled(v, run)...)
		}
	}
	return runs
}

// unfilled returns the pages of a run that nobody has filled yet.
func (fam *family) unfilled(v *VMA, run Run) []Run {
	done := fam.filled[v.SharedID]
	if done == nil {
		done = make(map[uint64]bool)
		fam.filled[v.SharedID] = done
	}
	var out []Run
	for off := uint64(0); off < run.Len; off += pageSize {
		page := v.Offset + run.Addr + off - v.Start
		if done[page] {
			continue
		}
		done[page] = true
		piece := Run{Addr: run.Addr + off, Len: min(pageSize, run.Len-off), Offset: run.Offset + int64(off)}
		if n := len(out); n > 0 && out[n-1].Addr+out[n-1].Len == piece.Addr {
			out[n-1].Len += piece.Len
		} else {
			out = append(out, piece)
		}
	}
	return out
}

// chunkRuns cuts runs where chunks of the image end and returns them grouped
// by chunk.
func chunkRuns(runs []Run) [][]Run {
	byChunk := make(map[int64]int)
	var out [][]Run
	for _, run := range runs {
		for run.Len > 0 {
			chunk := (run.Offset - image.DataStart) / image.ChunkSize
			end := image.DataStart + (chunk+1)*image.ChunkSize
			p := run
			p.Len = min(p.Len, uint64(end-p.Offset))
			i, ok := byChunk[chunk]
			if !ok {
				i = len(out)
				byChunk[chunk] = i
				out = append(out, nil)
			}
			out[i] = append(out[i], p)
			run.Addr, run.Len, run.Offset = run.Addr+p.Len, run.Len-p.Len, run.Offset+int64(p.Len)
		}
	}
	return out
}

// fillChunk reads the part of one chunk that the runs need, once, and copies
// each run to its place.
func (r *Restored) fillChunk(runs []Run, buf []byte) error {
	lo, hi := runs[0].Offset, int64(0)
	for _, run := range runs {
		lo, hi = min(lo, run.Offset), max(hi, run.Offset+int64(run.Len))
	}
	b := buf[:hi-lo]
	if err := readFull(r.opt.Memory, b, lo); err != nil {
		return err
	}
	for _, run := range runs {
		p := b[run.Offset-lo:][:run.Len]
		if _, err := task.CopyIn(r.main.TID, run.Addr, p); err != nil {
			return err
		}
	}
	return nil
}

func readFull(from io.ReaderAt, b []byte, off int64) error {
	n, err := from.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at %d of the image: %w", len(b), off, err)
}

// adviseHuge asks for huge pages under large saved ranges, unless the program
// said what it wants there: they halve the time to fill them and make the next
// snapshot's fork cheap.
func (r *Restored) adviseHuge() {
	b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || !strings.Contains(string(b), "[madvise]") {
		return
	}
	for i := range r.State.VMAs {
		v := &r.State.VMAs[i]
		if v.Kind != KindAnon || v.Has("nh") || v.Has("hg") || v.Has("gd") {
			continue
		}
		for _, run := range joinRuns(v.Runs) {
			lo, hi := (run.Addr+hugePage-1)&^uint64(hugePage-1), (run.Addr+run.Len)&^uint64(hugePage-1)
			if hi > lo && hi-lo >= minHuge {
				_ = r.main.Madvise(lo, hi-lo, unix.MADV_HUGEPAGE)
			}
		}
	}
}

// joinRuns merges runs that are neighbours in memory.
func joinRuns(runs []Run) []Run {
	var out []Run
	for _, run := range runs {
		if n := len(out); n > 0 && out[n-1].Addr+out[n-1].Len == run.Addr {
			out[n-1].Len += run.Len
		} else {
			out = append(out, run)
		}
	}
	return out
}
