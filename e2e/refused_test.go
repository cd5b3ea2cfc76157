package e2e

import (
	"strings"
	"testing"
)

// TestRefused runs a program that tries to spawn others and goes on without:
// each refusal is an MPI error, and told in one line the first time.
func TestRefused(t *testing.T) {
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			spec, err := program{name: "refused"}.spec(m, 2, 1, 0, "-")
			j := newJob(t, spec, err)
			must(t, j.Launch)
			if _, err := j.Finish(); err != nil {
				t.Fatal(err)
			}
			for _, f := range []string{"MPI_Comm_spawn", "MPI_Open_port"} {
				if n := strings.Count(j.Run.Stderr(), "mana: rank 0: "+f+" is refused under checkpoint control: "); n != 1 {
					t.Errorf("%s is refused in %d lines of rank 0:\n%s", f, n, j.Run.Stderr())
				}
			}
		})
	}
}
