package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A program that is checkpointed, killed and restarted again and again ends
// as if nothing had happened, with its own pid all the time.
func TestCycles(t *testing.T) {
	p := newPlace(t)
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "counter", "out", "120")
	for cycle := range 3 {
		port := p.port("port", 1)
		n := len(p.lines("out"))
		until(t, "it counts", func() bool { return len(p.lines("out")) > n+3 })
		p.mustRun("dmtcp_command", "-p", port, "-bc")
		job.Process.Signal(syscall.SIGKILL)
		if rc := job.wait(t); rc != -9 {
			t.Fatalf("killed launcher: %d", rc)
		}
		images := p.images()
		if len(images) != 1 {
			t.Fatalf("cycle %d: images %v", cycle, images)
		}
		p.check(os.Remove(filepath.Join(p.work, "port")))
		job = p.start(nil, "dmtcp_restart", append([]string{"-p", "0", "--port-file", "port"}, images...)...)
	}
	if rc := job.wait(t); rc != 7 {
		t.Errorf("exit status %d, want 7\n%s", rc, job.err.String())
	}
	p.counted("out", 120)
}

// Two programs of one computation come back together, here by --restartdir
// and by the script that the coordinator leaves behind.
func TestTwoProgramsRestartTogether(t *testing.T) {
	p := newPlace(t)
	a := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "counter", "a", "60")
	port := p.port("port", 1)
	b := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "b", "60")
	p.port("port", 2)
	until(t, "both count", func() bool { return len(p.lines("a")) > 3 && len(p.lines("b")) > 3 })
	p.mustRun("dmtcp_command", "-p", port, "-kc")
	if ra, rb := a.wait(t), b.wait(t); ra != 0 || rb != 0 {
		t.Errorf("exit statuses after -kc: %d, %d", ra, rb)
	}
	if n := len(p.images()); n != 2 {
		t.Fatalf("%d images", n)
	}
	for _, args := range [][]string{{"dmtcp_restart", "-p", "0", "--restartdir", p.work},
		{filepath.Join(p.work, "dmtcp_restart_script.sh"), "-p", "0"}} {
		// The first program to end may be either; the restarter ends with its own.
		rc, _, errOut := p.run(args[0], args[1:]...)
		if rc != 7 {
			t.Fatalf("%v: exit status %d\n%s", args, rc, errOut)
		}
		p.counted("a", 60)
		until(t, "b is complete", func() bool { return len(p.lines("b")) == 60 })
		p.counted("b", 60)
	}
	one := p.images()[0]
	p.env = append(p.env, "MANA_RESTART_WAIT=1")
	if rc, _, errOut := p.run("dmtcp_restart", "-p", "0", one); rc != 99 || !strings.Contains(errOut, "only 1 of 2 processes") {
		t.Errorf("one image of two: rc %d, %q", rc, errOut)
	}
}

// The program runs on without its coordinator and joins the next one.
func TestCoordinatorIsReplaced(t *testing.T) {
	p := newPlace(t)
	coord := p.start(nil, "dmtcp_coordinator", "-p", "0", "--port-file", "port", "-q")
	until(t, "the coordinator is there", func() bool { _, err := os.Stat(filepath.Join(p.work, "port")); return err == nil })
	b, err := os.ReadFile(filepath.Join(p.work, "port"))
	p.check(err)
	port := string(b)
	job := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "out", "400")
	p.port("port", 1)
	p.mustRun("dmtcp_command", "-p", port, "-bc")
	coord.Process.Signal(syscall.SIGKILL)
	coord.wait(t)
	n := len(p.lines("out"))
	until(t, "it counts on", func() bool { return len(p.lines("out")) > n+3 })
	p.start(nil, "dmtcp_coordinator", "-p", port, "--port-file", "port2", "-q")
	p.port("port2", 1)
	p.mustRun("dmtcp_command", "-p", port, "-bc")
	if n := len(p.images()); n != 1 {
		t.Errorf("%d images after a checkpoint under each coordinator", n)
	}
	p.mustRun("dmtcp_command", "-p", port, "-q")
	if rc := job.wait(t); rc != 0 {
		t.Errorf("exit status %d after quit", rc)
	}
}

// A checkpoint that cannot be written leaves the program and the previous
// checkpoint alone, and says why.
func TestFailedCheckpoint(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Join(p.work, "images")
	p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "--ckptdir", dir, "counter", "out", "1000")
	port := p.port("port", 1)
	p.mustRun("dmtcp_command", "-p", port, "-bc")
	before, _ := filepath.Glob(filepath.Join(dir, "*"))
	p.check(os.Chmod(dir, 0o500))
	rc, _, errOut := p.run("dmtcp_command", "-p", port, "-bc")
	if rc != 2 || !strings.Contains(errOut, "permission denied") {
		t.Errorf("rc %d, %q", rc, errOut)
	}
	n := len(p.lines("out"))
	until(t, "it counts on", func() bool { return len(p.lines("out")) > n+3 })
	if after, _ := filepath.Glob(filepath.Join(dir, "*")); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("files before %v, after %v", before, after)
	}
	p.check(os.Chmod(dir, 0o700))
	p.mustRun("dmtcp_command", "-p", port, "-bc")
	if out := p.mustRun("dmtcp_command", "-p", port, "-s"); !strings.Contains(out, "RUNNING=yes") {
		t.Errorf("status: %s", out)
	}
	p.mustRun("dmtcp_command", "-p", port, "-k")
}

