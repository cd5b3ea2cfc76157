package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// What a program passes arrives in the standard ABI, and the answers come back
// in the program's; a wrong handle is an error, never a crash.
func TestFrontEndsTranslate(t *testing.T) {
	dir := generate(t)
	for _, abi := range []string{"mpich", "ompi"} {
		t.Run(abi, func(t *testing.T) {
			prog := filepath.Join(dir, abi)
			cc(t, dir, "-DFRONT_ALONE", "-Wno-missing-prototypes", "-Wno-builtin-declaration-mismatch", "-Itestdata/front", "-o", prog,
				"testdata/front/"+abi+".c", filepath.Join(dir, "stub/gen/front_"+abi+".c"), filepath.Join(dir, "stub/gen/core_default.c"))
			if out, err := exec.Command(prog).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
