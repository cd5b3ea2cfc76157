package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRebuiltProgramsGoOn rebuilds programs that check themselves all the time,
// from images taken at random moments.
func TestRebuiltProgramsGoOn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("these programs need their thread numbers") // which an agent gets from a namespace
	}
	signals := compile(t, "signals")
	basic := compile(t, "basic")
	static := compile(t, "basic", "-static")
	goprog := filepath.Join(t.TempDir(), "goprog")
	if b, err := exec.Command("go", "build", "-o", goprog, "./testdata/goprog").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, b)
	}
	for _, c := range []struct {
		name, path string
		args       []string
	}{
		{"signals", signals, nil},
		{"SIGTRAP ignored", signals, []string{"ignore"}},
		{"64 contending threads", basic, []string{"64"}},
		{"basic", basic, nil},
		{"static", static, nil},
		{"go", goprog, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 3 {
				p, _ := start(t, c.path, c.args...)
				hammer(t, p, 5)
				im, st, _ := checkpoint(t, p.Process.Pid, Options{})
				p.Process.Kill()
				p.Wait()
				v := revive(t, im, st, RestoreOptions{SetTIDs: true})
				fmt.Fprintln(v.in, "end")
				if got := v.line(t); !strings.HasPrefix(got, "undisturbe") {
					t.Errorf("rebuilt program: %q, warnings %q", got, v.warnings)
				}
			}
		})
	}
}
