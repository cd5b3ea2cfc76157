package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// The job loop on a real Slurm: jobs are submitted by the unprivileged account
// and checkpoint, requeue and restart themselves by the scripts of contrib/slurm
// and by the text of job scripts that sites have.

// A job of the Slurm tests lasts this long unless it is told to hurry.
const (
	slurmSteps = 600
	slurmPause = 100000
)

// pmi is how srun speaks to each library.
var pmi = map[harness.MPI]string{harness.MPICH: "pmi2", harness.OpenMPI: "pmix"}

// workload is a program with its uninterrupted result.
type workload struct {
	mpi  harness.MPI // "" without
	path string
	args []string
	want string
}

func (w workload) command() []string { return append([]string{"./a.out"}, w.args...) }

func workloadOf(t *testing.T, m harness.MPI) workload {
	t.Helper()
	w := workload{mpi: m}
	var spec harness.Spec
	var err error
	if m == "" {
		p := plainProgram{name: "count"}
		spec, err = p.spec(slurmSteps, 0)
		w.want = native(t, spec, err)
		spec, err = p.spec(slurmSteps, slurmPause)
	} else {
		p := program{name: "halo"}
		w.want = reference(t, m, p, 2, slurmSteps)
		spec, err = p.spec(m, 2, slurmSteps, slurmPause, "-")
	}
	if err != nil {
		t.Fatal(err)
	}
	w.want = strings.Replace(w.want, "halo", "a.out", 1) // the name that sites' scripts have
	w.path, w.args = spec.Command[0], spec.Command[1:]
	return w
}

// TestRootSlurm needs root for the daemons. Its parts run beside each other:
// they wait for Slurm most of the time.
func TestRootSlurm(t *testing.T) {
	if why := harness.SlurmMissing(); why != "" {
		t.Skip(why)
	}
	var mpis []workload
	for _, m := range libraries(t) {
		mpis = append(mpis, workloadOf(t, m))
	}
	serial := workloadOf(t, "")
	signals, err := env.Plain("signals")
	if err != nil {
		t.Fatal(err)
	}
	s, err := env.NewSlurm()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	part := func(name string, w workload, f func(*testing.T, *harness.Slurm, workload)) {
		t.Run(strings.TrimSuffix(name+"/"+string(w.mpi), "/"), func(t *testing.T) { t.Parallel(); f(t, s, w) })
	}
	for _, w := range mpis {
		part("Published", w, slurmPublished)
		part("TwoScripts", w, slurmTwoScripts)
	}
	part("Published", serial, slurmPublished)
	part("Preempted", mpis[0], slurmPreempted)
	part("Cancelled", mpis[len(mpis)-1], slurmCancelled)
	part("OneNode", mpis[0], slurmOneNode)
	part("Ended", mpis[0], slurmEnded)
	part("UsedUp", serial, slurmUsedUp)
	part("Signals", workload{path: signals[0]}, slurmSignals)
	if os.Getenv("MANA_E2E_SLURM") == "full" {
		for _, w := range append(mpis, serial) {
			part("TimeLimit", w, slurmTimeLimit)
		}
	}
}

// newBatch makes a job's directory with the program in it as a.out.
func newBatch(t *testing.T, s *harness.Slurm, w workload, extraEnv ...string) *harness.Batch {
	t.Helper()
	modules := filepath.Join(env.Dir, "share/mana/nersc_cr/cr_functions.sh")
	if w.mpi != "" {
		extraEnv = append(extraEnv, "SLURM_MPI_TYPE="+pmi[w.mpi])
	}
	b, err := s.NewBatch(append([]string{"ARGS=" + strings.Join(w.args, " "), "INTERVAL=2",
		"max_timelimit=00:10:00", "BASH_ENV=modules.sh"}, extraEnv...)...)
	if err == nil {
		err = b.Write("modules.sh", fmt.Sprintf(batchEnv, modules))
	}
	if err == nil {
		err = os.Symlink(w.path, filepath.Join(b.Dir, "a.out"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.Report())
		}
		b.Run("scancel", "--signal=KILL", "--full", b.ID)
		b.Run("scancel", b.ID)
	})
	return b
}

// contrib is a script for users.
func contrib(name string) string { return filepath.Join(env.Root, "contrib", "slurm", name) }

// piece is the output of a job between two requeues; the batch shell marks its
// beginning.
func piece(b *harness.Batch, n int) string {
	pieces := strings.Split(b.Output(), pieceMark)[1:]
	if n >= len(pieces) {
		return ""
	}
	return pieces[n]
}

const (
	pieceMark = "BATCH SHELL STARTS\n"
	trapMark  = "BATCH SHELL TRAPS USR1\n"
)

// batchEnv is what batch shells begin with: the module command of a site, and
// the marks that the tests wait for.
const batchEnv = `module() { source %s; }
trap() {
	builtin trap "$@"
	[[ ${2-} != USR1 ]] || echo BATCH SHELL TRAPS USR1
}
[[ $0 != */slurm_script ]] || echo BATCH SHELL STARTS
`

