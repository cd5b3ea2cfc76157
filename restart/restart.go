// Package restart is the role of dmtcp_restart and mana_restart: it finds the
// images of a committed generation and a coordinator, and hands both to an
// agent that rebuilds the programs.
package restart

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mana/agent"
	"mana/cli"
	"mana/launch"
	"mana/manifest"
	"mana/pidns"
)

const description = "Restart programs from their checkpoint images."

// options is the command line of dmtcp_restart and mana_restart.
type options struct {
	cli.Common
	launch.Join
	cli.Legacy
	Restartdir       string   `short:"r" help:"Restart from the images in this directory."`
	From             string   `help:"Generation to restart from: a number, latest, or either after a series' name and a colon."`
	NoStrictChecking bool     `env:"DMTCP_DISABLE_STRICT_CHECKING" help:"Do not check who owns the images."`
	NoTruncate       bool     `help:"Leave files alone that have grown since the checkpoint."`
	DebugPause       string   `name:"debug-restart-pause" hidden:""`
	Images           []string `arg:"" optional:"" help:"Checkpoint images (ckpt_*.dmtcp)."`
}

// Main runs the role under the given tool name.
func Main(name string, args []string) int {
	var o options
	p, status, over := cli.Open(cli.Tool{Name: name, Description: description, Status: cli.FailRC(), Out: os.Stderr, Prefix: name},
		&o, &o.Common, args)
	if over {
		return status
	}
	o.Note(p)
	failure := cli.FailRC()
	mana := strings.HasPrefix(name, "mana")
	if mana {
		failure = 1
		if o.Restartdir == "" {
			o.Restartdir = "."
		}
	}
	if o.Restartdir == "" && len(o.Images) == 0 || o.Restartdir != "" && len(o.Images) > 0 {
		return p.Wrong(errors.New("name checkpoint images or --restartdir"))
	}
	if o.From != "" && len(o.Images) > 0 {
		return cli.Die(name, failure, errors.New("--from chooses among the generations of --restartdir, not with named images"))
	}
	return o.run(name, mana, failure)
}

func (o *options) run(name string, mana bool, failure int) int {
	r, rank, err := o.find(name)
	var ended *endedError
	if errors.As(err, &ended) {
		return ended.status
	}
	if err != nil {
		return cli.Die(name, failure, err)
	}
	cfg := agent.Config{Name: name, Rank: rank, NRanks: r.Ranks, Quiet: o.Quiet, Codec: o.Codec(), MTBF: o.MTBF, Keep: o.Keep}
	if rank < 0 {
		cfg.NRanks = 0
	}
	if o.Ckptdir != "" {
		if cfg.CkptDir, err = launch.Directory(o.Ckptdir, !mana); err != nil {
			return cli.Die(name, failure, err)
		}
	}
	if cfg.Interval, err = o.Seconds(); err != nil {
		return cli.Die(name, failure, err)
	}
	place, err := o.coordinator(mana)
	if err != nil {
		return cli.Die(name, failure, err)
	}
	cfg.Dial = place.Dial
	return o.start(name, place, r, cfg)
}

// placeEnv carries the coordinator into the namespace: it has been found or
// started outside, where it must stay.
const placeEnv = "MANA_RESTART_COORDINATOR"

func (o *options) coordinator(mana bool) (launch.Place, error) {
	if pidns.Inside() {
		host, port, _ := strings.Cut(os.Getenv(placeEnv), " ")
		os.Unsetenv(placeEnv)
		n, err := strconv.Atoi(port)
		return launch.Place{Host: host, Port: n}, err
	}
	if mana {
		if err := o.FromRC(); err != nil {
			return launch.Place{}, err
		}
	}
	return o.Find()
}

// owned refuses the image of somebody else: what is in it would run as us.
func owned(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("checkpoint image: %w", err)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("checkpoint image %s belongs to user %d (--no-strict-checking restarts it all the same)", path, sys.Uid)
	}
	return nil
}

// find collects the images, from the command line or a directory.
func (o *options) find(name string) (r *agent.Restart, rank int, err error) {
	rank = -1
	switch {
	case o.Restartdir != "":
		r, rank, err = o.fromDir(name)
	default:
		r, err = fromImages(o.Images)
		if err == nil && !slices.ContainsFunc(r.Images, func(im agent.Saved) bool { return im.Rank != r.Images[0].Rank }) {
			rank = r.Images[0].Rank
		}
	}
	if err != nil {
		return nil, 0, err
	}
	r.NoTruncate = o.NoTruncate
	for _, im := range r.Images {
		if !o.NoStrictChecking {
			if err := owned(im.Path); err != nil {
				return nil, 0, err
			}
		}
	}
	return r, rank, nil
}

// named is an image of the command line and what is known of it.
type named struct {
	given, path string
	of          *manifest.Manifest
	manifest.Image
}

