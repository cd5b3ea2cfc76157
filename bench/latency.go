package main

import (
	"fmt"
	"regexp"
	"strconv"

	"mana/e2e/harness"
)

var timeLine = regexp.MustCompile(`(?m)^TIME (\S+) (\S+) us$`)

// latency prints the times of single MPI operations, alone and under mana.
func latency(env *harness.Env, rounds, reps int) error {
	fmt.Printf("Time per operation in µs, 2 ranks, best of %d interleaved runs\n", rounds)
	fmt.Printf("%-9s %-15s %10s %10s %7s\n", "", "", "alone", "under mana", "ratio")
	for _, m := range []harness.MPI{harness.MPICH, harness.OpenMPI} {
		if !m.Installed() {
			fmt.Printf("%-9s not installed\n", m)
			continue
		}
		if err := compare(env, m, rounds, reps); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	fmt.Println()
	return nil
}

func compare(env *harness.Env, m harness.MPI, rounds, reps int) error {
	path, err := env.Program(m, "pingpong")
	if err != nil {
		return err
	}
	spec := harness.Spec{MPI: m, Ranks: 2, Command: []string{path, strconv.Itoa(reps)}}
	best := [2]map[string]float64{{}, {}}
	var order []string
	for range rounds {
		for under := range 2 {
			names, times, err := measure(env, spec, under == 1)
			if err != nil {
				return err
			}
			order = names
			for name, us := range times {
				if old, ok := best[under][name]; !ok || us < old {
					best[under][name] = us
				}
			}
		}
	}
	for _, name := range order {
		a, b := best[0][name], best[1][name]
		fmt.Printf("%-9s %-15s %10.3f %10.3f %7.3f\n", m, name, a, b, b/a)
	}
	return nil
}

// measure runs the program once.
func measure(env *harness.Env, spec harness.Spec, under bool) (names []string, times map[string]float64, err error) {
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
	times = map[string]float64{}
	for _, f := range timeLine.FindAllStringSubmatch(j.Run.Stdout(), -1) {
		us, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return nil, nil, err
		}
		names, times[f[1]] = append(names, f[1]), us
	}
	return names, times, nil
}
