package agent

import (
	"encoding/json"
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
	dir    string
	file   string // relative to dir
	name   string
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

// takeSnapshot stops an MPI program for as long as it takes to copy its state
// and lets it go on. Where the copy cannot be had the program stays stopped
// until its image is written.
func takeSnapshot(p *program, dir string, rank, gen int) (*snapshot, error) {
	s, err := newSnapshot(p, dir, rank, gen)
	if err != nil {
		return nil, err
	}
	if err := s.freeze(); err != nil {
		return nil, errors.Join(err, s.thaw())
	}
	if s.s.Live() {
		return s, nil
	}
	if err := s.thaw(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// freeze stops the program, quiesces its MPI and copies its state.
func (s *snapshot) freeze() (err error) {
	m := s.p.mpi
	var state json.RawMessage
	if s.frozen, err = m.freeze(process.Options{SeccompFilters: ownFilters()}); err == nil {
		err = m.drain(s.frozen)
	}
	if err == nil {
		state, err = m.save()
	}
	if err == nil {
		if s.s, err = s.frozen.Snapshot(); err == nil {
			s.s.State.MPI = state
		}
	}
	return err
}

func (s *snapshot) path() string { return filepath.Join(s.dir, s.file) }

func (s *snapshot) thaw() error {
	if s.frozen == nil {
		return nil
	}
	_, err := s.frozen.Thaw()
	s.frozen = nil
	if s.p.mpi != nil {
		s.p.mpi.release()
	}
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
