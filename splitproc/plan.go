package splitproc

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ABI is one of the binary interfaces of MPI.
type ABI string

const (
	NoMPI ABI = ""
	MPICH ABI = "mpich" // MPICH ABI initiative: MPICH, Intel MPI, MVAPICH, Cray MPICH
	OMPI  ABI = "ompi"  // Open MPI 3 to 5
	Std   ABI = "std"   // the standard ABI of MPI 5
)

// ErrStatic: the program contains an MPI library, so none can be put in its place.
var ErrStatic = errors.New("it is linked statically with its MPI library and cannot be checkpointed as an MPI program")

// Plan is how a program is to be started.
type Plan struct {
	Program string
	ABI     ABI      // of the MPI library that the program needs, NoMPI if none
	SONAME  string   // of that library
	Library string   // path of the one that the program would have loaded, "" if it was not found
	Preload []string // further libraries for the program
}

// Binary is what the kernel executes: of a script its interpreter.
func (p *Plan) Binary() string { return interpreter(p.Program) }

// abiOf tells the ABI of a library by its SONAME.
func abiOf(soname string) ABI {
	base, version, ok := strings.Cut(soname, ".so.")
	if !ok {
		return NoMPI
	}
	version, _, _ = strings.Cut(version, ".")
	switch {
	case base == "libmpi_abi":
		return Std
	case base == "libmpi" && version == "40":
		return OMPI
	case version == "12" && (base == "libmpi" || base == "libmpich" || base == "libmpifort_mpich" ||
		strings.HasPrefix(base, "libmpi_gnu") || strings.HasPrefix(base, "libmpi_intel") ||
		strings.HasPrefix(base, "libmpi_cray") || strings.HasPrefix(base, "libmpi_nvidia") ||
		strings.HasPrefix(base, "libmpi_amd") || strings.HasPrefix(base, "libmpi_aocc")):
		return MPICH
	}
	return NoMPI
}

// MakePlan looks at the program and, breadth first like ld.so, at the
// libraries it needs. env is the environment with which it will be started.
func MakePlan(program string, env []string) (*Plan, error) {
	p := &Plan{Program: program}
	root, err := openObject(interpreter(program), nil)
	if err != nil { // nothing for us: exec will tell
		return p, nil
	}
	if root.static {
		if definesMPI(root.path) {
			return nil, fmt.Errorf("%s: %w", program, ErrStatic)
		}
		return p, nil
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
			base := name[strings.LastIndexByte(name, '/')+1:]
			path := f.find(name, o)
			if abi := abiOf(base); abi != NoMPI {
				p.ABI, p.SONAME, p.Library = abi, base, path
				return p, nil
			}
			if path == "" {
				continue
			}
			if child, err := openObject(path, o); err == nil {
				queue = append(queue, child)
			}
		}
	}
	if definesMPI(root.path) { // dynamic, but with an MPI library of its own
		return nil, fmt.Errorf("%s: %w", program, ErrStatic)
	}
	p.late(env, f)
	return p, nil
}

// late plans for a program that needs no MPI library by itself but was started
// by an MPI launcher: it may load one at run time, as Python does. It gets the
// stub of the launcher's family; until it calls MPI that changes nothing.
func (p *Plan) late(env []string, f *finder) {
	abi := launcherFamily(env)
	for _, name := range libraryNames[abi] {
		if path := f.find(name, nil); path != "" {
			p.ABI, p.SONAME, p.Library = abi, name, path
			return
		}
	}
}

// lookup finds a variable in an environment; "" if it is not set.
func lookup(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// launcherFamily tells which MPI's launcher made this environment.
func launcherFamily(env []string) ABI {
	for _, e := range env {
		switch {
		case strings.HasPrefix(e, "PMIX_"), strings.HasPrefix(e, "OMPI_COMM_WORLD_"):
			return OMPI
		}
	}
	for _, e := range env {
		if strings.HasPrefix(e, "PMI_FD=") || strings.HasPrefix(e, "PMI_RANK=") || strings.HasPrefix(e, "PMI_PORT=") {
			return MPICH
		}
	}
	return NoMPI
}

// names under which a library of each ABI is looked for.
var libraryNames = map[ABI][]string{
	MPICH: {"libmpich.so.12", "libmpi.so.12"},
	OMPI:  {"libmpi.so.40"},
}

// LibraryOption is the variable that names the real library to use.
const LibraryOption = "MANA_MPI_LIBRARY"

// lowerLibrary chooses the real library: the one the user names, else one of
// the launcher's family, else one of the program's. It returns the ABI that
// the adapter must speak and the names for dlopen, best first.
func (p *Plan) lowerLibrary(env []string) (ABI, []string, error) {
	if lib := lookup(env, LibraryOption); lib != "" {
		abi := abiOf(sonameOf(lib))
		if abi != MPICH && abi != OMPI {
			return NoMPI, nil, fmt.Errorf("%s=%s is not a known MPI library", LibraryOption, lib)
		}
		return abi, []string{lib}, nil
	}
	f := newFinder(lookup(env, "LD_LIBRARY_PATH"))
	for _, abi := range []ABI{launcherFamily(env), p.ABI, MPICH, OMPI} {
		var names []string
		if abi == p.ABI && p.Library != "" {
			names = append(names, p.Library)
		}
		for _, n := range libraryNames[abi] {
			if f.find(n, nil) != "" {
				names = append(names, n)
			}
		}
		if len(names) > 0 && abi != Std {
			return abi, names, nil
		}
	}
	return NoMPI, nil, fmt.Errorf("no MPI library found for %s (looked for libmpich.so.12, libmpi.so.12, libmpi.so.40); "+
		"%s=<path> names one", p.Program, LibraryOption)
}

// sonameOf is the library's own SONAME, else its file name.
func sonameOf(path string) string {
	f, err := elf.Open(path)
	if err == nil {
		defer f.Close()
		if s, _ := f.DynString(elf.DT_SONAME); len(s) > 0 {
			return s[0]
		}
	}
	if _, err := os.Stat(path); err != nil {
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}