// progressed waits until a piece of a job has done some steps, and returns the last.
func progressed(t *testing.T, b *harness.Batch, n int) int {
	t.Helper()
	must(t, func() error {
		return b.WaitFor(fmt.Sprintf("steps of piece %d", n), func() bool { return len(harness.Steps(piece(b, n))) >= 5 })
	})
	return slices.Max(harness.Steps(piece(b, n)))
}

// continued checks that a piece goes on from a checkpoint at which step seen had
// been done, and that nothing is missing between it and the piece before.
func continued(t *testing.T, b *harness.Batch, n, seen int) {
	t.Helper()
	progressed(t, b, n)
	first, last := harness.Steps(piece(b, n))[0], slices.Max(harness.Steps(piece(b, n-1)))
	if first <= seen || first > last+1 {
		t.Fatalf("restarted at step %d; step %d was done before the checkpoint, step %d before the end", first, seen, last)
	}
}

// completed lets a job run to its end and compares its result.
func completed(t *testing.T, b *harness.Batch, w workload, restarts int) {
	t.Helper()
	must(t, b.Hurry, func() error { return b.WaitState("COMPLETED", restarts) })
	if got := harness.Result(b.Output()); got != w.want {
		t.Errorf("%q, but uninterrupted %q", got, w.want)
	}
}

// signal sends a piece of the job the signal that announces the time limit.
func signal(t *testing.T, b *harness.Batch, n int) {
	t.Helper()
	must(t, func() error {
		return b.WaitFor("set trap", func() bool { return strings.Contains(piece(b, n), trapMark) })
	}, func() error { _, err := b.Run("scancel", "--batch", "--signal=USR1", b.ID); return err })
}

// signalled has a piece of the job checkpoint and requeue, as near its time limit,
// and waits until the next one runs.
func signalled(t *testing.T, b *harness.Batch, n int) {
	t.Helper()
	seen := progressed(t, b, n)
	signal(t, b, n)
	must(t, func() error { return b.WaitState("RUNNING", n+1) })
	continued(t, b, n+1, seen)
}

// slurmPublished is the text of a site's job script, submitted once, on two nodes.
func slurmPublished(t *testing.T, s *harness.Slurm, w workload) {
	script := "nersc_mana.slurm"
	if w.mpi == "" {
		script = "nersc_dmtcp.slurm"
	}
	b := newBatch(t, s, w)
	must(t, func() error { return b.Submit(filepath.Join(env.Root, "e2e/testdata/slurm", script)) })
	if w.mpi != "" {
		must(t, func() error {
			return b.WaitFor("a periodic checkpoint", func() bool { return b.Generation(".") > 0 })
		})
	}
	for n := range 2 {
		signalled(t, b, n)
	}
	completed(t, b, w, 2)
}

// status runs a command of the job's coordinator, as a user outside of the job does.
func status(b *harness.Batch, command string) error {
	_, err := b.Run("env", "SLURM_JOB_ID="+b.ID, "mana_status", command)
	return err
}

// slurmTwoScripts launches by one script and restarts by another.
func slurmTwoScripts(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w, "INTERVAL=0")
	must(t, func() error { return b.Submit(append([]string{contrib("run_launch.slurm")}, w.command()...)...) })
	seen := progressed(t, b, 0)
	must(t, func() error { return status(b, "--bcheckpoint") },
		func() error { _, err := b.Run("scancel", b.ID); return err },
		func() error { return b.WaitState("CANCELLED", 0) })
	must(t, func() error { return b.Submit(contrib("run_restart.slurm")) })
	continued(t, b, 1, seen)
	completed(t, b, w, 0)
}

// slurmPreempted lets a job make way for one of a higher priority, without
// any warning but SIGTERM.
func slurmPreempted(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w)
	must(t, func() error {
		return b.Submit(append([]string{"-p", harness.Low, "--exclusive", "--nodes=1", contrib("run_cr.slurm")}, w.command()...)...)
	})
	seen := progressed(t, b, 0)
	for range 2 { // the first may have begun before those steps
		last := b.Generation("ckpt." + b.ID)
		must(t, func() error {
			return b.WaitFor("a periodic checkpoint", func() bool { return b.Generation("ckpt."+b.ID) > last })
		})
	}
	must(t,
		func() error {
			_, err := b.Run("sbatch", "-p", harness.High, "--exclusive", "--nodes=1", "-o", "/dev/null", "--wrap", "sleep 1")
			return err
		},
		func() error { return b.WaitState("RUNNING", 1) })
	continued(t, b, 1, seen)
	completed(t, b, w, 1)
}

