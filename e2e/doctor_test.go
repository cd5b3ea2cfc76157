package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"mana/e2e/harness"
)

// diagnosis is what mana_doctor --json says, by check.
type diagnosis struct {
	OK     bool `json:"ok"`
	Checks []struct{ Check, Status, Text, Mend string }
}

func (d diagnosis) of(check string) (status, text string) {
	for _, c := range d.Checks {
		if c.Check == check {
			return c.Status, c.Text
		}
	}
	return "absent", ""
}

// diagnose runs mana_doctor, behind other words if need be.
func diagnose(t *testing.T, j *harness.Job, before []string, args ...string) diagnosis {
	t.Helper()
	cmd := append(append(append([]string{}, before...), "mana_doctor", "--json"), args...)
	p, err := env.Run(j.Dir, j.Env, cmd...)
	var d diagnosis
	if jerr := json.Unmarshal([]byte(p.Stdout()), &d); jerr != nil {
		t.Fatalf("%v: %v in %q %q", cmd, jerr, p.Stdout(), p.Stderr())
	}
	if d.OK != (err == nil) {
		t.Errorf("%v: ok is %v, but the end was %v", cmd, d.OK, err)
	}
	return d
}

// want compares the outcome of one check.
func (d diagnosis) want(t *testing.T, check, status, part string) {
	t.Helper()
	if got, text := d.of(check); got != status || !strings.Contains(text, part) {
		t.Errorf("%s is %s (%q), want %s with %q", check, got, text, status, part)
	}
}

// forbid runs what follows without some system calls.
func forbid(t *testing.T, numbers ...int) []string {
	t.Helper()
	cmd, err := env.Plain("nosys")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		cmd = append(cmd, strconv.Itoa(n))
	}
	return append(cmd, "--")
}

// TestDoctor examines a machine on which all works, and the same one with
// pieces taken away.
func TestDoctor(t *testing.T) {
	j := newJob(t, harness.Spec{}, nil)
	d := diagnose(t, j, nil, "/bin/sh")
	for _, check := range []string{"ptrace", "seccomp", "memory layout", "pidfd", "durability", "coordinator", "home"} {
		d.want(t, check, "ok", "")
	}
	d.want(t, "program", "ok", "no MPI")
	d = diagnose(t, j, forbid(t, unix.SYS_PTRACE))
	d.want(t, "ptrace", "fail", "does not let a process control its own children")
	d = diagnose(t, j, forbid(t, unix.SYS_PIDFD_GETFD, unix.SYS_MOUNT))
	d.want(t, "pidfd", "fail", "operation not permitted")
	d.want(t, "process numbers", "warn", "operation not permitted")
	diagnose(t, j, nil, "--ckptdir", "/no/such/dir").want(t, "ckptdir", "fail", "/no/such/dir")
	diagnose(t, j, nil, "--ckptdir", "/dev/shm").want(t, "ckptdir", "warn", "tmpfs")
	diagnose(t, j, nil, "--ckptdir", "/proc/self").want(t, "ckptdir", "fail", "")
	diagnose(t, j, nil, "-p", "1").want(t, "coordinator", "fail", "127.0.0.1:1")
	diagnose(t, j, nil, "-p", strconv.Itoa(j.Port)).want(t, "coordinator", "ok", "answers")
	diagnose(t, j, nil, "-p", "x").want(t, "coordinator", "fail", "no port number")
	diagnose(t, j, nil, "no-such-program").want(t, "program", "fail", "no-such-program")
	diagnose(t, j, []string{"/bin/sh", "-c", `ulimit -f 1000000; exec "$@"`, "sh"}).want(t, "file size", "warn", "GiB")
	for _, m := range libraries(t) {
		path, err := env.Program(m, "halo")
		if err != nil {
			t.Fatal(err)
		}
		family := map[harness.MPI]string{harness.MPICH: "MPICH", harness.OpenMPI: "Open MPI"}[m]
		d := diagnose(t, j, nil, path)
		d.want(t, "program", "ok", "built for "+family)
		d.want(t, "MPI library", "ok", family+" ")
		d.want(t, "launcher", "ok", "mpirun")
		d = diagnose(t, j, m.Mpirun(1), path)
		d.want(t, "launcher", "ok", "rank 0 of 1, PMI")
	}
}

// TestHopelessLaunch starts programs where the doctor finds that it cannot
// work: the launch says the same line, at once.
func TestHopelessLaunch(t *testing.T) {
	j := newJob(t, harness.Spec{}, nil)
	args := append(forbid(t, unix.SYS_PTRACE), "dmtcp_launch")
	must(t, func() error { return j.Start(append(append(args, j.Coordinates()...), "/bin/true")) })
	complains(t, j, "does not let a process control its own children.*: allow the ptrace system call")
}
