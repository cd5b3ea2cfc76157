package e2e

import (
	"fmt"
	"slices"
	"testing"

	"mana/e2e/harness"
)

// TestNative proves that the test programs are fit to judge by: without the
// product they end well and give the same result every time, on every MPI.
func TestNative(t *testing.T) {
	results := map[string]string{} // "program ranks" -> RESULT
	for _, m := range libraries(t) {
		for _, ranks := range []int{2, 4} {
			for _, p := range slices.Concat(loops, traps) {
				if ranks < p.minRanks || !p.on(m) || !p.runs(ranks) {
					continue
				}
				t.Run(name(m, p, ranks), func(t *testing.T) {
					steps := p.steps
					if ranks > 2 && m == harness.MPICH { // its busy polling makes more ranks than cores slow
						steps = max(steps/10, 4)
					}
					key := fmt.Sprint(p, ranks, steps)
					for range 3 - ranks/2 { // again on two ranks; other libraries repeat it anyway
						spec, err := p.spec(m, ranks, steps, 0, "-")
						got := native(t, spec, err)
						if want, ok := results[key]; ok && got != want {
							t.Errorf("%q, but before %q", got, want)
						}
						results[key] = got
					}
				})
			}
		}
	}
}

// TestNativePlain is TestNative for the programs without MPI.
func TestNativePlain(t *testing.T) {
	for _, p := range slices.Concat(plains, trees, ipcs) {
		t.Run(p.String(), func(t *testing.T) {
			spec, err := p.spec(p.steps, 0)
			first := native(t, spec, err)
			if second := native(t, spec, err); second != first {
				t.Errorf("%q, but before %q", second, first)
			}
		})
	}
}
