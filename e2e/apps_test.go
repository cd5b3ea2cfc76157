package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// app is a packaged MPI application that was not written with us in mind.
type app struct {
	program string
	mpi     harness.MPI
	args    []string
	input   string                  // a file of testdata/apps to run beside
	result  func(dir string) string // what must not differ from an uninterrupted run
}

var apps = []app{
	{"hpcc", harness.OpenMPI, nil, "hpccinf.txt", hpccResult},
	{"NPopenmpi", harness.OpenMPI, []string{"-u", "200000", "-n", "3000", "-o", "np.out"}, "", netpipeResult},
	{"NPmpich2", harness.MPICH, []string{"-u", "200000", "-n", "3000", "-o", "np.out"}, "", netpipeResult},
	{"NPmpich2", harness.MPICH, []string{"-i", "-u", "100000", "-n", "20000", "-o", "np.out"}, "", netpipeResult},
}

var hpccLine = regexp.MustCompile(`(?m)^.*(\.\.\.\.\.\. (PASSED|FAILED)|^Success=\d|^MPIRandomAccess_ErrorsFraction=.*)$`)

// hpccResult keeps the residuals and verdicts of HPCC's report, which has many timings besides.
func hpccResult(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "hpccoutf.txt"))
	if err != nil {
		return err.Error()
	}
	return strings.Join(hpccLine.FindAllString(string(data), -1), "\n")
}

// netpipeResult keeps the message sizes of NetPIPE's table.
func netpipeResult(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "np.out"))
	if err != nil {
		return err.Error()
	}
	var sizes []string
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 0 {
			sizes = append(sizes, f[0])
		}
	}
	return strings.Join(sizes, " ")
}

func (a app) spec(t *testing.T) harness.Spec {
	t.Helper()
	path, err := exec.LookPath(a.program)
	if err != nil || !a.mpi.Installed() {
		t.Skipf("%s is not installed", a.program)
	}
	spec := harness.Spec{MPI: a.mpi, Ranks: 2, Command: append([]string{path}, a.args...)}
	if a.input != "" {
		spec.Input = []string{filepath.Join("testdata", "apps", a.input)}
	}
	return spec
}

// TestApps runs applications through several cycles at random moments of their run.
func TestApps(t *testing.T) {
	for _, a := range apps {
		t.Run(strings.Join(append([]string{a.program}, a.args...), " "), func(t *testing.T) {
			began := time.Now()
			plain, err := env.NewNative(a.spec(t))
			if err == nil {
				defer plain.Close()
				err = plain.Run.Wait(2 * harness.Patience)
			}
			if err != nil {
				t.Fatal(err)
			}
			length := time.Since(began)
			j := newJob(t, a.spec(t), nil)
			if err := j.Launch(); err != nil {
				t.Fatal(err)
			}
			r := randomness(t)
			for range cycles() {
				if err := j.WaitRunning(2); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(r.Int64N(int64(length) / int64(2*cycles()))))
				if err := j.Checkpoint(); err != nil {
					t.Fatal(err)
				}
				if err := j.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := j.Restart(); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Run.Wait(3 * harness.Patience); err != nil {
				t.Fatal(err)
			}
			if got, want := a.result(j.Dir), a.result(plain.Dir); got != want {
				t.Errorf("%s\nbut uninterrupted\n%s", got, want)
			}
		})
	}
}
