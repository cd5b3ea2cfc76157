// Package manifest names the files of a checkpoint and keeps the list of
// images that makes one generation of a computation complete. A generation
// exists from the moment its manifest is renamed into place: images without
// one are leftovers.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mana/image"
)

// Image describes one checkpoint image of a generation.
type Image struct {
	Rank int    `json:"rank"` // -1 for a program without MPI
	Prog string `json:"prog"`
	UPID string `json:"upid"`
	PID  int    `json:"pid"`
	Host string `json:"host"`
	Dir  string `json:"dir"`  // the checkpoint directory, absolute
	File string `json:"file"` // the generation's own file, relative to Dir
	Name string `json:"name"` // the stable name, relative to Dir
	Size int64  `json:"size"`
	Sum  string `json:"sum,omitempty"`
}

// Ended is a rank that had left MPI and ended before the checkpoint.
type Ended struct {
	Rank   int `json:"rank"`
	Status int `json:"status"` // of its exit
}

// Manifest lists what belongs to one committed generation.
type Manifest struct {
	Version     int       `json:"version"`
	Computation string    `json:"computation"`
	Generation  int       `json:"generation"`
	Created     time.Time `json:"created"`
	Ranks       int       `json:"ranks"` // size of MPI_COMM_WORLD, 0 without MPI
	Agents      int       `json:"agents"`
	Home        string    `json:"home"` // the directory this copy was written to
	Images      []Image   `json:"images"`
	Ended       []Ended   `json:"ended,omitempty"` // ranks that have no image

	found string // the directory it was read from
}

const (
	prefix = "mana_manifest_"
	suffix = ".json"
	format = 1
	// maxSize bounds what Read takes from a file that may be anything.
	maxSize = 64 << 20
)

// ErrNone says that a directory holds no committed checkpoint.
var ErrNone = errors.New("no committed checkpoint")

// FileName is the name of a generation's manifest in a checkpoint directory.
func FileName(computation string, gen int) string {
	return fmt.Sprintf("%s%s_%05d%s", prefix, computation, gen, suffix)
}

// GenDir is the subdirectory in which one generation's images are written.
func GenDir(rank, gen int) string {
	return filepath.Join(rankDir(rank), fmt.Sprintf(".gen-%05d", gen))
}

// UniqueDir is the subdirectory of one generation when each is to have names of
// its own, so that none replaces another.
func UniqueDir(computation string, gen int) string {
	return fmt.Sprintf("ckpt_%s_%05d", computation, gen)
}

// IsUniqueDir reports whether name is what UniqueDir makes.
func IsUniqueDir(name, computation string) bool {
	gen, ok := strings.CutPrefix(name, "ckpt_"+computation+"_")
	return ok && len(gen) >= 5 && strings.Trim(gen, "0123456789") == ""
}

func rankDir(rank int) string {
	if rank < 0 {
		return "."
	}
	return fmt.Sprintf("ckpt_rank_%d", rank)
}

// ImageNames returns the generation's own file and the stable name of an
// image, both relative to the checkpoint directory.
func ImageNames(rank, gen int, prog, upid string) (file, name string) {
	base := fmt.Sprintf("ckpt_%s_%s.dmtcp", strings.Map(plain, prog), upid)
	return filepath.Join(GenDir(rank, gen), base), filepath.Join(rankDir(rank), base)
}

// plain keeps a program's name a single path component without blanks.
func plain(r rune) rune {
	if r <= ' ' || r == '/' {
		return '_'
	}
	return r
}

// Dirs lists the distinct checkpoint directories of the images.
func (m *Manifest) Dirs() []string {
	var dirs []string
	for _, im := range m.Images {
		if !slices.Contains(dirs, im.Dir) {
			dirs = append(dirs, im.Dir)
		}
	}
	return dirs
}

