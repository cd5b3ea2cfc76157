package main

import (
	"fmt"
	"regexp"
	"strconv"

	"mana/e2e/harness"
)

var timeLine = regexp.MustCompile(`(?m)^TIME (\S+) (\S+) (\S+)$`)

// timing of one operation: nanoseconds, and the MPI calls that it waits for.
type timing struct{ ns, calls float64 }

// latency prints the times of single MPI operations, alone and under mana.
func latency(env *harness.Env, rounds, blocks int) error {
	fmt.Printf("Time per operation in ns, 2 ranks, the fastest of %d blocks in each of %d interleaved runs\n", blocks, rounds)
	fmt.Printf("%-9s %-15s %12s %12s %7s %15s\n", "", "", "alone", "under mana", "ratio", "added per call")
	for _, m := range []harness.MPI{harness.MPICH, harness.OpenMPI} {
		if !m.Installed() {
			fmt.Printf("%-9s not installed\n", m)
			continue
		}
		for _, mode := range []string{"", "threads"} {
			if err := compare(env, m, rounds, blocks, mode); err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
		}
	}
	fmt.Println()
	return nil
}

func compare(env *harness.Env, m harness.MPI, rounds, blocks int, mode string) error {
	path, err := env.Program(m, "overhead")
	if err != nil {
		return err
	}
	spec := harness.Spec{MPI: m, Ranks: 2, Command: []string{path, strconv.Itoa(blocks), "0", "-", mode},
		// As mpirun has it where every rank has a core; the harness is prepared for less.
		Env: []string{"OMPI_MCA_mpi_yield_when_idle=0"}}
	best := [2]map[string]timing{{}, {}}
	var order []string
	for range rounds {
		for under := range 2 {
			names, times, err := measure(env, spec, under == 1)
			if err != nil {
				return err
			}
			order = names
			for name, t := range times {
				if old, ok := best[under][name]; !ok || t.ns < old.ns {
					best[under][name] = t
				}
			}
		}
	}
	for _, name := range order {
		a, b := best[0][name], best[1][name]
		fmt.Printf("%-9s %-15s %12.1f %12.1f %7.3f %15.1f\n", m, name, a.ns, b.ns, b.ns/a.ns, (b.ns-a.ns)/a.calls)
	}
	return nil
}

// measure runs the program once.
func measure(env *harness.Env, spec harness.Spec, under bool) (names []string, times map[string]timing, err error) {
	var j *harness.Job
	if under {
		if j, err = env.NewJob(spec); err == nil {
			err = j.Launch()
		}
	} else {
		j, err = env.NewNative(spec)
	}
	if j != nil {
		defer j.Close()
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := j.Finish(); err != nil {
		return nil, nil, err
	}
	times = map[string]timing{}
	for _, f := range timeLine.FindAllStringSubmatch(j.Run.Stdout(), -1) {
		ns, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, nil, err
		}
		calls, err := strconv.ParseFloat(f[3], 64)
		if err != nil {
			return nil, nil, err
		}
		names, times[f[1]] = append(names, f[1]), timing{ns, calls}
	}
	return names, times, nil
}
