package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// app is a packaged MPI application that was not written with us in mind; apptable_test.go lists them.
type app struct {
	name    string // of the test
	pkg     string // Debian package that brings the program
	program string // found in PATH, or a source of testdata/apps to be compiled with the tool build
	build   string
	mpi     harness.MPI
	ranks   int // 2 if not given
	args    []string
	input   []string // files of testdata/apps to run beside
	prepare []string // a command that makes more input from those, run before each run
	env     []string
	flags   []string                // for the launcher of the product
	cpu     string                  // a flag of /proc/cpuinfo without which the program does not run
	output  bool                    // the result is on standard output: it goes to the file out.RANK
	heavy   bool                    // a large package, a long run: only with MANA_E2E_APPS=1
	cycles  int                     // 5 for those that are heavy, cycles() if not given
	result  func(dir string) string // what must not differ from an uninterrupted run
}

// redirect runs a program with its standard output in a file of the rank's own.
const redirect = `exec "$@" >out.${OMPI_COMM_WORLD_RANK-$PMI_RANK}`

func (a app) spec(t *testing.T) harness.Spec {
	t.Helper()
	if a.heavy && os.Getenv("MANA_E2E_APPS") == "" {
		t.Skipf("%s takes long: MANA_E2E_APPS=1 or make apps runs it", a.name)
	}
	path, err := exec.LookPath(a.program)
	if a.build != "" {
		path, err = env.App(a.build, a.program)
	}
	if err != nil || !a.mpi.Installed() {
		t.Skipf("%s of Debian's package %s is not installed: %v", a.program, a.pkg, err)
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); !strings.Contains(string(info), a.cpu) {
		t.Skipf("%s needs a CPU with %s: %v", a.name, a.cpu, err)
	}
	spec := harness.Spec{MPI: a.mpi, Ranks: max(a.ranks, 2), Command: append([]string{path}, a.args...), Env: a.env, Flags: a.flags}
	if a.output {
		spec.Command = append([]string{"/bin/sh", "-c", redirect, "sh"}, spec.Command...)
	}
	for _, file := range a.input {
		spec.Input = append(spec.Input, filepath.Join("testdata", "apps", file))
	}
	return spec
}

func (a app) count() int {
	switch {
	case a.cycles > 0:
		return a.cycles
	case a.heavy:
		return max(cycles(), 5)
	}
	return cycles()
}

// prepared runs the command that completes the input.
func (a app) prepared(t *testing.T, j *harness.Job) {
	t.Helper()
	if a.prepare != nil {
		if _, err := env.Run(j.Dir, j.Env, a.prepare...); err != nil {
			t.Fatal(err)
		}
	}
}

// native is the result of an uninterrupted run, and how long that took.
func (a app) native(t *testing.T) (string, time.Duration) {
	t.Helper()
	plain, err := env.NewNativeIdle(a.spec(t))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	a.prepared(t, plain)
	began := time.Now()
	must(t, plain.Begin, func() error { return plain.Run.Wait(3 * harness.Patience) })
	length := time.Since(began)
	want := a.result(plain.Dir)
	if want == "" {
		t.Fatalf("no result\n%s", plain.Run.Stdout())
	}
	return want, length
}

// TestApps runs applications through several cycles at random moments of their run.
func TestApps(t *testing.T) {
	for _, a := range apps {
		t.Run(a.name, func(t *testing.T) {
			want, length := a.native(t)
			j := newJob(t, a.spec(t), nil)
			a.prepared(t, j)
			must(t, j.Launch)
			r := randomness(t)
			for range a.count() {
				must(t, func() error { return j.WaitRunning(j.Ranks) })
				time.Sleep(time.Duration(r.Int64N(int64(length) / int64(2*a.count()))))
				must(t, j.Checkpoint, j.Kill, j.Restart)
			}
			must(t, func() error { return j.Run.Wait(4 * harness.Patience) })
			if got := a.result(j.Dir); got != want {
				t.Errorf("%s\nbut uninterrupted\n%s", got, want)
			}
		})
	}
}

// TestAppTimes runs each application whole, with and without the product, and logs both times.
func TestAppTimes(t *testing.T) {
	if os.Getenv("MANA_E2E_APPTIMES") == "" {
		t.Skip("a measurement: set MANA_E2E_APPTIMES=1")
	}
	for _, a := range apps {
		t.Run(a.name, func(t *testing.T) {
			want, length := a.native(t)
			j := newJob(t, a.spec(t), nil)
			a.prepared(t, j)
			began := time.Now()
			must(t, j.Launch, func() error { return j.Run.Wait(4 * harness.Patience) })
			t.Logf("native %.2f s, under mana %.2f s", length.Seconds(), time.Since(began).Seconds())
			if got := a.result(j.Dir); got != want {
				t.Errorf("%s\nbut without mana\n%s", got, want)
			}
		})
	}
}

// lines keeps the lines of a file that have one of the words, or all if there are none.
func lines(file string, words ...string) func(dir string) string {
	return func(dir string) string {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err.Error()
		}
		if len(words) == 0 {
			return string(data)
		}
		var kept []string
		for _, line := range strings.Split(string(data), "\n") {
			for _, word := range words {
				if strings.Contains(line, word) {
					kept = append(kept, strings.Join(strings.Fields(line), " "))
					break
				}
			}
		}
		return strings.Join(kept, "\n")
	}
}
