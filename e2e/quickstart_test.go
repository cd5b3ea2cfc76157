package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mana/e2e/harness"
)

// TestQuickstart types what the quick start guide says, box by box, with each
// MPI, and sees that what the guide promises comes out.
func TestQuickstart(t *testing.T) {
	guide, err := os.ReadFile("../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	// A reader needs a minute to type; the test need not wait so long.
	text := strings.ReplaceAll(string(guide), "i <= 600", "i <= 30")
	boxes := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(boxes) < 8 {
		t.Fatalf("only %d boxes", len(boxes))
	}
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			j := newJob(t, harness.Spec{}, nil)
			bin := filepath.Join(j.Dir, "bin")
			must(t, func() error { return os.Mkdir(bin, 0o755) })
			for _, tool := range []string{"mpirun", "mpicc"} {
				script := fmt.Sprintf("#!/bin/sh\nexec %s.%s \"$@\"\n", tool, m) // mpirun looks for helpers beside itself
				must(t, func() error { return os.WriteFile(filepath.Join(bin, tool), []byte(script), 0o755) })
			}
			// The default port may be somebody else's: then the coordinator takes another.
			surroundings := append(j.Env, "MANA_LISTEN=127.0.0.1", "OMPI_MCA_rmaps_base_oversubscribe=1", "PATH="+bin+":"+env.Bin+":/usr/bin:/bin")
			background := regexp.MustCompile(`(?m)&$`)
			var said strings.Builder
			for _, box := range boxes {
				p, err := env.Start(j.Dir, surroundings, "/bin/bash", "-ec", box[1])
				if err != nil {
					t.Fatal(err)
				}
				if background.MatchString(box[1]) {
					awaitRunning(t, j, p, surroundings, strings.Count(box[1], "-n 2")+1)
					continue
				}
				if err := p.Wait(harness.Patience); err != nil {
					t.Fatalf("%s\n%v", box[1], err)
				}
				said.WriteString(p.Stdout())
			}
			out := said.String()
			if strings.Count(out, "sum 1395\n") != 2 || strings.Count(out, "\n30\n") != 1 || !strings.Contains(out, "the one that a restart takes") {
				t.Errorf("the guide promises other results than\n%s", out)
			}
			count, err := os.ReadFile(filepath.Join(j.Dir, "count.out"))
			if lines := strings.Fields(string(count)); err != nil || len(lines) != 30 || lines[29] != "30" {
				t.Errorf("count.out: %v %v", err, lines)
			}
		})
	}
}

// awaitRunning waits until what the guide has started in the background runs,
// as a reader does who types one box after the other.
func awaitRunning(t *testing.T, j *harness.Job, started *harness.Process, surroundings []string, n int) {
	t.Helper()
	want := "NUM_PEERS=" + string(rune('0'+n))
	for limit := time.Now().Add(harness.Patience); ; time.Sleep(50 * time.Millisecond) {
		p, err := env.Run(j.Dir, surroundings, "mana_status", "-s")
		if err == nil && strings.Contains(p.Stdout(), want) && strings.Contains(p.Stdout(), "RUNNING=yes") {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s does not come: %v %s\n%s", want, err, p.Stdout(), started.Stderr())
		}
	}
}
