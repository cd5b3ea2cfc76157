package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What scripts see of the command lines: exit statuses and where text goes.
func TestContract(t *testing.T) {
	p := newPlace(t)
	p.check(os.WriteFile(filepath.Join(p.work, "x.txt"), nil, 0o600))
	p.check(os.WriteFile(filepath.Join(p.work, "junk.dmtcp"), []byte("junk"), 0o644))
	p.check(os.Chown(filepath.Join(p.work, "junk.dmtcp"), os.Getuid(), -1))
	for _, c := range []struct {
		line     string
		rc       int
		out, err string
	}{
		{"dmtcp_launch --help", 0, "Usage: dmtcp_launch", ""},
		{"dmtcp_launch --version", 0, "dmtcp_launch (DMTCP) 5.0", ""},
		{"dmtcp_launch", 99, "(For help: dmtcp_launch --help)", ""},
		{"dmtcp_launch --nonsense true", 99, "Invalid Argument", ""},
		{"dmtcp_launch /no/such/program", 99, "", "*** ERROR:  Executable to run w/ DMTCP appears not to be readable,\n***         or no such executable in path.\n\n/no/such/program\n"},
		{"dmtcp_launch -j -p 1 true", 99, "", "Coordinator not found, but --join was specified"},
		{"dmtcp_launch --ckptdir /proc/x true", 99, "", "checkpoint directory"},
		{"dmtcp_launch --ckptdir x.txt true", 99, "", "no directory"},
		{"dmtcp_launch -p x true", 99, "", "no port number"},
		{"dmtcp_launch -i x -p 0 true", 99, "", "no number of seconds"},
		{"dmtcp_launch --new-coordinator -i 5 sh -c 'exit 3'", 3, "", ""},
		{"dmtcp_launch -p0 -i6 sh -c 'exit 4'", 4, "", ""},
		{"dmtcp_launch -p 0 -q -q --mpi --kernel-loader --ib --rm --no-gzip --gzip --disable-dl-plugin --disable-pid-plugin --with-plugin /x/libmana.so --ckpt-signal 10 -t /tmp --checkpoint-open-files -- sh -c 'echo -n hello'", 0, "hello", ""},
		{"dmtcp_launch -p 0 --ib --rm --with-plugin /x/libmana.so:/x/other.so --ckpt-signal 10 true", 0, "",
			"dmtcp_launch: no effect here: --batch-queue, --ckpt-signal, --ib, --with-plugin\n"},
		{"PMI_RANK=1 PMI_SIZE=2 dmtcp_launch -p 0 --ib --rm true", 0, "", ""},
		{"dmtcp_launch -p 0 --no-coordinator true", 0, "", ""},
		{"dmtcp_launch -p 0 sh -c 'kill -USR1 $$'", -int(syscall.SIGUSR1), "", ""},
		{"dmtcp_launch -p 0 sh -c 'kill -SEGV $$'", -int(syscall.SIGSEGV), "", ""},
		{"dmtcp_launch -p 0 sh -c 'echo $DMTCP_COORD_HOST; dmtcp_command -s'", 0, "127.0.0.1\nCoordinator:\n  Host: 127.0.0.1\n", ""},
		{"dmtcp_restart --version", 0, "dmtcp_restart (DMTCP) 5.0", ""},
		{"dmtcp_restart", 99, "", "name checkpoint images or --restartdir"},
		{"dmtcp_restart x.txt", 99, "", "does not end in .dmtcp"},
		{"dmtcp_restart none.dmtcp", 99, "", "no such file"},
		{"dmtcp_restart --restartdir /none", 99, "", "no such file"},
		{"dmtcp_restart --restartdir /", 99, "", "no committed checkpoint"},
		{"dmtcp_coordinator --nonsense", 1, "", "unknown flag"},
		{"dmtcp_coordinator --help", 0, "Usage: dmtcp_coordinator", ""},
		{"dmtcp_coordinator -p x", 1, "", "no port number"},
		{"dmtcp_coordinator -i", 1, "", "expected"},
		{"dmtcp_coordinator --coord-logfile", 1, "", "expected"},
		{"dmtcp_command", 1, "", "no command given"},
		{"dmtcp_command -h", 1, "Usage:  dmtcp_command", ""},
		{"dmtcp_command --help", 1, "Usage:  dmtcp_command", ""},
		{"mana_status --help", 0, "Usage:  mana_status", ""},
		{"mana_status -p 1 -s", 2, "", "Coordinator not found. Please check port and host."},
		{"dmtcp_nocheckpoint --help", 0, "Usage: dmtcp_nocheckpoint", ""},
		{"dmtcp_nocheckpoint sh -c 'exit 6'", 6, "", ""},
		{"mana_launch srun ./a.out", 1, "", "belongs before"},
		{"mana_launch --ckptdir nowhere true", 1, "", "Checkpoint directory doesn't exist"},
		{"mana_launch /no/such/program", 1, "", "cannot be started"},
		{"mana_restart", 1, "", "no committed checkpoint"},
	} {
		rc, out, errOut := p.run("/bin/sh", "-c", c.line)
		if c.rc < 0 { // the shell turns a death into 128+n
			c.rc = 128 - c.rc
		}
		if rc != c.rc || !strings.Contains(out, c.out) || !strings.Contains(errOut, c.err) {
			t.Errorf("%s: rc %d, want %d\nstdout %q\nstderr %q", c.line, rc, c.rc, out, errOut)
		}
	}
}

