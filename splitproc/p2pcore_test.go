package splitproc

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// coreSources are the files of the stub that the cases below exercise.
var coreSources = []string{
	"core_request.c", "core_p2p.c", "core_sendrecv.c", "core_queue.c", "core_probe.c", "core_many.c", "core_plain.c",
	"core_many_some.c", "core_many_status.c", "core_bsend.c", "core_persist.c", "core_status.c", "core_drain.c", "core_repost.c",
	"core_grequest.c", "core_part.c", "core_sync.c", "core_alloc.c", "core_table.c",
}

// TestPointToPointCore runs the core of point-to-point over a lower half that
// lives in the same process (testdata/p2p/fake.c), one process per case.
func TestPointToPointCore(t *testing.T) {
	runCases(t, "testdata/p2p", coreSources)
}

// runCases compiles the C cases in dir with files of the stub and runs each in
// a process of its own.
func runCases(t *testing.T, dir string, sources []string) {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	// The test's result depends on these: go test caches by the files looked at.
	for _, pattern := range []string{"stub/*.[ch]", dir + "/*.[ch]", "gen/tables/*.json"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if _, err := os.Stat(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	tmp := t.TempDir()
	out, err := exec.Command("go", "run", "./gen", "-o", tmp).CombinedOutput()
	if err != nil {
		t.Fatalf("generate: %v\n%s", err, out)
	}
	prog := filepath.Join(tmp, "cases")
	args := []string{
		"-O1", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector",
		"-fsanitize=undefined", "-fno-sanitize-recover=undefined",
		"-Istub", "-I" + filepath.Join(tmp, "stub/gen"), "-o", prog,
		filepath.Join(dir, "fake.c"), filepath.Join(dir, "cases.c"),
	}
	for _, f := range sources {
		args = append(args, filepath.Join("stub", f))
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	names, err := exec.Command(prog).Output()
	if err != nil {
		t.Fatalf("list the cases: %v", err)
	}
	for _, name := range strings.Fields(string(names)) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if out, err := exec.CommandContext(ctx, prog, name).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
