// Package layout lets tests compare what Go and a C header say of shared memory.
package layout

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Offsets are the wanted values of C's offsetof for members of a struct.
func Offsets(cstruct string, members map[string]uintptr) map[string]uint64 {
	want := make(map[string]uint64)
	for name, at := range members {
		want[fmt.Sprintf("offsetof(struct %s, %s)", cstruct, name)] = uint64(at)
	}
	return want
}

// Compare checks that integer expressions have these values in a C program that begins with the preamble, which includes a
// header in dir.
func Compare(t *testing.T, dir, preamble string, want map[string]uint64) {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no C compiler")
	}
	var src strings.Builder
	fmt.Fprintf(&src, "#include <stdio.h>\n#include <stddef.h>\n%s\nint main(void)\n{\nunsigned long v;\n", preamble)
	for expr, value := range want {
		fmt.Fprintf(&src, "if ((v = %s) != %#xUL) printf(\"%s is %%#lx, in Go %#x\\n\", v);\n", expr, value, expr, value)
	}
	src.WriteString("return 0;\n}\n")
	tmp := t.TempDir()
	file, bin := filepath.Join(tmp, "layout.c"), filepath.Join(tmp, "layout")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-I", dir, "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Errorf("in C\n%s", out)
	}
}
