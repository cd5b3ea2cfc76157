package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// TestBadLaunch starts what cannot be started.
func TestBadLaunch(t *testing.T) {
	text := filepath.Join(env.Dir, "text")
	must(t, func() error { return os.WriteFile(text, []byte("no program\n"), 0o644) })
	for _, c := range []struct {
		name   string
		tool   string
		args   []string
		expect string
	}{
		{"no such program", "dmtcp_launch", []string{"/no/such/program"}, "/no/such/program"},
		{"no such program in PATH", "dmtcp_launch", []string{"no-such-program"}, "no-such-program"},
		{"not executable", "dmtcp_launch", []string{text}, "text"},
		{"a directory", "dmtcp_launch", []string{"/tmp"}, "/tmp"},
		{"MPI, no such program", "mana_launch", []string{"/no/such/program"}, "/no/such/program"},
		{"no coordinator", "dmtcp_launch", []string{"--join-coordinator", "--coord-port", "1", "/bin/true"}, "(?i)coordinator"},
		{"unknown host", "dmtcp_launch", []string{"--join-coordinator", "--coord-host", "no-such-host.invalid", "/bin/true"}, "(?i)coordinator|host"},
		{"missing checkpoint directory", "mana_launch", []string{"--ckptdir", "/no/such/dir", "/bin/true"}, "/no/such/dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(t, harness.Spec{}, nil)
			must(t, func() error { return j.Start(append(append([]string{c.tool}, j.Coordinates()...), c.args...)) })
			complains(t, j, c.expect)
		})
	}
}

// TestStaticMPI launches a program that has the MPI library linked into itself:
// nothing can be put in the library's place, and that must be said at once.
func TestStaticMPI(t *testing.T) {
	if !harness.MPICH.Installed() {
		t.Skip("needs MPICH")
	}
	exe := filepath.Join(env.Dir, "halo.static")
	out, err := exec.Command("gcc", "-I/usr/include/x86_64-linux-gnu/mpich", "-o", exe, "testdata/mpi/halo.c",
		"/usr/lib/x86_64-linux-gnu/libmpich.a", "-lucp", "-lucs", "-lhwloc", "-lm", "-lpthread").CombinedOutput()
	if err != nil {
		t.Skipf("no static MPICH here: %s", out)
	}
	j := newJob(t, harness.Spec{MPI: harness.MPICH, Ranks: 2, Command: []string{exe, "10"}}, nil)
	must(t, j.Launch)
	complains(t, j, `(?i)static`)
}

// TestMissingMPI hides every MPI library from a program that was built with one.
func TestMissingMPI(t *testing.T) {
	if exec.Command("unshare", "-Urm", "true").Run() != nil {
		t.Skip("no user namespaces")
	}
	var hide []string
	for _, m := range libraries(t) { // one library could stand in for the other
		path, err := env.Program(m, "halo")
		if err != nil {
			t.Fatal(err)
		}
		ldd, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(ldd), "\n") {
			if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[0], "libmpi") {
				hide = append(hide, "mount --bind /dev/null "+f[2])
			}
		}
	}
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			path, err := env.Program(m, "halo")
			if err != nil {
				t.Fatal(err)
			}
			j := newJob(t, harness.Spec{MPI: m}, nil) // the tool and the program both complain
			script := strings.Join(append(hide, `exec "$@"`), " && ")
			args := append([]string{"unshare", "-Urm", "sh", "-c", script, "sh", "mana_launch"}, j.Coordinates()...)
			must(t, func() error { return j.Start(append(args, path, "10")) })
			complains(t, j, `libmpi|MPI library`)
		})
	}
}