// Path finds an image. A checkpoint directory may have been moved since: the
// images that lay beside this copy of the manifest are looked up beside it
// still. The generation's own file is preferred to the stable name, which a
// later checkpoint may be replacing.
func (m *Manifest) Path(im Image) string {
	dir := im.Dir
	if im.Dir == m.Home && m.found != "" {
		dir = m.found
	}
	own, stable := filepath.Join(dir, im.File), filepath.Join(dir, im.Name)
	if st, err := os.Stat(own); err == nil && st.Size() == im.Size {
		return own
	}
	// The stable name may be a later generation's by now.
	if st, err := os.Stat(stable); err != nil || st.Size() != im.Size || im.Sum != "" && sumOf(stable) != im.Sum {
		return own
	}
	return stable
}

// sumOf is an image's checksum, "" if it cannot be read.
func sumOf(path string) string {
	im, err := image.Open(path)
	if err != nil {
		return ""
	}
	defer im.Close()
	return im.Checksum
}

// Check reports the first image that is missing or not as long as it was.
func (m *Manifest) Check() error {
	for _, im := range m.Images {
		path := m.Path(im)
		st, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("checkpoint image of generation %d is missing: %w", m.Generation, err)
		}
		if st.Size() != im.Size {
			return fmt.Errorf("checkpoint image %s has %d bytes, was written with %d", path, st.Size(), im.Size)
		}
	}
	return nil
}

// Parse reads a manifest's text and rejects what could not be one.
func Parse(b []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	if m.Version != format {
		return nil, fmt.Errorf("manifest has version %d, not %d", m.Version, format)
	}
	for _, im := range m.Images {
		if !filepath.IsLocal(im.File) || !filepath.IsLocal(im.Name) || !filepath.IsAbs(im.Dir) {
			return nil, fmt.Errorf("manifest names an image outside its directory: %q", im.File)
		}
	}
	return m, nil
}

// Read reads the manifest at path.
func Read(path string) (*Manifest, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if st.Size() > maxSize {
		return nil, fmt.Errorf("read manifest %s: %d bytes is too long", path, st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.found, err = filepath.Abs(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	return m, nil
}

// Unreadable is the error of a manifest that is there but tells nothing.
type Unreadable struct {
	name string
	err  error
}

func (u *Unreadable) Error() string { return u.err.Error() }
func (u *Unreadable) Unwrap() error { return u.err }

// of tells by the manifest's name whether it is one of the computation, and
// which generation's.
func (u *Unreadable) of(computation string) (gen int, ok bool) {
	text, ok := strings.CutPrefix(u.name, prefix+computation+"_")
	gen, err := strconv.Atoi(strings.TrimSuffix(text, suffix))
	return gen, ok && err == nil
}

func readAll(dir string) (all []*Manifest, firstErr error) {
	paths, _ := filepath.Glob(filepath.Join(escapeGlob(dir), prefix+"*"+suffix))
	unique, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "ckpt_*", prefix+"*"+suffix))
	paths = append(paths, unique...)
	for _, p := range paths {
		m, err := Read(p)
		if err != nil {
			firstErr = &Unreadable{filepath.Base(p), err}
			continue
		}
		all = append(all, m)
	}
	return all, firstErr
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// Of finds the manifest that an image given by path belongs to, and its entry.
// What to restart from is the entry's Path, not always the given one.
func Of(path string) (*Manifest, Image, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, Image{}, err
	}
	target, err := os.Stat(abs)
	if err != nil {
		return nil, Image{}, fmt.Errorf("checkpoint image: %w", err)
	}
	// An image lies in its checkpoint directory, in a rank's directory below
	// it or in a generation's directory below that.
	for dir, up := filepath.Dir(abs), 0; up < 3; dir, up = filepath.Dir(dir), up+1 {
		all, _ := readAll(dir)
		slices.SortStableFunc(all, func(a, b *Manifest) int { return b.Created.Compare(a.Created) })
		for _, m := range all {
			for _, im := range m.Images {
				// By its name first: after a crash the link of that name may
				// still be an older generation's.
				if abs == filepath.Join(m.found, im.Name) {
					return m, im, nil
				}
				st, err := os.Stat(m.Path(im))
				if err == nil && os.SameFile(st, target) {
					return m, im, nil
				}
			}
		}
	}
	return nil, Image{}, fmt.Errorf("%w lists %s", ErrNone, path)
}
