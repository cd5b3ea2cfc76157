package e2e

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"mana/e2e/harness"
)

// program is a test program of testdata/mpi with one way to run it.
type program struct {
	name     string
	mode     string
	steps    int // of a short native run
	minRanks int
	crowd    bool        // run with more ranks than cores by default
	moves    bool        // no checkpoint is possible in that state until the gate opens
	only     harness.MPI // the only library that has what it uses
	once     bool        // a checkpoint ends the state: what was sent has been taken off the wire
	rdma     bool        // Open MPI may use osc/rdma: it shows that memory of the library's own is not left to it
}

func (p program) String() string {
	if p.mode != "" {
		return p.name + "-" + p.mode
	}
	return p.name
}

// on says whether the program is for that MPI.
func (p program) on(m harness.MPI) bool { return p.only == "" || p.only == m }

// runs says whether the program is run with so many ranks. MPICH's ranks poll:
// with more of them than cores each takes minutes.
func (p program) runs(ranks int) bool {
	return ranks <= 2 || p.minRanks > 2 || p.crowd || cycles() >= 10
}

// args are the arguments after the program; gate may be "-".
func (p program) args(steps, pauseUS int, gate string) []string {
	return []string{strconv.Itoa(steps), strconv.Itoa(pauseUS), gate, p.mode}
}

// loops run for as long as they are told to and may be checkpointed at any moment.
var loops = []program{
	{name: "halo", crowd: true, steps: 100},
	{name: "cg", steps: 100},
	{name: "ring_persistent", steps: 50},
	{name: "masterworker", crowd: true, steps: 200},
	{name: "subcomm", crowd: true, steps: 20},
	{name: "userop", steps: 30},
	{name: "hybrid", mode: "funneled", steps: 50},
	{name: "hybrid", mode: "serialized", steps: 30},
	{name: "modes", steps: 20},
	{name: "mprobe", steps: 100},
	{name: "completion", crowd: true, steps: 60},
	{name: "attrs", steps: 50},
	{name: "collall", crowd: true, steps: 50},
	{name: "types", steps: 50},
	{name: "process", steps: 30},
	{name: "family", steps: 30},
	{name: "ids", steps: 30},
	{name: "timers", steps: 20},
	{name: "pending", steps: 5},
	{name: "inflight", steps: 20},
	{name: "icoll", steps: 30},
	{name: "pcoll", steps: 30},
	{name: "multi", steps: 50},
	{name: "topology", steps: 20},
	{name: "intercomm", steps: 20},
	{name: "files", steps: 20},
	{name: "mpiio", steps: 10},
	{name: "rma", steps: 20},
	{name: "pscw", steps: 40},
	{name: "atomics", steps: 20},
	{name: "winalloc", rdma: true, steps: 20},
	{name: "splitio", steps: 20},
	{name: "partitioned", steps: 50, only: harness.MPICH},
	{name: "sessions", steps: 20, only: harness.MPICH},
}

// traps stop in a chosen state until the gate opens.
var traps = []program{
	{name: "pending", steps: 3},
	{name: "inflight", steps: 3},
	{name: "flood", steps: 2000},
	{name: "ring_persistent", steps: 10},
	{name: "blocked", mode: "allreduce", steps: 60, moves: true},
	{name: "blocked", mode: "barrier", steps: 60, moves: true},
	{name: "blocked", mode: "bcast", steps: 60, moves: true},
	{name: "blocked", mode: "recv", steps: 10},
	{name: "blocked", mode: "recvany", steps: 10},
	{name: "blocked", mode: "wait", steps: 10},
	{name: "blocked", mode: "waitany", steps: 10},
	{name: "blocked", mode: "probe", steps: 10},
	{name: "blocked", mode: "sendrecv", steps: 10},
	{name: "blocked", mode: "send", steps: 10, once: true},
	{name: "blocked", mode: "ssend", steps: 10},
	{name: "blocked", mode: "issend", steps: 10},
	{name: "icoll", steps: 60, moves: true},
	{name: "release", mode: "recv", steps: 60, minRanks: 3, moves: true},
	{name: "release", mode: "ssend", steps: 60, minRanks: 3, moves: true},
	{name: "release", mode: "wait", steps: 60, minRanks: 3, moves: true},
	{name: "release", mode: "probe", steps: 60, minRanks: 3, moves: true},
}

// spec of a program on an MPI.
func (p program) spec(m harness.MPI, ranks, steps, pauseUS int, gate string) (harness.Spec, error) {
	path, err := env.Program(m, p.name)
	if err != nil {
		return harness.Spec{}, err
	}
	var env []string
	if !p.rdma { // Open MPI 4.1's osc/rdma crashes natively in atomic operations over shared memory
		env = append(env, "OMPI_MCA_osc=^rdma")
	}
	return harness.Spec{MPI: m, Ranks: ranks, Command: append([]string{path}, p.args(steps, pauseUS, gate)...), Env: env}, nil
}

// referenceRun is what the result of a program depends on.
type referenceRun struct {
	p            program
	ranks, steps int
}

var references sync.Map // of referenceRun: its result

// reference is the result of an uninterrupted run. TestNative shows that it
// does not depend on the library, so the one that copes with more ranks than cores serves for both.
func reference(t *testing.T, m harness.MPI, p program, ranks, steps int) string {
	t.Helper()
	if p.on(harness.OpenMPI) && harness.OpenMPI.Installed() {
		m = harness.OpenMPI
	}
	if known, ok := references.Load(referenceRun{p, ranks, steps}); ok {
		return known.(string)
	}
	spec, err := p.spec(m, ranks, steps, 0, "-")
	result := native(t, spec, err)
	references.Store(referenceRun{p, ranks, steps}, result)
	return result
}

func name(m harness.MPI, p program, ranks int) string {
	return fmt.Sprintf("%s/%s/%d", m, p, ranks)
}

// plainProgram is a test program of testdata/plain.
type plainProgram struct {
	name  string
	steps int
	dir   bool // takes a directory, not a file, of its own as third argument
	child bool // with a child process
}

func (p plainProgram) String() string {
	if p.child {
		return p.name + "-child"
	}
	return p.name
}

var plains = []plainProgram{
	{name: "count", steps: 100},
	{name: "count.static", steps: 100},
	{name: "threads", steps: 20},
	{name: "state", steps: 10, dir: true},
	{name: "numbers", steps: 50},
	{name: "gocount", steps: 50},
	{name: "threads.py", steps: 50},
}

// trees are programs that consist of several processes.
var trees = []plainProgram{
	{name: "state", steps: 10, dir: true, child: true},
	{name: "threads.py", steps: 50, child: true},
	{name: "script.sh", steps: 50},
	{name: "odds", steps: 20},
	{name: "tcp", steps: 20},
	{name: "tcp.py", steps: 20},
	{name: "pty", steps: 20},
	{name: "session", steps: 20},
}

func (p plainProgram) spec(steps, pauseUS int) (harness.Spec, error) {
	cmd, err := env.Plain(p.name)
	if err != nil {
		return harness.Spec{}, err
	}
	third := "count.out" // in the job's directory
	if p.dir {
		third = "."
	}
	cmd = append(cmd, fmt.Sprint(steps), fmt.Sprint(pauseUS), third)
	if p.child {
		cmd = append(cmd, "child")
	}
	return harness.Spec{Command: cmd}, nil
}
