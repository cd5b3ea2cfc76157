package splitproc

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"

	"mana/task"
)

// Library is a real MPI library.
type Library struct {
	ABI     ABI
	Path    string
	Version string // "" if it does not tell
}

// Real is the library that the planned program will run on, or why there is
// none. env is the launcher's environment.
func (p *Plan) Real(env []string) (Library, error) {
	abi, names, err := p.lowerLibrary(env)
	if err != nil {
		return Library{}, err
	}
	lib := Library{ABI: abi, Path: names[0]}
	if found := newFinder(lookup(env, "LD_LIBRARY_PATH")).find(names[0], nil); found != "" {
		lib.Path = found
	}
	lib.Version = versionOf(lib.Path)
	return lib, nil
}

// Check says why the planned program could not come by an MPI library at its
// MPI_Init, nil if it will or needs none.
func (p *Plan) Check(env []string) error {
	if p.ABI == NoMPI {
		return nil
	}
	_, _, err := p.lowerLibrary(env)
	return err
}

// Unpack puts the parts that the planned program needs where it can load them.
func (p *Plan) Unpack(real ABI) error {
	if _, err := stubFile(p); err != nil {
		return err
	}
	_, err := adapterFile(real)
	return err
}

// versionSymbols are the strings in which the libraries keep their version.
var versionSymbols = map[string]string{
	"MPII_Version_string": "MPICH", "MPIR_Version_string": "MPICH", "ompi_version_string": "Open MPI",
}

// versionOf reads a library's version out of its data, since it cannot be
// called from here.
func versionOf(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	symbols, _ := f.DynamicSymbols()
	for _, s := range symbols {
		name, ok := versionSymbols[s.Name]
		if !ok || int(s.Section) >= len(f.Sections) {
			continue
		}
		text := make([]byte, min(s.Size, 64))
		sec := f.Sections[s.Section]
		if n, _ := sec.ReadAt(text, int64(s.Value-sec.Addr)); n > 0 {
			text, _, _ = bytes.Cut(text[:n], []byte{0})
			return name + " " + strings.TrimPrefix(string(text), "v")
		}
	}
	return ""
}

// Needed is an MPI library, of any language, that a program or one of its
// libraries needs.
type Needed struct {
	Name, Path string
	By         string // who needs it
}

// Fortran tells whether it is the Fortran layer of an MPI library.
func (n Needed) Fortran() bool {
	return strings.HasPrefix(n.Name, "libmpifort") || strings.HasPrefix(n.Name, "libmpichf") || strings.HasPrefix(n.Name, "libmpi_mpifh") ||
		strings.HasPrefix(n.Name, "libmpi_usempi") || strings.HasPrefix(n.Name, "libmpi_gnu")
}

// MPILibraries lists all MPI libraries that a program needs, breadth first,
// and other libraries of its that were not found.
func MPILibraries(program string, env []string) (mpi []Needed, missing []string, err error) {
	root, err := openObject(program, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", program, err)
	}
	f := newFinder(lookup(env, "LD_LIBRARY_PATH"))
	seen := map[string]bool{}
	for queue := []*object{root}; len(queue) > 0; queue = queue[1:] {
		o := queue[0]
		for _, name := range o.needed {
			if seen[name] {
				continue
			}
			seen[name] = true
			path := f.find(name, o)
			base := name[strings.LastIndexByte(name, '/')+1:]
			switch {
			case abiOf(base) != NoMPI || strings.HasPrefix(base, "libmpi"):
				mpi = append(mpi, Needed{base, path, o.path})
			case path == "":
				missing = append(missing, name)
			}
			if child, err := openObject(path, o); err == nil {
				queue = append(queue, child)
			}
		}
	}
	return mpi, missing, nil
}

// Confine installs the filter that confines a lower half, in a task that is
// to try it.
func Confine(t *task.Task) error { return t.SetFilter(filterThread|filterSpec, zoneFilter()) }
