package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// family is a script with a pipeline in the background, short-lived children
// and an ended child that it asks about late.
const family = `
sh -c 'exit 3' & ended=$!
( for i in $(seq 80); do echo line $i; sleep 0.05; done ) | while read a b; do echo $a $b; done >> piped &
exec >> out
for i in $(seq 60); do echo main $i; sleep 0.05; done
wait $ended; echo ended with $?
wait; exit 5
`

// A tree of processes that share pipes and files is saved at one instant and
// comes back as a tree.
func TestTreeCycles(t *testing.T) {
	p := newPlace(t)
	p.check(os.WriteFile(filepath.Join(p.work, "family.sh"), []byte(family), 0o644))
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "bash", "family.sh")
	for cycle := range 3 {
		port := running(p)
		n := len(p.lines("out"))
		until(t, "it counts", func() bool { return len(p.lines("out")) > n+3 })
		p.mustRun("dmtcp_command", "-p", port, "-kc")
		job.wait(t)
		images := p.images()
		if len(images) < 3 {
			t.Fatalf("cycle %d: images %v", cycle, images)
		}
		p.check(os.Remove(filepath.Join(p.work, "port")))
		job = p.start(nil, "dmtcp_restart", append([]string{"-p", "0", "--port-file", "port"}, images...)...)
	}
	if rc := job.wait(t); rc != 5 {
		t.Errorf("exit status %d, want 5\n%s", rc, job.err.String())
	}
	for _, f := range []struct {
		name, word string
		n          int
		last       string
	}{{"out", "main", 60, "ended with 3"}, {"piped", "line", 80, ""}} {
		var want []string
		for i := range f.n {
			want = append(want, fmt.Sprint(f.word, " ", i+1))
		}
		if f.last != "" {
			want = append(want, f.last)
		}
		if got := strings.Join(p.lines(f.name), "\n"); got != strings.Join(want, "\n") {
			t.Errorf("%s holds\n%s", f.name, got)
		}
	}
}

// running waits for the port file and for processes, however many, behind it.
func running(p *place) (port string) {
	until(p.t, "the tree runs", func() bool {
		b, _ := os.ReadFile(filepath.Join(p.work, "port"))
		if port = string(b); port == "" {
			return false
		}
		_, out, _ := p.run("dmtcp_command", "-p", port, "-s")
		return strings.Contains(out, "RUNNING=yes")
	})
	return port
}
