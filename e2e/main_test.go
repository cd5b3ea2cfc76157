package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mana/e2e/harness"
)

var env *harness.Env

// TestMain asks for MANA_E2E=1, since these tests take minutes and need both MPI
// libraries; `make e2e` sets it.
func TestMain(m *testing.M) {
	if os.Getenv("MANA_E2E") == "" {
		fmt.Println("end-to-end tests are off: set MANA_E2E=1, or run make e2e")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	binary, err := product()
	if err == nil {
		env, err = harness.New(binary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer env.Close()
	return m.Run()
}

// product is the binary under test: $MANA_BINARY, or what make builds.
func product() (string, error) {
	if b := os.Getenv("MANA_BINARY"); b != "" {
		return filepath.Abs(b)
	}
	if _, err := os.Stat("../main.go"); err != nil {
		return "", nil
	}
	cmd := exec.Command("make", "-s", "-C", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make: %w\n%s", err, out)
	}
	return filepath.Abs("../bin/mana")
}

// libraries are the MPIs to test: those installed, or the one named by MANA_E2E_MPI.
func libraries(t *testing.T) []harness.MPI {
	t.Helper()
	var found []harness.MPI
	for _, m := range []harness.MPI{harness.MPICH, harness.OpenMPI} {
		if only := os.Getenv("MANA_E2E_MPI"); m.Installed() && (only == "" || only == string(m)) {
			found = append(found, m)
		}
	}
	if len(found) == 0 {
		t.Skip("no MPI installed")
	}
	return found
}

// number reads a test parameter from the environment.
func number(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}

// randomness gives every test its own logged seed; MANA_E2E_SEED repeats one.
func randomness(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(number("MANA_E2E_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("MANA_E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// must does one thing after the other.
func must(t *testing.T, steps ...func() error) {
	t.Helper()
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// newJob starts a job that the test's end closes.
func newJob(t *testing.T, spec harness.Spec, err error) *harness.Job {
	t.Helper()
	var j *harness.Job
	if err == nil {
		j, err = env.NewJob(spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// native runs a program without the product and returns its result.
func native(t *testing.T, spec harness.Spec, err error) string {
	t.Helper()
	var j *harness.Job
	if err == nil {
		j, err = env.NewNative(spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	result, err := j.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return result
}
