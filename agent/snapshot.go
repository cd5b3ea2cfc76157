package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mana/image"
	"mana/manifest"
	"mana/process"
)

// snapshot is a program at one instant, on its way to its image.
type snapshot struct {
	p      *program
	s      *process.Snapshot
	frozen *process.Frozen // still stopped: its memory could not be copied
	// usesMPI: it was stopped as the rank's process that uses MPI.
	usesMPI  bool
	hasBoard bool // it shares a board with the agent
	dir      string
	file     string // relative to dir
	name     string
}

// newSnapshot makes room for the image of a program. That comes before its
// stop: a directory that cannot be written costs the program nothing.
func newSnapshot(p *program, dir string, rank, gen int) (*snapshot, error) {
	s := &snapshot{p: p, dir: dir}
	s.file, s.name = manifest.ImageNames(rank, gen, p.name, p.upid)
	if err := os.MkdirAll(filepath.Dir(s.path()), 0o700); err != nil {
		return nil, fmt.Errorf("make room for the image: %w", err)
	}
	return s, nil
}

func (s *snapshot) path() string { return filepath.Join(s.dir, s.file) }

func (s *snapshot) thaw() error {
	if s.frozen == nil {
		return nil
	}
	_, err := s.frozen.Thaw()
	s.frozen = nil
	return err
}

// write makes the image durable.
func (s *snapshot) write(c image.Codec, m *meter) (written, error) {
	r, err := image.Write(metered{s.s, m}, s.path(), image.WriteOptions{Codec: c})
	if err != nil {
		return written{}, err
	}
	return written{p: s.p, dir: s.dir, file: s.file, name: s.name, size: r.Size, sum: r.Checksum}, nil
}

// ownFilters is how many seccomp filters this process lives under, a
// container's for instance: the program has inherited them.
func ownFilters() int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	n := 0
	if _, v, ok := strings.Cut(string(b), "\nSeccomp_filters:"); ok {
		fmt.Sscan(v, &n)
	}
	return n
}

func (s *snapshot) close() error {
	return errors.Join(s.s.Close(), s.thaw())
}

func closeAll(snaps []*snapshot) error {
	var errs []error
	for _, s := range snaps {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
