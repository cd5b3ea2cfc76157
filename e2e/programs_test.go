package e2e

import (
	"fmt"
	"strconv"

	"mana/e2e/harness"
)

// program is a test program of testdata/mpi with one way to run it.
type program struct {
	name     string
	mode     string
	steps    int // of a short native run
	minRanks int
	gated    bool // has a state of interest at which it says READY and waits
}

func (p program) String() string {
	if p.mode != "" {
		return p.name + "-" + p.mode
	}
	return p.name
}

// args are the arguments after the program; gate may be "-".
func (p program) args(steps, pauseUS int, gate string) []string {
	return []string{strconv.Itoa(steps), strconv.Itoa(pauseUS), gate, p.mode}
}

// loops run for as long as they are told to and may be checkpointed at any moment.
var loops = []program{
	{name: "halo", steps: 100},
	{name: "cg", steps: 100},
	{name: "ring_persistent", steps: 50},
	{name: "masterworker", steps: 200},
	{name: "subcomm", steps: 20},
	{name: "topology", steps: 20},
	{name: "intercomm", steps: 20},
	{name: "files", steps: 20},
	{name: "userop", steps: 30},
	{name: "hybrid", mode: "funneled", steps: 50},
	{name: "hybrid", mode: "serialized", steps: 30},
	{name: "modes", steps: 20},
	{name: "mprobe", steps: 100},
	{name: "completion", steps: 60},
	{name: "attrs", steps: 50},
	{name: "collall", steps: 50},
	{name: "types", steps: 50},
	{name: "process", steps: 30},
	{name: "pending", steps: 5},
	{name: "inflight", steps: 20},
	{name: "icoll", steps: 30},
	{name: "multi", steps: 50},
}

// traps stop in a chosen state until the gate opens.
var traps = []program{
	{name: "pending", steps: 3, gated: true},
	{name: "inflight", steps: 3, gated: true},
	{name: "flood", steps: 2000, gated: true},
	{name: "ring_persistent", steps: 10, gated: true},
	{name: "blocked", mode: "allreduce", steps: 10, gated: true},
	{name: "blocked", mode: "barrier", steps: 10, gated: true},
	{name: "blocked", mode: "bcast", steps: 10, gated: true},
	{name: "blocked", mode: "recv", steps: 10, gated: true},
	{name: "blocked", mode: "recvany", steps: 10, gated: true},
	{name: "blocked", mode: "wait", steps: 10, gated: true},
	{name: "blocked", mode: "waitany", steps: 10, gated: true},
	{name: "blocked", mode: "probe", steps: 10, gated: true},
	{name: "blocked", mode: "sendrecv", steps: 10, gated: true},
	{name: "blocked", mode: "send", steps: 10, gated: true},
	{name: "blocked", mode: "ssend", steps: 10, gated: true},
	{name: "icoll", steps: 10, gated: true},
	{name: "release", mode: "recv", steps: 20, minRanks: 3, gated: true},
	{name: "release", mode: "ssend", steps: 20, minRanks: 3, gated: true},
	{name: "release", mode: "wait", steps: 20, minRanks: 3, gated: true},
	{name: "release", mode: "probe", steps: 20, minRanks: 3, gated: true},
}

// spec of a program on an MPI.
func (p program) spec(m harness.MPI, ranks, steps, pauseUS int, gate string) (harness.Spec, error) {
	path, err := env.Program(m, p.name)
	if err != nil {
		return harness.Spec{}, err
	}
	return harness.Spec{MPI: m, Ranks: ranks, Command: append([]string{path}, p.args(steps, pauseUS, gate)...)}, nil
}

// plainProgram is a test program of testdata/plain.
type plainProgram struct {
	name  string
	steps int
	dir   bool // takes a directory or file of its own as third argument
}

var plains = []plainProgram{
	{name: "count", steps: 100},
	{name: "count.static", steps: 100},
	{name: "threads", steps: 20},
	{name: "state", steps: 10, dir: true},
	{name: "gocount", steps: 50},
	{name: "threads.py", steps: 50},
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
	return harness.Spec{Command: append(cmd, fmt.Sprint(steps), fmt.Sprint(pauseUS), third)}, nil
}