// slurmCancelled ends a job in the middle of a checkpoint: the one before stays
// valid.
func slurmCancelled(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w, "INTERVAL=0")
	must(t, func() error { return b.Submit(append([]string{contrib("run_launch.slurm")}, w.command()...)...) })
	seen := progressed(t, b, 0)
	must(t, func() error { return status(b, "--bcheckpoint") })
	must(t, func() error { return status(b, "--checkpoint") },
		func() error { _, err := b.Run("scancel", "--full", "--signal=KILL", b.ID); return err },
		func() error {
			return b.WaitFor("end of the job", func() bool { state, _ := b.State(); return state != "RUNNING" && state != "COMPLETING" })
		})
	t.Logf("generation %d when it was cancelled", b.Generation("."))
	must(t, func() error { return b.Submit(contrib("run_restart.slurm")) })
	continued(t, b, 1, seen)
	completed(t, b, w, 0)
}

// slurmOneNode runs two jobs on one node at the same time, each with a
// coordinator of its own.
func slurmOneNode(t *testing.T, s *harness.Slurm, w workload) {
	var jobs []*harness.Batch
	for range 2 {
		b := newBatch(t, s, w)
		must(t, func() error {
			return b.Submit(append([]string{"--nodes=1", "--nodelist=n1", contrib("run_cr.slurm")}, w.command()...)...)
		})
		jobs = append(jobs, b)
	}
	for _, b := range jobs {
		progressed(t, b, 0)
	}
	for _, b := range jobs {
		if state, _ := b.State(); state != "RUNNING" {
			t.Fatalf("job %s is %s: the two did not run at the same time", b.ID, state)
		}
		signalled(t, b, 0)
	}
	for _, b := range jobs {
		completed(t, b, w, 1)
	}
}

// slurmEnded signals a job whose program has just ended: it must not be requeued.
func slurmEnded(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w)
	text := fmt.Sprintf(`#!/bin/bash
module load mana nersc_cr
mana_coordinator
srun -n 2 mana_launch %s 1 0 - &
pid=$!
ckpt_command=ckpt_mana
requeue_job func_trap USR1
wait_program $pid
kill -USR1 $$
sleep 1
echo "ended by itself"
`, w.path)
	must(t, func() error { return b.Write("ended.slurm", text) },
		func() error { return b.Submit("--ntasks=2", "--time=10", "--comment=2:00:00", "ended.slurm") },
		func() error { return b.WaitState("COMPLETED", 0) })
	if _, restarts := b.State(); restarts != 0 || !strings.Contains(b.Output(), "ended by itself") {
		t.Errorf("requeued %d times", restarts)
	}
}

// slurmUsedUp signals a job whose wanted time is over: it runs on to its end.
func slurmUsedUp(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w)
	must(t, func() error {
		return b.Submit(append([]string{"--comment=00:00:10", contrib("serial_cr.slurm")}, w.command()...)...)
	})
	progressed(t, b, 0)
	signal(t, b, 0)
	completed(t, b, w, 0)
}

// slurmTimeLimit waits for the signal that Slurm sends before the time limit.
func slurmTimeLimit(t *testing.T, s *harness.Slurm, w workload) {
	script := "run_cr.slurm"
	if w.mpi == "" {
		script = "serial_cr.slurm"
	}
	b := newBatch(t, s, w, "max_timelimit=60")
	must(t, func() error {
		return b.Submit(append([]string{"--time=1", "--comment=00:10:00", "--signal=B:USR1@40", contrib(script)}, w.command()...)...)
	})
	for n := range 2 {
		seen := progressed(t, b, n)
		must(t, func() error { return b.WaitState("RUNNING", n+1) })
		continued(t, b, n+1, seen)
	}
	completed(t, b, w, 2)
}

// slurmSignals sends signals to a step, of which every process gets one, the
// launch and the program alike. A busy Slurm may send one twice: the same program
// without the launch counts with it.
func slurmSignals(t *testing.T, s *harness.Slurm, w workload) {
	b := newBatch(t, s, w)
	both := "trap : USR1 TERM; ./a.out > native & dmtcp_launch --new-coordinator --coord-port 0 ./a.out & wait; wait; wait; wait; wait"
	must(t, func() error { return b.Submit("--time=10", "--wrap", "srun sh -c '"+both+"'") })
	count := func() (launched, native int) {
		text, _ := os.ReadFile(filepath.Join(b.Dir, "native"))
		return len(harness.Steps(b.Output())) - 1, len(harness.Steps(string(text))) - 1
	}
	for sent := range 3 {
		must(t, func() error {
			return b.WaitFor(fmt.Sprintf("signal %d", sent), func() bool { n, m := count(); return n >= sent && m >= sent })
		})
		time.Sleep(time.Second) // for a second copy, which must not come
		if launched, native := count(); launched != native {
			t.Fatalf("%d signals sent, %d received, %d without the launch", sent, launched, native)
		}
		if sent < 2 {
			must(t, func() error { _, err := b.Run("scancel", "--signal=USR1", b.ID+".0"); return err })
		}
	}
}
