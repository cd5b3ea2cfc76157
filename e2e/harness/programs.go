package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// MPI is one of the MPI libraries that Debian packages side by side.
type MPI string

// The MPI libraries that the tests know.
const (
	MPICH   MPI = "mpich"
	OpenMPI MPI = "openmpi"
)

// Installed says whether programs can be compiled and run with the library here.
func (m MPI) Installed() bool {
	for _, tool := range []string{"mpicc.", "mpirun."} {
		if _, err := exec.LookPath(tool + string(m)); err != nil {
			return false
		}
	}
	return true
}

// Mpirun is the command that runs args on np ranks of this machine.
func (m MPI) Mpirun(np int, args ...string) []string {
	cmd := []string{"mpirun." + string(m)}
	if m == OpenMPI {
		cmd = append(cmd, "--oversubscribe", "--bind-to", "none")
	}
	return append(append(cmd, "-np", strconv.Itoa(np)), args...)
}

// mpiEnv keeps both libraries on the loopback interface and quiet.
var mpiEnv = []string{
	"HYDRA_IFACE=lo",
	"UCX_NET_DEVICES=lo",
	"UCX_LOG_LEVEL=error",
	"HWLOC_COMPONENTS=-gl,-opencl", // no probing for X displays
	"OMPI_MCA_btl_tcp_if_include=lo",
	"OMPI_MCA_oob_tcp_if_include=lo",
	"OMPI_MCA_mpi_yield_when_idle=1",
	"OMP_NUM_THREADS=3",
	"OPENBLAS_NUM_THREADS=1",
}

// Program compiles testdata/mpi/<name>.c for an MPI and returns the executable.
func (e *Env) Program(m MPI, name string) (string, error) {
	src := filepath.Join(e.Root, "e2e", "testdata", "mpi", name+".c")
	flags, err := sourceFlags(src)
	if err != nil {
		return "", err
	}
	args := append([]string{"-std=gnu11", "-O2", "-g", "-fPIC", "-Wall", "-Werror", "-Wno-stringop-overflow", "-Wno-stringop-overread"}, flags...)
	return e.compile(filepath.Join(string(m), name), "mpicc."+string(m), append(args, src, "-lm", "-lpthread")...)
}

// Lang compiles sources of testdata/lang with a compiler wrapper (mpifort, mpicxx, mpicc) of an MPI.
func (e *Env) Lang(m MPI, name, tool string, flags []string, sources ...string) (string, error) {
	tool += "." + string(m)
	if _, err := exec.LookPath(tool); err != nil {
		return "", err
	}
	args := []string{"-O2", "-g"}
	for _, source := range sources {
		path := filepath.Join(e.Root, "e2e", "testdata", "lang", source)
		more, err := sourceFlags(path)
		if err != nil {
			return "", err
		}
		args = append(append(args, path), more...)
	}
	if strings.HasPrefix(tool, "mpifort.") {
		args = append(args, "-J", e.Dir) // where module files go
	}
	return e.compile(filepath.Join(string(m), "lang", name), tool, append(args, flags...)...)
}

// Script copies a script of testdata/lang to where jobs may read it.
func (e *Env) Script(name string) (string, error) {
	return e.compile(name, "cp", filepath.Join(e.Root, "e2e", "testdata", "lang", name))
}

// IsMissing says whether a compiler or program is not installed.
func IsMissing(err error) bool { return errors.Is(err, exec.ErrNotFound) }

// App compiles testdata/apps/<source> with the compiler wrapper that a library's package brings.
func (e *Env) App(tool, source string) (string, error) {
	if _, err := exec.LookPath(tool); err != nil {
		return "", err
	}
	src := filepath.Join(e.Root, "e2e", "testdata", "apps", source)
	flags, err := sourceFlags(src)
	if err != nil {
		return "", err
	}
	target := strings.TrimSuffix(source, filepath.Ext(source))
	return e.compile(filepath.Join(tool, target), tool, append([]string{"-O2", "-g", src}, flags...)...)
}

// Plain compiles testdata/plain/<name>, a C or Go source or a script, and
// returns the command that runs it. A name that ends in ".static" is linked so.
func (e *Env) Plain(name string) ([]string, error) {
	dir := filepath.Join(e.Root, "e2e", "testdata", "plain")
	var path string
	var err error
	switch base, static := strings.CutSuffix(name, ".static"); {
	case strings.HasSuffix(name, ".py"):
		path, err = e.compile(name, "cp", filepath.Join(dir, name))
		return []string{"/usr/bin/python3", path}, err
	case strings.HasSuffix(name, ".sh"):
		path, err = e.compile(name, "cp", filepath.Join(dir, name))
		return []string{"/bin/bash", path}, err
	case strings.HasPrefix(name, "go"):
		path, err = e.compile(name, "go", "build", filepath.Join(dir, name+".go"))
	case static:
		path, err = e.compile(name, "gcc", "-static", "-O2", "-g", "-Wall", "-Werror", filepath.Join(dir, base+".c"), "-lpthread")
	default:
		path, err = e.compile(name, "gcc", "-O2", "-g", "-fPIC", "-Wall", "-Werror", filepath.Join(dir, name+".c"), "-lpthread")
	}
	return []string{path}, err
}

// compile runs a compiler once per target; "-o target" goes in front of the sources.
func (e *Env) compile(name, tool string, args ...string) (string, error) {
	target := filepath.Join(e.Dir, "programs", name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err, done := e.built[target]; done {
		return target, err
	}
	err := os.MkdirAll(filepath.Dir(target), 0o755)
	if err == nil {
		switch tool {
		case "go":
			args = append([]string{args[0], "-o", target}, args[1:]...)
		case "cp":
			args = append(args, target)
		default:
			args = append([]string{"-o", target}, args...)
		}
		cmd := exec.Command(tool, args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, cerr := cmd.CombinedOutput(); cerr != nil {
			err = fmt.Errorf("%s %s: %w\n%s", tool, strings.Join(args, " "), cerr, out)
		}
	}
	e.built[target] = err
	return target, err
}

// sourceFlags are the extra compiler flags that a source names in a "flags:" comment on its first lines.
func sourceFlags(src string) ([]string, error) {
	data, err := os.ReadFile(src)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(data), "\n") {
		if _, flags, ok := strings.Cut(line, "flags:"); ok && i < 5 {
			return strings.Fields(strings.TrimSuffix(strings.TrimSpace(flags), "*/")), nil
		}
	}
	return nil, nil
}
