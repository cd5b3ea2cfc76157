package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mana/image"

	"golang.org/x/sys/unix"
)

// programs are killed and rebuilt several times on their way; what they print
// in the end must be what they print when left alone.
var programs = []struct {
	name    string
	compile []string // empty: run source by interpreter
	args    []string
}{
	{"threads", []string{"gcc", "-O1", "-pthread"}, []string{"200", "1000"}},
	{"threads-static", []string{"gcc", "-O1", "-pthread", "-static"}, []string{"200", "1000"}},
	{"gocount.go", []string{"go", "build"}, []string{"60", "5000"}},
	{"pythreads.py", nil, []string{"100", "10000"}},
}

func TestRestorePrograms(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			argv := command(t, p.name, p.compile, p.args)
			begin := time.Now()
			want, err := exec.Command(argv[0], argv[1:]...).Output()
			if err != nil {
				t.Fatalf("left alone: %v", err)
			}
			alone := time.Since(begin)
			if got := interrupted(t, argv, alone); got != string(want) {
				t.Errorf("rebuilt it printed %q, left alone %q", tail(got), tail(string(want)))
			}
		})
	}
}

func tail(s string) string { return s[max(0, len(s)-200):] }

// command compiles a test program and returns how to run it.
func command(t *testing.T, name string, compile, args []string) []string {
	t.Helper()
	if compile == nil {
		// What is called python3 may be a script that looks for the real one.
		b, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
		if err != nil {
			t.Skip(err)
		}
		return append([]string{strings.TrimSpace(string(b)), "testdata/" + name}, args...)
	}
	if _, err := exec.LookPath(compile[0]); err != nil {
		t.Skip(err)
	}
	source := "testdata/" + strings.TrimSuffix(name, "-static")
	if filepath.Ext(source) == "" {
		source += ".c"
	}
	if _, err := os.Stat(source); err != nil { // one that the end-to-end tests use too
		source = filepath.Join("../e2e/testdata/plain", filepath.Base(source))
	}
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command(compile[0], append(compile[1:], "-o", out, source)...)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, b)
	}
	return append([]string{out}, args...)
}

// interrupted runs a program, kills and rebuilds it three times, and returns
// what it printed to its output, a file.
func interrupted(t *testing.T, argv []string, alone time.Duration) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(alone / 6)
	im, st, _ := checkpoint(t, cmd.Process.Pid, Options{})
	cmd.Process.Kill()
	cmd.Wait()
	var v *revived
	for i := range 3 {
		if v != nil {
			im, st, _ = checkpoint(t, v.pid, Options{})
			unix.Kill(v.pid, unix.SIGKILL)
			unix.Wait4(v.pid, nil, 0, nil)
		}
		v = reviveSame(t, im, st)
		t.Logf("%d threads, %d KiB rebuilt in %v %v", len(st.Threads), im.Size>>10, v.took, v.warnings)
		time.Sleep(alone * time.Duration(i) / 8)
	}
	v.wait(t, 0)
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reviveSame rebuilds a program with its numbers, which somebody else may have
// for a moment.
func reviveSame(t *testing.T, im *image.Image, st *State) *revived {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the program wants its process numbers, which takes privilege")
	}
	for range 100 {
		busy := false
		for _, th := range st.Threads {
			busy = busy || !gone(th.TID)
		}
		if !busy {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return revive(t, im, st, RestoreOptions{SetTIDs: true})
}

// TestRestoreDamaged: an image whose data is damaged must not leave a process.
func TestRestoreDamaged(t *testing.T) {
	p, _ := start(t, compile(t, "basic"))
	im, st, _ := checkpoint(t, p.Process.Pid, Options{})
	p.kill()
	b, err := os.ReadFile(im.Path)
	if err != nil {
		t.Fatal(err)
	}
	b[image.DataStart+5000] ^= 1
	path := filepath.Join(t.TempDir(), "damaged.dmtcp")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bad, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	refused(t, bad, st, "checksum")
	st.CPUFeatures = append(st.CPUFeatures, "no_such_feature")
	refused(t, im, st, "no_such_feature")
}

// refused wants a restore to fail with a reason and without a child left.
func refused(t *testing.T, im *image.Image, st *State, reason string) {
	t.Helper()
	err := attempt(im, st)
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v, want %q", err, reason)
	}
	if b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())); len(bytes.Fields(b)) > 0 {
		t.Errorf("children left: %s", b)
	}
}

// TestRestoreChangedFile: code that was mapped from a file must come from the
// same file.
func TestRestoreChangedFile(t *testing.T) {
	path := compile(t, "basic")
	p, _ := start(t, path)
	im, st, _ := checkpoint(t, p.Process.Pid, Options{})
	full, fullState, _ := checkpoint(t, p.Process.Pid, Options{Full: true})
	p.kill()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if err := os.WriteFile(path, append(old, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	refused(t, im, st, "has changed")
	v := revive(t, full, fullState, RestoreOptions{})
	v.finish(t)
	os.Remove(path)
	refused(t, im, st, "no such file")
	v = revive(t, full, fullState, RestoreOptions{})
	v.finish(t)
}

// clone gives a State of its own, as a later restart would read it.
func clone(t *testing.T, st *State) *State {
	t.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	out := new(State)
	if err := json.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRestoreForeignVDSO plays a kernel whose vdso lies differently: the saved
// one is kept, with jumps to the present one.
func TestRestoreForeignVDSO(t *testing.T) {
	p, _ := start(t, compile(t, "basic"))
	im, st, _ := checkpoint(t, p.Process.Pid, Options{})
	p.kill()
	foreign := clone(t, st)
	// Spoil the machine code: whoever still ran it would crash.
	syms, err := vdsoSymbols(foreign.VDSO.Image)
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range syms {
		for i := range uint64(32) {
			foreign.VDSO.Image[off+i] = 0xcc
		}
	}
	foreign.VDSO.VVar.Len += pageSize
	foreign.VDSO.VVar.Addr -= pageSize
	v := revive(t, im, foreign, RestoreOptions{})
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", v.pid))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(maps), fmt.Sprintf("%x-%x r-xp 00000000 00:00 0                          [vdso]",
		st.VDSO.Range.Addr, st.VDSO.Range.Addr+st.VDSO.Range.Len)) {
		t.Error("the present vdso lies where the saved one was: nothing was tested")
	}
	v.finish(t)
}