// The daemon's files are complete when its starter returns, and replace what
// was there; the coordinator's end takes back only what is its own.
func TestDaemonFiles(t *testing.T) {
	p := newPlace(t)
	portFile := filepath.Join(p.work, "dmtcp_command.42")
	p.check(os.WriteFile(portFile, []byte("#!/bin/bash\n# of an earlier job\n"), 0o777))
	if p.cred != nil {
		p.check(os.Chown(portFile, int(p.cred.Uid), int(p.cred.Gid)))
	}
	p.mustRun("dmtcp_coordinator", "--daemon", "--exit-on-last", "-p", "0", "--port-file", portFile, "--status-file", "status", "-i", "30")
	b, err := os.ReadFile(portFile)
	p.check(err)
	port := string(b)
	if strings.TrimSpace(port) != port || port == "" || strings.Trim(port, "0123456789") != "" {
		t.Fatalf("port file holds %q", port)
	}
	status, err := os.ReadFile(filepath.Join(p.work, "status"))
	p.check(err)
	for _, want := range []string{"Coordinator started: ", "\nStatus...\nHost: ", "\nPort: " + port + "\n", "\nCheckpoint Interval: 30\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("status file lacks %q:\n%s", want, status)
		}
	}
	if rc, _, errOut := p.run("dmtcp_coordinator", "--daemon", "-p", port); rc != 99 || !strings.Contains(errOut, "in use") {
		t.Errorf("a second one on the port: rc %d, %q", rc, errOut)
	}
	out := p.mustRun("dmtcp_command", "-p", port, "-s")
	if !strings.Contains(out, "CKPT_INTERVAL=30") {
		t.Errorf("status: %q", out)
	}
	p.check(os.WriteFile(portFile, []byte("#!/bin/bash\n"), 0o700))
	p.mustRun("dmtcp_command", "-p", port, "-q")
	until(t, "the coordinator has gone", func() bool {
		b, _ := os.ReadFile(filepath.Join(p.work, "status"))
		return strings.Contains(string(b), "Coordinator exited: ")
	})
	if _, err := os.Stat(portFile); err != nil {
		t.Errorf("the job's own file was taken away: %v", err)
	}
}

// Nobody but the coordinator's owner gets in.
func TestOtherUsersStayOut(t *testing.T) {
	p := newPlace(t)
	p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "sleep", "100")
	port := p.port("port", 1)
	other := newPlace(t)
	if rc, _, errOut := other.run("dmtcp_command", "-p", port, "-k"); rc != 2 || !strings.Contains(errOut, "belongs to somebody else") {
		t.Errorf("dmtcp_command: rc %d, %q", rc, errOut)
	}
	if rc, _, errOut := other.run("dmtcp_launch", "-p", port, "true"); rc != 99 || !strings.Contains(errOut, "no secret is known") {
		t.Errorf("dmtcp_launch: rc %d, %q", rc, errOut)
	}
	p.mustRun("dmtcp_command", "-h", "localhost", "-p", port, "-k")
}

// Signals for the launcher reach the program, once.
func TestSignalsReachTheProgram(t *testing.T) {
	p := newPlace(t)
	script := `trap 'echo got >> log' USR1; trap 'echo term >> log; exit 9' TERM; echo ready > log; while :; do sleep 0.05; done`
	job := p.start(nil, "dmtcp_launch", "-p", "0", "sh", "-c", script)
	until(t, "the traps are set", func() bool { return p.lines("log")[0] == "ready" })
	job.Process.Signal(syscall.SIGUSR1)
	until(t, "the signal came", func() bool { return len(p.lines("log")) > 1 })
	job.Process.Signal(syscall.SIGTERM)
	if rc := job.wait(t); rc != 9 {
		t.Errorf("exit status %d", rc)
	}
	if got := strings.Join(p.lines("log"), " "); got != "ready got term" {
		t.Errorf("log: %q", got)
	}
}

// Job scripts export variables that hold nothing.
func TestEmptyVariables(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "DMTCP_CHECKPOINT_INTERVAL=", "DMTCP_COORD_PORT=", "DMTCP_COORD_HOST=", "DMTCP_QUIET=",
		"DMTCP_CHECKPOINT_DIR=", "MANA_RESTART_WAIT=", "DMTCP_DISABLE_STRICT_CHECKING=")
	if rc, out, errOut := p.run("dmtcp_launch", "-p", "0", "sh", "-c", "echo hello"); rc != 0 || out != "hello\n" {
		t.Errorf("rc %d, %q, %q", rc, out, errOut)
	}
	p.mustRun("dmtcp_coordinator", "--daemon", "-p", "0", "--port-file", "port")
	p.mustRun("dmtcp_command", "-p", p.lines("port")[0], "-q")
}
