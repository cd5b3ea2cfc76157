package inspect

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"mana/process"
)

// imageReport is what one image holds.
type imageReport struct {
	Schema      int          `json:"schema_version"`
	Path        string       `json:"path"`
	Size        int64        `json:"size"`
	Compression string       `json:"compression"`
	Checksum    string       `json:"checksum"`
	Problem     string       `json:"problem,omitempty"` // with --verify
	Program     []string     `json:"program"`
	Executable  string       `json:"executable"`
	PID         int          `json:"pid"`
	Cwd         string       `json:"cwd"`
	Host        string       `json:"host"`
	Kernel      string       `json:"kernel"`
	Taken       time.Time    `json:"taken"`
	MPI         *mpiInfo     `json:"mpi,omitempty"`
	Memory      []memory     `json:"memory"`
	Threads     []threadInfo `json:"threads"`
	Files       []fileInfo   `json:"files"`
}

// memory sums up the mappings of one kind.
type memory struct {
	Kind   string `json:"kind"`
	Areas  int    `json:"areas"`
	Mapped uint64 `json:"mapped"` // bytes of address space
	Saved  uint64 `json:"saved"`  // bytes in the image
}

type threadInfo struct {
	TID  int    `json:"tid"`
	Comm string `json:"name"`
}

type fileInfo struct {
	FD     int    `json:"fd"`
	Kind   string `json:"kind"`
	Target string `json:"target"`
	Pos    int64  `json:"position"`
}

func (o *options) image(path string) (report, error) {
	im, err := open(path)
	if err != nil {
		return nil, err
	}
	defer im.Close()
	s := &im.state
	r := &imageReport{Schema: 1, Path: path, Size: im.Size, Compression: im.Compression().String(), Checksum: im.Checksum,
		Program: s.Argv, Executable: s.Exe.Path, PID: s.PID, Cwd: s.Cwd, Host: s.Hostname, Kernel: s.Kernel,
		Taken: time.Unix(0, s.TakenAt), MPI: im.mpi, Memory: summary(s.VMAs)}
	for _, t := range s.Threads {
		r.Threads = append(r.Threads, threadInfo{t.TID, t.Comm})
	}
	for _, f := range s.Files {
		r.Files = append(r.Files, fileInfo{f.FD, string(f.Kind), f.Link, f.Pos})
	}
	if o.Verify {
		if err := im.Verify(); err != nil {
			r.Problem = err.Error()
			return r, err
		}
	}
	return r, nil
}

// summary adds up the mappings by kind, the largest first.
func summary(vmas []process.VMA) []memory {
	var all []memory
	for i := range vmas {
		v := &vmas[i]
		kind := string(v.Kind)
		if v.Name == "[heap]" {
			kind = "heap"
		}
		at := slices.IndexFunc(all, func(m memory) bool { return m.Kind == kind })
		if at < 0 {
			at = len(all)
			all = append(all, memory{Kind: kind})
		}
		m := &all[at]
		m.Areas++
		m.Mapped += v.Len()
		for _, run := range v.Runs {
			m.Saved += run.Len
		}
	}
	slices.SortStableFunc(all, func(a, b memory) int {
		switch {
		case a.Saved != b.Saved && a.Saved > b.Saved, a.Saved == b.Saved && a.Mapped > b.Mapped:
			return -1
		case a.Saved == b.Saved && a.Mapped == b.Mapped:
			return 0
		}
		return 1
	})
	return all
}

func (r *imageReport) text(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("image", "%s", r.Path)
	line("size", "%s, compression %s", size(r.Size), r.Compression)
	if r.Problem != "" {
		line("DAMAGED", "%s", r.Problem)
	}
	line("program", "%s", strings.Join(r.Program, " "))
	line("executable", "%s", r.Executable)
	line("process", "%d on %s (Linux %s), in %s", r.PID, r.Host, r.Kernel, r.Cwd)
	if r.MPI != nil {
		on := ""
		if r.MPI.ranOn() != "" {
			on = ", ran on " + r.MPI.ranOn()
		}
		line("MPI", "rank %d of %d, built for %s%s", r.MPI.Rank, r.MPI.Ranks, r.MPI.family(), on)
	}
	line("taken", "%s", r.Taken.Local().Format(time.DateTime))
	fmt.Fprintf(w, "\n%-14s %6s %12s %12s\n", "memory", "areas", "mapped", "saved")
	for _, m := range r.Memory {
		fmt.Fprintf(w, "%-14s %6d %12s %12s\n", m.Kind, m.Areas, size(int64(m.Mapped)), size(int64(m.Saved)))
	}
	fmt.Fprintf(w, "\nthreads: %s\n", r.threads())
	fmt.Fprintf(w, "\n%4s %-10s %s\n", "fd", "kind", "target")
	for _, f := range r.Files {
		at := ""
		if f.Kind == string(process.FileRegular) {
			at = fmt.Sprintf(" at %d", f.Pos)
		}
		fmt.Fprintf(w, "%4d %-10s %s%s\n", f.FD, f.Kind, f.Target, at)
	}
}

// threads lists the threads; many of one name are not worth a word each.
func (r *imageReport) threads() string {
	const shown = 16
	var all []string
	for _, t := range r.Threads[:min(shown, len(r.Threads))] {
		all = append(all, fmt.Sprintf("%d (%s)", t.TID, t.Comm))
	}
	if more := len(r.Threads) - shown; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d: %s", len(r.Threads), strings.Join(all, ", "))
}
