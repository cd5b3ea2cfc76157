package e2e

import (
	"regexp"
	"strconv"
	"testing"

	"mana/e2e/harness"
)

// language is a program of testdata/lang, or a way to start one of testdata/mpi.
type language struct {
	name    string
	tool    string // the compiler: mpifort, mpicxx or mpicc of the library
	sources []string
	flags   []string
	only    harness.MPI // if it can be built or run with one library only
	program string      // of testdata/mpi, instead
	preload string      // a source of testdata/lang that is to stand in front of the program
	before  []string    // a command before the program's
	script  string      // of testdata/lang, as such a command
	mode    map[harness.MPI]string
}

var languages = []language{
	{name: "mpif.h", tool: "mpifort", sources: []string{"check.f90", "fort.F90"}, flags: []string{"-fallow-argument-mismatch", "-w"}},
	{name: "use-mpi", tool: "mpifort", sources: []string{"check.f90", "fort.F90"}, flags: []string{"-DUSE_MPI", "-fallow-argument-mismatch", "-w"}},
	// MPICH's common blocks do not stand wider integers.
	{name: "integer-8", tool: "mpifort", sources: []string{"check.f90", "fort.F90"}, only: harness.OpenMPI,
		flags: []string{"-fdefault-integer-8", "-fallow-argument-mismatch", "-w"}},
	{name: "use-mpi_f08", tool: "mpifort", sources: []string{"check.f90", "f08.f90"}},
	{name: "c++", tool: "mpicxx", sources: []string{"cxx.cpp"}},
	{name: "c++-bindings", tool: "mpicxx", sources: []string{"cxx.cpp"}, flags: []string{"-DBINDINGS"}},
	{name: "dlopen-soname", tool: "mpicc", sources: []string{"late.c"}, flags: []string{"-Wl,--as-needed"},
		mode: map[harness.MPI]string{harness.MPICH: "libmpich.so.12", harness.OpenMPI: "libmpi.so.40"}},
	{name: "dlopen-path", tool: "mpicc", sources: []string{"late.c"}, flags: []string{"-Wl,--as-needed"},
		mode: map[harness.MPI]string{harness.MPICH: "/usr/lib/x86_64-linux-gnu/libmpich.so.12", harness.OpenMPI: "/usr/lib/x86_64-linux-gnu/libmpi.so.40"}},
	{name: "pmpi-tool", program: "halo", preload: "tool.c"},
	{name: "wrapper-script", program: "process", script: "wrapper.sh"},
	{name: "wrapper-bash", program: "halo", before: []string{"bash", "-c", `cd /; echo "before $0"; "$@"`, "bash"}},
	{name: "wrapper-env", program: "halo", before: []string{"env", "MY_SETTING=1", "sh", "-c", `exec "$@"`, "sh"}},
}

// fortranFlags make gfortran take the sources as they are written.
var fortranFlags = []string{"-ffree-line-length-none"}

func (l language) build(m harness.MPI) (string, error) {
	if l.program != "" {
		return env.Program(m, l.program)
	}
	flags := l.flags
	if l.tool == "mpifort" {
		flags = append(fortranFlags, flags...)
	}
	return env.Lang(m, l.name, l.tool, flags, l.sources...)
}

func (l language) spec(m harness.MPI, steps, pauseUS int) (harness.Spec, error) {
	path, err := l.build(m)
	if err != nil {
		return harness.Spec{}, err
	}
	spec := harness.Spec{MPI: m, Ranks: 2}
	if l.script != "" {
		script, err := env.Script(l.script)
		if err != nil {
			return spec, err
		}
		spec.Command = append(spec.Command, script)
	}
	spec.Command = append(spec.Command, l.before...)
	spec.Command = append(spec.Command, path, strconv.Itoa(steps), strconv.Itoa(pauseUS), "-")
	if mode := l.mode[m]; mode != "" {
		spec.Command = append(spec.Command, mode)
	}
	if l.preload != "" {
		tool, err := env.Lang(m, l.preload+".so", "mpicc", nil, l.preload)
		if err != nil {
			return spec, err
		}
		spec.Env = []string{"LD_PRELOAD=" + tool}
	}
	return spec, nil
}

var toolLine = regexp.MustCompile(`(?m)^TOOL .*$`)

// TestLanguages takes programs in other languages, and those that other
// programs stand before, through checkpoint, kill and restart.
func TestLanguages(t *testing.T) {
	for _, m := range libraries(t) {
		for _, l := range languages {
			if l.only != "" && l.only != m {
				continue
			}
			t.Run(string(m)+"/"+l.name, func(t *testing.T) { l.test(t, m) })
		}
	}
}

func (l language) test(t *testing.T, m harness.MPI) {
	n := steps(cycles())
	spec, err := l.spec(m, n, 0)
	if harness.IsMissing(err) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := env.NewNative(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	want, err := plain.Finish()
	if err != nil {
		t.Fatal(err)
	}
	counts := toolLine.FindString(plain.Run.Stdout())
	if l.preload != "" && counts == "" {
		t.Fatal("the tool said nothing")
	}
	spec, err = l.spec(m, n, pauseUS)
	j := newJob(t, spec, err)
	must(t, j.Launch)
	r := randomness(t)
	for range cycles() {
		cycle(t, j, r)
	}
	conclude(t, j, want)
	if got := toolLine.FindString(j.Run.Stdout()); got != counts {
		t.Errorf("%q, but uninterrupted %q", got, counts)
	}
}
