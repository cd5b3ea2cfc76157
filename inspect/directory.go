package inspect

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mana/manifest"
)

// directory is what a checkpoint directory holds.
type directory struct {
	Schema int      `json:"schema_version"`
	Dir    string   `json:"directory"`
	Series []series `json:"series"` // newest first
	// Unreadable says what is wrong with manifests that could not be read.
	Unreadable string `json:"unreadable,omitempty"`
}

type series struct {
	Computation string       `json:"series"`
	Program     []string     `json:"program,omitempty"` // with its arguments
	Ranks       int          `json:"ranks"`             // 0 without MPI
	Hosts       []string     `json:"hosts"`
	MPI         *mpiInfo     `json:"mpi,omitempty"`
	Generations []generation `json:"generations"` // newest first
}

type generation struct {
	Number   int       `json:"generation"`
	Created  time.Time `json:"created"`
	Images   int       `json:"images"`
	Size     int64     `json:"size"`
	Complete bool      `json:"complete"`
	Problem  string    `json:"problem,omitempty"`
	Default  bool      `json:"default"` // what a restart takes
}

// directory lists a checkpoint directory. It is an error if nothing in its
// newest series can be restarted from.
func (o *options) directory(path string) (report, error) {
	list, err := manifest.List(path)
	if len(list) == 0 {
		if err == nil {
			err = fmt.Errorf("%w in %s", manifest.ErrNone, path)
		}
		return nil, err
	}
	d := &directory{Schema: 1, Dir: path}
	if abs, aerr := filepath.Abs(path); aerr == nil {
		d.Dir = abs
	}
	if err != nil {
		d.Unreadable = err.Error()
	}
	for _, s := range list {
		d.Series = append(d.Series, o.series(s))
	}
	for i := range d.Series[0].Generations {
		if g := &d.Series[0].Generations[i]; g.Complete {
			g.Default = true
			return d, nil
		}
	}
	return d, fmt.Errorf("%s: the newest series has %w", path, errIncomplete)
}

func (o *options) series(s manifest.Series) series {
	out := series{Computation: s.Computation}
	for _, m := range s.Generations {
		g := generation{Number: m.Generation, Created: m.Created, Images: len(m.Images), Complete: true}
		for _, im := range m.Images {
			g.Size += im.Size
			if !slices.Contains(out.Hosts, im.Host) {
				out.Hosts = append(out.Hosts, im.Host)
			}
			if err := check(m, im, o.Verify); err != nil && g.Complete {
				g.Complete, g.Problem = false, err.Error()
			}
		}
		out.Ranks = max(out.Ranks, m.Ranks)
		out.Generations = append(out.Generations, g)
		if out.Program == nil && len(m.Images) > 0 {
			if im, err := open(m.Path(m.Images[0])); err == nil {
				out.Program, out.MPI = im.state.Argv, im.mpi
				im.Close()
			}
		}
	}
	return out
}

func (d *directory) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n", d.Dir, plural(len(d.Series), "series"))
	if d.Unreadable != "" {
		fmt.Fprintf(w, "unreadable: %s\n", d.Unreadable)
	}
	for i, s := range d.Series {
		newest := ""
		if i == 0 {
			newest = " (newest)"
		}
		fmt.Fprintf(w, "\nseries %s%s\n  %s\n  %s\n", s.Computation, newest, s.command(), s.shape())
		fmt.Fprintf(w, "  %10s  %-19s  %6s  %10s  state\n", "generation", "taken", "images", "size")
		for _, g := range s.Generations {
			fmt.Fprintf(w, "  %10d  %s  %6d  %10s  %s\n", g.Number, g.Created.Local().Format(time.DateTime), g.Images, size(g.Size), g.state())
		}
	}
}

func (s *series) command() string {
	if len(s.Program) == 0 {
		return "a program that cannot be told: no image can be read"
	}
	return strings.Join(s.Program, " ")
}

// shape tells the number of processes, where they ran and on which MPI.
func (s *series) shape() string {
	where := " on " + plural(len(s.Hosts), "host")
	if len(s.Hosts) == 1 {
		where = " on " + s.Hosts[0]
	}
	if s.Ranks == 0 {
		return "no MPI," + where
	}
	text := plural(s.Ranks, "rank") + where
	if s.MPI != nil {
		text += ", built for " + s.MPI.family()
		if s.MPI.ranOn() != "" {
			text += ", ran on " + s.MPI.ranOn()
		}
	}
	return text
}

func (g *generation) state() string {
	switch {
	case g.Default:
		return "complete, the one that a restart takes"
	case g.Complete:
		return "complete"
	}
	return "INCOMPLETE: " + g.Problem
}
