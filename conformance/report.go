package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// report counts outcomes by directory and keeps the differences.
type report struct {
	mode    string
	seed    uint64
	dirs    map[string]*counts
	faults  []string
	skipped []string
}

type counts struct{ pass, saved, fail, skipped int }

func newReport(mode string, seed uint64) *report {
	return &report{mode: mode, seed: seed, dirs: map[string]*counts{}}
}

func (r *report) dir(e *Entry) *counts {
	if r.dirs[e.Dir] == nil {
		r.dirs[e.Dir] = &counts{}
	}
	return r.dirs[e.Dir]
}

// skip notes an entry that says nothing about the product.
func (r *report) skip(e *Entry, why string) {
	r.dir(e).skipped++
	r.skipped = append(r.skipped, fmt.Sprintf("%-48s %s", e.ID(), why))
}

func (r *report) add(e *Entry, o Outcome) {
	c := r.dir(e)
	switch {
	case o.Fault != "":
		c.fail++
		r.faults = append(r.faults, fmt.Sprintf("%-48s %s", e.ID(), o.Fault))
	default:
		c.pass++
	}
	if o.Saved {
		c.saved++
	}
}

func (r *report) word(o Outcome) string {
	switch {
	case o.Fault != "":
		return "FAIL " + o.Fault
	case o.Saved:
		return "pass, checkpointed"
	}
	return "pass"
}

// print writes the tables and returns the number of differences.
func (r *report) print(w io.Writer) int {
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(w, "\n%s (%d):\n", title, len(lines))
			for _, line := range lines {
				fmt.Fprintln(w, " ", line)
			}
		}
	}
	section("not compared", r.skipped)
	section("pass natively, not under mana", r.faults)
	fmt.Fprintf(w, "\nmode %s, seed %d\n%-24s %8s %8s %14s %8s\n", r.mode, r.seed, "directory", "pass", "differ", "checkpointed", "not run")
	var all counts
	line := func(name string, c counts) {
		fmt.Fprintf(w, "%-24s %8d %8d %14d %8d\n", name, c.pass, c.fail, c.saved, c.skipped)
	}
	for _, name := range slices.Sorted(maps.Keys(r.dirs)) {
		c := *r.dirs[name]
		line(name, c)
		all = counts{all.pass + c.pass, all.saved + c.saved, all.fail + c.fail, all.skipped + c.skipped}
	}
	line("all", all)
	return all.fail
}
