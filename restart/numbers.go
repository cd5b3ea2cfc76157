package restart

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"mana/agent"
	"mana/cli"
	"mana/launch"
	"mana/manifest"
	"mana/pidns"
)

// start decides how the programs get their process numbers back.
func (o *options) start(name string, place launch.Place, r *agent.Restart, cfg agent.Config) int {
	need := r.Needs()
	// A program that starts many threads has numbers far above its processes'.
	r.Highest = max(r.Highest, slices.Max(need.Numbers))
	enter := func() (int, syscall.Signal, error) {
		return pidns.Run(pidns.Options{Highest: r.Highest, IPC: need.IPC})
	}
	if cfg.Rank >= 0 {
		// Ranks in different pid namespaces could not reach each other's memory.
		key := fmt.Sprintf("%s-%d-%s-%d", r.Computation, r.Generation, place.Host, place.Port)
		enter = func() (int, syscall.Signal, error) { return pidns.Join(key, r.Highest) }
	}
	switch {
	case pidns.Inside() || pidns.MaySetTIDs() && (cfg.Rank >= 0 || free(need.Numbers) && !need.IPC):
		if !free(need.Numbers) {
			fmt.Fprintf(os.Stderr, "%s: the programs get new process numbers: the old ones are in use\n", name)
			r.Numbers = agent.NewNumbers
		}
	default:
		os.Setenv(placeEnv, fmt.Sprintf("%s %d", place.Host, place.Port))
		status, sig, err := enter()
		if errors.Is(err, pidns.ErrUnavailable) {
			os.Unsetenv(placeEnv)
			if cfg.Rank <= 0 {
				fmt.Fprintf(os.Stderr, "%s: the programs get new process numbers: %v\n", name, err)
			}
			r.Numbers = agent.NewNumbers
			break
		}
		if err != nil {
			return cli.Die(name, cli.FailRC(), err)
		}
		if sig != 0 {
			agent.LeaveBy(sig)
		}
		return status
	}
	return r.Run(cfg)
}

// highest is the greatest process number among the images of a whole
// computation.
func highest(images []manifest.Image) int {
	n := 0
	for _, im := range images {
		n = max(n, im.PID)
	}
	return n
}

// free reports whether all these process and thread numbers are to be had here.
func free(numbers []int) bool {
	return !slices.ContainsFunc(numbers, func(n int) bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", n))
		return err == nil
	})
}
