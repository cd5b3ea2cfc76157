package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Write commits the generation: it puts a copy of the manifest into every
// checkpoint directory that holds one of its images.
func (m *Manifest) Write() error {
	m.Version = format
	for _, dir := range m.Dirs() {
		m.Home = dir
		b, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
		if err := WriteFile(filepath.Join(dir, FileName(m.Computation, m.Generation)), append(b, '\n'), 0o600); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
	}
	return nil
}

// WriteFile replaces path with data so that a crash at any instant leaves
// the old content or the new one, durable when it returns.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	dir, base := filepath.Split(path)
	f, err := os.CreateTemp(filepath.Clean(dir), "."+base+".")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Clean(dir))
}

// SyncDir makes the names in a directory durable. File systems that cannot
// sync a directory are trusted to need no help.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Sync()
	return nil
}

// Publish gives a committed image its stable name, by rename so that the
// name never vanishes: a hard link, or a symbolic one where the file system
// has no hard links.
func Publish(dir, file, name string) error {
	stable := filepath.Join(dir, name)
	tmp := stable + ".temp"
	os.Remove(tmp)
	if err := os.Link(filepath.Join(dir, file), tmp); err != nil {
		rel, rerr := filepath.Rel(filepath.Dir(stable), filepath.Join(dir, file))
		if rerr != nil {
			return fmt.Errorf("publish image: %w", err)
		}
		if err := os.Symlink(rel, tmp); err != nil {
			return fmt.Errorf("publish image: %w", err)
		}
	}
	if err := os.Rename(tmp, stable); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("publish image: %w", err)
	}
	return SyncDir(filepath.Dir(stable))
}

// DropOthers removes an image's files in every generation but those kept, and
// the generation directories that become empty by it. Other images in the same
// directories belong to other processes, which drop their own.
func DropOthers(dir, file string, kept []int) error {
	rank := filepath.Dir(filepath.Dir(file))
	gens, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(dir, rank)), ".gen-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, g := range gens {
		if !slices.ContainsFunc(kept, func(k int) bool { return filepath.Base(g) == filepath.Base(GenDir(-1, k)) }) {
			errs = append(errs, dropBase(g, filepath.Base(file)))
		}
	}
	return errors.Join(errs...)
}

// DropGeneration removes an image's files of one generation, as after a
// checkpoint that failed.
func DropGeneration(dir, file string) error {
	return dropBase(filepath.Join(dir, filepath.Dir(file)), filepath.Base(file))
}

// dropBase removes an image and whatever was written beside it under the
// same name with something appended (shards, temporaries).
func dropBase(genDir, base string) error {
	entries, err := os.ReadDir(genDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("drop generation: %w", err)
	}
	var errs []error
	left := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), base) {
			left++
			continue
		}
		if err := os.RemoveAll(filepath.Join(genDir, e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("drop generation: %w", err))
		}
	}
	if left == 0 {
		os.Remove(genDir) // another process may just have put a file in: then it stays
	}
	return errors.Join(errs...)
}

// Unpublish takes away the stable name of an image that no newer one of the
// same name has replaced. The generation's own file stays.
func Unpublish(dir, name string) error {
	err := os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Alone makes name the only published image in its directory, as job scripts
// expect of a rank's: names of earlier computations go. What would be lost with
// its name, because no generation holds it, stays.
func Alone(dir, name string) error {
	stable := filepath.Join(dir, name)
	others, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(stable)), "ckpt_*.dmtcp"))
	var errs []error
	for _, o := range others {
		st, serr := os.Lstat(o)
		if o == stable || serr != nil {
			continue
		}
		sys, ok := st.Sys().(*syscall.Stat_t)
		if st.Mode()&fs.ModeSymlink != 0 || ok && sys.Nlink > 1 {
			errs = append(errs, os.Remove(o))
		}
	}
	return errors.Join(append(errs, err)...)
}
