package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mana/e2e/harness"
)

var gapLine = regexp.MustCompile(`(?m)^GAP (\S+)$`)

// figures of one checkpoint and restart, in milliseconds.
type figures struct{ idle, stall, write, dd, restart float64 }

// checkpoints prints what the program feels of a checkpoint, how long the
// image takes to become durable against dd writing the same bytes, and how
// long a restart takes until the program's next sign of life.
func checkpoints(env *harness.Env, rounds, mib int) error {
	fmt.Printf("Checkpoint of a process with %d MiB of noise, 1 %% dirtied per second, in ms, medians of %d\n", mib, rounds)
	fmt.Printf("%-8s %12s %12s %12s %12s %10s %12s\n", "", "idle gap", "stall", "write", "dd+fsync", "write/dd", "restart")
	return table("mana", rounds, func() (figures, error) { return checkpoint(env, mib) })
}

// compared does the same with CRIU. That it is missing, or too old for this
// kernel, is worth a line but no failure.
func compared(env *harness.Env, rounds, mib int) error {
	if err := table("criu", rounds, func() (figures, error) { return criu(env, mib) }); err != nil {
		fmt.Printf("%-8s %v\n", "criu", err)
	}
	return nil
}

func table(tool string, rounds int, once func() (figures, error)) error {
	var all []figures
	for range rounds {
		f, err := once()
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	f := median(all)
	fmt.Printf("%-8s %12.1f %12.1f %12.1f %12.1f %10.2f %12.1f\n", tool, f.idle, f.stall, f.write, f.dd, f.write/f.dd, f.restart)
	return nil
}

func median(all []figures) figures {
	pick := func(get func(figures) float64) float64 {
		var v []float64
		for _, f := range all {
			v = append(v, get(f))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return figures{
		pick(func(f figures) float64 { return f.idle }), pick(func(f figures) float64 { return f.stall }),
		pick(func(f figures) float64 { return f.write }), pick(func(f figures) float64 { return f.dd }),
		pick(func(f figures) float64 { return f.restart }),
	}
}

func checkpoint(env *harness.Env, mib int) (f figures, err error) {
	cmd, err := env.Plain("gap")
	if err != nil {
		return f, err
	}
	j, err := env.NewJob(harness.Spec{Command: append(cmd, strconv.Itoa(mib), "1")})
	if err != nil {
		return f, err
	}
	defer j.Close()
	if err := j.Launch(); err != nil {
		return f, err
	}
	if f.idle, err = idle(j.Run); err != nil {
		return f, err
	}
	before := len(j.Run.Stdout())
	f.write, err = clock(j.Checkpoint)
	if err != nil {
		return f, err
	}
	if err := ticks(j.Run, 3); err != nil {
		return f, err
	}
	f.stall = longest(j.Run.Stdout()[before:])
	if err := j.Kill(); err != nil {
		return f, err
	}
	if f.dd, err = dd(env, j.Dir, j.Ckpt); err != nil {
		return f, err
	}
	f.restart, err = clock(func() error {
		if err := j.Restart(); err != nil {
			return err
		}
		return ticks(j.Run, 1)
	})
	if err != nil {
		return f, err
	}
	return f, j.Kill()
}

// idle lets the program run for a while and gives the longest gap that the machine itself made.
func idle(p *harness.Process) (float64, error) {
	if err := ticks(p, 1); err != nil {
		return 0, err
	}
	before := len(p.Stdout())
	err := ticks(p, 50)
	return longest(p.Stdout()[before:]), err
}

// ticks waits for n more signs of life.
func ticks(p *harness.Process, n int) error {
	have := strings.Count(p.Stdout(), "tick\n")
	return p.WaitOutput(fmt.Sprintf("%d ticks", n), func(s string) bool { return strings.Count(s, "tick\n") >= have+n })
}

func longest(output string) (ms float64) {
	for _, m := range gapLine.FindAllStringSubmatch(output, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil {
			ms = max(ms, v)
		}
	}
	return ms
}

func clock(f func() error) (ms float64, err error) {
	began := time.Now()
	err = f()
	return float64(time.Since(began).Microseconds()) / 1e3, err
}

// dd copies the images to the same file system, which is what a checkpoint cannot well beat.
func dd(env *harness.Env, dir, images string) (ms float64, err error) {
	var sources []string
	err = filepath.WalkDir(images, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".dmtcp") && !strings.Contains(path, ".gen-") {
			sources = append(sources, path)
		}
		return err
	})
	if err != nil || len(sources) == 0 {
		return 0, fmt.Errorf("no images in %s (%v)", images, err)
	}
	out := filepath.Join(dir, "dd.out")
	defer os.Remove(out)
	return clock(func() error {
		for _, source := range sources {
			if p, err := env.Run(dir, nil, "dd", "if="+source, "of="+out, "bs=1M", "conv=fsync", "status=none"); err != nil {
				return fmt.Errorf("dd: %w (%s)", err, p.Stderr())
			}
		}
		return nil
	})
}
