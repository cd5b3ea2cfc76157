package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Symbols that Open MPI's mpi.h declares but gives no (or a poisoned) name to.
var unnamed = map[string]bool{"MPI_REAL2": true, "MPI_LB": true, "MPI_UB": true}

// The tables say what the installed mpi.h says, constant by constant.
func TestTablesAgainstInstalledHeaders(t *testing.T) {
	for _, l := range []library{mpich, ompi} {
		t.Run(l.name, func(t *testing.T) {
			mpicc, err := exec.LookPath("mpicc." + map[string]string{"mpich": "mpich", "ompi": "openmpi"}[l.name])
			if err != nil {
				t.Skip(err)
			}
			tab := tables(t)
			var b bytes.Buffer
			b.WriteString("#include <mpi.h>\n#define CHECK(a, b) _Static_assert((a) == (b), #a)\n")
			for _, c := range tab.Constants {
				if v := l.other(c); v != nil && c.Group != "fortran_status_index" {
					fmt.Fprintf(&b, "CHECK(%s, %d);\n", c.Name, *v)
				}
			}
			for _, h := range tab.Handles {
				if l.intHand && h.MPICH != nil && h.Kind != "FILE" {
					fmt.Fprintf(&b, "CHECK(%s, (int)%#x);\n", h.Name, uint32(*h.MPICH))
				}
				if !l.intHand && h.OMPI != "" && !unnamed[h.Name] {
					fmt.Fprintf(&b, "extern void %s_differs(void) __attribute__((error(\"not %s\")));\n"+
						"void check_%s(void) { if ((void *)%s != (void *)&%s) %s_differs(); }\n",
						h.Name, h.OMPI, h.Name, h.Name, h.OMPI, h.Name)
				}
			}
			fmt.Fprintf(&b, "CHECK(sizeof(MPI_Status), %d);\n", map[bool]int{true: 20, false: 24}[l.intHand])
			src := filepath.Join(t.TempDir(), "check.c")
			if err := os.WriteFile(src, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(mpicc, "-std=gnu11", "-O1", "-c", "-o", os.DevNull, src).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", mpicc, err, out)
			}
		})
	}
}