// fromImages takes the images named on the command line, all of one
// committed generation. Images that were moved away from their manifest are
// taken for a computation of their own.
func fromImages(paths []string) (*agent.Restart, error) {
	var all []named
	for _, p := range paths {
		if strings.HasSuffix(strings.TrimRight(p, "/"), "_files") {
			continue
		}
		if !strings.HasSuffix(p, ".dmtcp") {
			return nil, fmt.Errorf("%s does not end in .dmtcp", p)
		}
		n, err := lookUp(p)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	all = newest(all)
	r := &agent.Restart{}
	for _, n := range all {
		m := n.of
		if r.Computation != "" && (r.Computation != m.Computation || r.Generation != m.Generation) {
			return nil, fmt.Errorf("%s is of generation %d of %s, the others are of generation %d of %s: leftovers of another checkpoint?",
				n.given, m.Generation, m.Computation, r.Generation, r.Computation)
		}
		r.Computation, r.Generation, r.Last, r.Ranks = m.Computation, m.Generation, m.Last(), max(m.Ranks, n.Rank+1)
		if r.Total = len(m.Images); r.Total == 0 {
			r.Total = len(all)
		}
		r.Images = append(r.Images, agent.Saved{Image: n.Image, Path: n.path})
		r.Highest = max(r.Highest, n.PID, highest(m.Images))
	}
	return r, nil
}

func lookUp(path string) (named, error) {
	m, im, err := manifest.Of(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return named{}, err
	case err != nil:
		m, im = alone(path)
		return named{path, path, m, im}, nil
	}
	return named{path, m.Path(im), m, im}, nil
}

// newest leaves one image of each process: whoever looks for all images below
// a directory finds them under their stable names and in their generations'
// directories, older generations too.
func newest(all []named) []named {
	var out []named
	for _, n := range all {
		i := slices.IndexFunc(out, func(o named) bool {
			return o.of.Computation == n.of.Computation && o.UPID == n.UPID && o.Rank == n.Rank
		})
		switch {
		case i < 0:
			out = append(out, n)
		case n.of.Generation > out[i].of.Generation:
			out[i] = n
		}
	}
	return out
}

// alone stands in for the manifest of an image that has none, by the name of
// its file.
func alone(path string) (*manifest.Manifest, manifest.Image) {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	base := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(abs), "ckpt_"), ".dmtcp")
	prog, upid := base, base
	if i := strings.LastIndexByte(base, '_'); i > 0 {
		prog, upid = base[:i], base[i+1:]
	}
	im := manifest.Image{Rank: -1, Prog: prog, UPID: upid, Dir: filepath.Dir(abs), File: filepath.Base(abs), Name: filepath.Base(abs)}
	if f := strings.Split(upid, "-"); len(f) == 3 {
		im.PID, _ = strconv.Atoi(f[1])
	}
	return &manifest.Manifest{Computation: "images"}, im
}

// fromDir takes the generation that was asked for in the restart directory.
// For an MPI job it takes the image of this process' rank.
func (o *options) fromDir(name string) (*agent.Restart, int, error) {
	c, err := manifest.Choose(o.Restartdir, o.From)
	if errors.Is(err, manifest.ErrNone) && o.From == "" && !strings.HasPrefix(name, "mana") {
		// Images without a manifest, as they were named on the command line.
		if found, _ := filepath.Glob(filepath.Join(o.Restartdir, "*.dmtcp")); len(found) > 0 {
			r, err := fromImages(found)
			return r, -1, err
		}
	}
	if err != nil {
		return nil, 0, err
	}
	r := &agent.Restart{Computation: c.Computation, Generation: c.Generation, Total: len(c.Images), Last: c.Last(), Ranks: c.Ranks, Highest: highest(c.Images), Ended: c.Ended, Hint: c.Hint}
	rank := -1
	if c.Ranks > 0 {
		if rank, err = rankOf(c.Manifest, o.Restartdir); err != nil {
			return nil, 0, err
		}
	}
	if c.Skipped != nil && rank <= 0 && o.Quiet < 2 && !pidns.Inside() {
		fmt.Fprintf(os.Stderr, "%s: restarting from generation %d, because a newer one is not complete: %v\n", name, c.Generation, c.Skipped)
	}
	for _, im := range c.Images {
		if c.Ranks == 0 || im.Rank == rank {
			r.Images = append(r.Images, agent.Saved{Image: im, Path: c.Path(im)})
		}
	}
	if i := slices.IndexFunc(c.Ended, func(e manifest.Ended) bool { return e.Rank == rank }); i >= 0 && len(r.Images) == 0 {
		return nil, rank, &endedError{c.Ended[i].Status}
	}
	if len(r.Images) == 0 {
		return nil, 0, fmt.Errorf("generation %d in %s has no image of rank %d: it had ended", c.Generation, o.Restartdir, rank)
	}
	return r, rank, nil
}

// endedError says that this rank had ended before the checkpoint.
type endedError struct{ status int }

func (e *endedError) Error() string {
	return fmt.Sprintf("this rank had ended with status %d", e.status)
}

// rankOf is this process' rank of the MPI job that m is of.
func rankOf(m *manifest.Manifest, dir string) (int, error) {
	rank, n := agent.RankFromEnv()
	if rank < 0 && m.Ranks == 1 {
		rank, n = 0, 1
	}
	if rank < 0 {
		return 0, fmt.Errorf("%s holds an MPI job of %d ranks: restart it under a launcher (mpirun, srun)", dir, m.Ranks)
	}
	if n > 0 && n != m.Ranks || rank >= m.Ranks {
		return 0, fmt.Errorf("%s holds a job of %d ranks, but the launcher started %d", dir, m.Ranks, max(n, rank+1))
	}
	return rank, nil
}