// The tools under a batch system's names and environment, two ranks of a
// program without MPI.
func TestManaTools(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "SLURM_JOB_ID=77")
	if rc, _, errOut := p.run("mana_launch", "counter", "x", "1"); rc != 1 || !strings.Contains(errOut, "No MANA coordinator detected") {
		t.Errorf("without a coordinator: rc %d, %q", rc, errOut)
	}
	if rc, _, _ := p.run("mana_status"); rc != 2 {
		t.Errorf("mana_status without a coordinator: rc %d", rc)
	}
	out := p.mustRun("mana_coordinator", "-p", "0")
	if !strings.HasPrefix(out, "*** Coordinator/job information written to ") || !strings.HasSuffix(out, "/.mana-slurm-77.rc\n") {
		t.Errorf("mana_coordinator says %q", out)
	}
	var ranks []*proc
	for _, r := range []string{"0", "1"} {
		ranks = append(ranks, p.start([]string{"PMI_RANK=" + r, "PMI_SIZE=2"}, "mana_launch", "counter", "out"+r, "80"))
	}
	until(t, "both ranks run", func() bool {
		_, out, _ := p.run("mana_status", "--status")
		return strings.Contains(out, "NUM_PEERS=2\n  RUNNING=yes")
	})
	until(t, "both count", func() bool { return len(p.lines("out0")) > 1 && len(p.lines("out1")) > 1 })
	p.mustRun("mana_status", "-bc")
	if out := p.mustRun("mana_status"); strings.Count(out, "WorkerState::RUNNING") != 2 {
		t.Errorf("list: %s", out)
	}
	p.mustRun("mana_status", "--quit")
	for _, r := range ranks {
		r.wait(t)
	}
	for _, f := range []string{"ckpt_rank_0", "ckpt_rank_1", "dmtcp_restart_script.sh"} {
		if _, err := os.Stat(filepath.Join(p.work, f)); err != nil {
			t.Error(err)
		}
	}
	p.mustRun("mana_coordinator", "-p", "0")
	if rc, _, errOut := p.run("mana_launch", "counter", "x", "1"); rc != 7 {
		t.Errorf("launch beside old checkpoints: rc %d, %q", rc, errOut)
	}
	p.mustRun("mana_coordinator", "-p", "0") // the other went with its last client
	wrong := p.start([]string{"PMI_RANK=0", "PMI_SIZE=3"}, "mana_restart")
	if rc := wrong.wait(t); rc != 1 || !strings.Contains(wrong.err.String(), "2 ranks, but the launcher started 3") {
		t.Errorf("wrong number of ranks: rc %d, %q", rc, wrong.err.String())
	}
	ranks = ranks[:0]
	for _, r := range []string{"0", "1"} {
		ranks = append(ranks, p.start([]string{"PMI_RANK=" + r, "PMI_SIZE=2"}, "mana_restart"))
	}
	for i, r := range ranks {
		if rc := r.wait(t); rc != 7 {
			t.Errorf("rank %d: exit status %d\n%s", i, rc, r.err.String())
		}
		if n := len(p.lines("out" + string(rune('0'+i)))); n != 80 {
			t.Errorf("rank %d wrote %d lines", i, n)
		}
	}
}

// Whatever is killed whenever: a complete checkpoint is left, and the program
// restarts from it.
func TestCrashDuringCheckpoint(t *testing.T) {
	p := newPlace(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "counter", "out", "200")
	// Only an open file is cut back at a restart.
	until(t, "it counts", func() bool { return len(p.lines("out")) > 1 })
	for range 6 {
		port := p.port("port", 1)
		p.mustRun("dmtcp_command", "-p", port, "-bc")
		again := p.start(nil, "dmtcp_command", "-p", port, "-bc")
		time.Sleep(time.Duration(random.IntN(30000)) * time.Microsecond)
		job.Process.Signal(syscall.SIGKILL)
		job.wait(t)
		again.wait(t)
		p.check(os.Remove(filepath.Join(p.work, "port")))
		job = p.start(nil, "dmtcp_restart", append([]string{"-p", "0", "--port-file", "port"}, p.images()...)...)
	}
	if rc := job.wait(t); rc != 7 {
		t.Errorf("exit status %d, want 7\n%s", rc, job.err.String())
	}
	p.counted("out", 200)
	if left, _ := filepath.Glob(filepath.Join(p.work, ".gen-*")); len(left) > 3 { // two are kept, one may have been cut short
		t.Errorf("leftovers pile up: %v", left)
	}
}

// The directory of a job's output file may be gone at its restart.
func TestOutputFileOutOfReach(t *testing.T) {
	p := newPlace(t)
	logs := filepath.Join(p.work, "logs")
	job := p.start(nil, "/bin/sh", "-c", "mkdir logs; exec dmtcp_launch -p 0 --port-file port sh -c 'while :; do echo tick; sleep 0.05; done; exit' > logs/out")
	port := p.port("port", 2)
	p.mustRun("dmtcp_command", "-p", port, "-kc")
	job.wait(t)
	p.check(os.RemoveAll(logs))
	p.check(os.Remove(filepath.Join(p.work, "port")))
	again := p.start(nil, "/bin/sh", "-c", "exec dmtcp_restart -p 0 --port-file port ckpt_*.dmtcp > out 2> err")
	port = p.port("port", 2)
	until(t, "it writes to the restarter's output", func() bool { return p.lines("out")[0] == "tick" })
	p.mustRun("dmtcp_command", "-p", port, "-k")
	again.wait(t)
	if said := strings.Join(p.lines("err"), "\n"); !strings.Contains(said, "goes where the restarter's goes") {
		t.Errorf("stderr %q", said)
	}
}
