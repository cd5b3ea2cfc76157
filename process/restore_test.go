package process

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mana/image"
	"mana/task"

	"golang.org/x/sys/unix"
)

// revived is a program that was killed and rebuilt.
type revived struct {
	pid      int
	in, out  *os.File
	lines    *bufio.Reader
	st       *State
	warnings []string
	tidMap   map[int]int
	took     time.Duration
}

// revive rebuilds a program from an image with fresh pipes as its stdin and
// stdout and lets it run.
func revive(t *testing.T, im *image.Image, st *State, opt RestoreOptions) *revived {
	t.Helper()
	v := &revived{st: st}
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	v.in, v.out, v.lines = in, out, bufio.NewReader(out)
	opt.Memory = im
	opt.Stdio = [3]*os.File{stdin, stdout, os.Stderr}
	opt.Warn = func(f string, a ...any) { v.warnings = append(v.warnings, fmt.Sprintf(f, a...)) }
	err = v.rebuild(opt)
	stdin.Close()
	stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Kill(v.pid, unix.SIGKILL)
		unix.Wait4(v.pid, nil, 0, nil)
		in.Close()
		out.Close()
	})
	return v
}

func (v *revived) rebuild(opt RestoreOptions) error {
	tr := task.NewTracer()
	defer tr.Close()
	return tr.Do(func() error {
		begin := time.Now()
		r, err := Restore(v.st, opt)
		if err != nil {
			return err
		}
		v.pid, v.tidMap = r.PID(), r.TIDMap()
		err = r.Resume()
		v.took = time.Since(begin)
		return err
	})
}

// attempt rebuilds a program of which only the error is of interest.
func attempt(im *image.Image, st *State) error {
	v := &revived{st: st}
	return v.rebuild(RestoreOptions{Memory: im})
}

// line reads what the program says next.
func (v *revived) line(t *testing.T) string {
	t.Helper()
	v.out.SetReadDeadline(time.Now().Add(20 * time.Second))
	s, err := v.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the rebuilt program said %q (%v)", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

// finish tells the program to end and wants it to be content.
func (v *revived) finish(t *testing.T) {
	t.Helper()
	fmt.Fprintln(v.in, "end")
	if s := v.line(t); s != "undisturbed" {
		t.Errorf("the rebuilt program said %q", s)
	}
	v.wait(t, 0)
}

func (v *revived) wait(t *testing.T, status int) {
	t.Helper()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(v.pid, &ws, 0, nil); err != nil || !ws.Exited() || ws.ExitStatus() != status {
		t.Errorf("the rebuilt program ended with %#x (%v), want status %d", ws, err, status)
	}
}

// kill ends the original at once.
func (p *program) kill() {
	p.Process.Kill()
	p.Wait()
}

func TestRestoreBasic(t *testing.T) {
	path := compile(t, "basic")
	for _, o := range []Options{{}, {Full: true}} {
		t.Run(fmt.Sprintf("full=%v", o.Full), func(t *testing.T) {
			p, _ := start(t, path)
			im, st, _ := checkpoint(t, p.Process.Pid, o)
			p.kill()
			// Restart, and checkpoint the restarted program, again and again.
			for i := range 3 {
				v := revive(t, im, st, RestoreOptions{})
				t.Logf("rebuilt in %v; warnings %q", v.took, v.warnings)
				if len(v.tidMap) != 9 {
					t.Errorf("%d threads", len(v.tidMap))
				}
				if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", v.pid)); exe != path {
					t.Errorf("/proc/PID/exe is %s", exe)
				}
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				im, st, _ = checkpoint(t, v.pid, o)
				checkBasicState(t, st, v.pid)
				v.finish(t)
			}
		})
	}
}
