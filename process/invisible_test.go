package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mana/image"
)

// hammer stops a program at many random moments, every fifth time with a
// snapshot.
func hammer(t *testing.T, p *program, times int) {
	t.Helper()
	for i := range times {
		f, err := Freeze(p.Process.Pid, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			s, err := f.Snapshot()
			if err != nil {
				f.Thaw()
				t.Fatal(err)
			}
			if _, err := f.Thaw(); err != nil {
				t.Fatal(err)
			}
			if _, err := image.Write(s, filepath.Join(t.TempDir(), "x"), image.WriteOptions{NoSync: true}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if _, err := f.Thaw(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i%7) * 300 * time.Microsecond)
	}
}

func TestStopsAreInvisible(t *testing.T) {
	signals := compile(t, "signals")
	basic := compile(t, "basic")
	static := compile(t, "basic", "-static")
	goprog := filepath.Join(t.TempDir(), "goprog")
	if b, err := exec.Command("go", "build", "-o", goprog, "./testdata/goprog").CombinedOutput(); err != nil {
		t.Logf("no Go program: %v %s", err, b)
		goprog = ""
	}
	for _, c := range []struct {
		name, path string
		args       []string
		rounds     int
	}{
		{"signals", signals, nil, 200},
		{"SIGTRAP ignored", signals, []string{"ignore"}, 200},
		{"64 contending threads", basic, []string{"64"}, 20},
		{"static", static, nil, 40},
		{"go", goprog, nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.path == "" {
				t.Skip("no compiler")
			}
			p, _ := start(t, c.path, c.args...)
			hammer(t, p, c.rounds)
			p.finish(t)
		})
	}
}

// processState is the letter in /proc/PID/stat.
func processState(t *testing.T, pid int) string {
	b, err := readProc(pid, "stat")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseStat(b)
	if err != nil {
		t.Fatal(err)
	}
	return f[3]
}

func TestStoppedProgramStaysStopped(t *testing.T) {
	p, _ := start(t, compile(t, "basic"))
	p.Process.Signal(syscall.SIGSTOP)
	for range 1000 {
		if processState(t, p.Process.Pid) == "T" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		_, st, _ := checkpoint(t, p.Process.Pid, Options{})
		if st.StopSignal != int(syscall.SIGSTOP) {
			t.Fatalf("stop signal %d", st.StopSignal)
		}
		// The stop is reached again by each thread on its own.
		for i := 0; processState(t, p.Process.Pid) != "T"; i++ {
			if i == 1000 {
				t.Fatalf("state %s after a checkpoint", processState(t, p.Process.Pid))
			}
			time.Sleep(time.Millisecond)
		}
	}
	p.Process.Signal(syscall.SIGCONT)
	p.finish(t)
}

// TestFullDisk writes to a file system of 1 MiB.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	p, _ := start(t, compile(t, "basic"))
	f, err := Freeze(p.Process.Pid, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Thaw()
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f.Thaw()
	_, err = image.Write(s, filepath.Join(dir, "x.dmtcp"), image.WriteOptions{})
	if err == nil || !strings.Contains(err.Error(), "file system is full") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	p.finish(t)
}

// TestFileSizeLimit: a limit of the program is none for its image.
func TestFileSizeLimit(t *testing.T) {
	path := compile(t, "basic")
	p, _ := start(t, "/bin/sh", "-c", fmt.Sprintf("ulimit -f 8; exec %s", path))
	im, _, _ := checkpoint(t, p.Process.Pid, Options{})
	if im.Size < 4<<20 {
		t.Errorf("image of %d bytes", im.Size)
	}
	p.finish(t)
}

// TestMuchSharedMemory: a program that shares more than is copied at once is
// written while it stands.
func TestMuchSharedMemory(t *testing.T) {
	defer func(n uint64) { keptMax = n }(keptMax)
	keptMax = 4096
	p, addrs := start(t, compile(t, "basic"))
	f, err := Freeze(p.Process.Pid, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Thaw()
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Live() {
		t.Error("the snapshot is a copy")
	}
	path := filepath.Join(t.TempDir(), "x")
	if _, err := image.Write(s, path, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	var a uint64
	fmt.Sscanf(addrs[0], "0x%x", &a)
	if got := stringAt(im, s.State, a); got != "shared anonymous" {
		t.Errorf("the image has %q", got)
	}
	s.Close()
	f.Thaw()
	p.finish(t)
}

// TestSnapshotDiesWithItsMaker: a copy that nobody will write must not stay.
func TestSnapshotDiesWithItsMaker(t *testing.T) {
	p, _ := start(t, compile(t, "basic"))
	f, err := Freeze(p.Process.Pid, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Snapshot()
	if err != nil {
		f.Thaw()
		t.Fatal(err)
	}
	if _, err := f.Thaw(); err != nil {
		t.Fatal(err)
	}
	child := s.target.TID
	if gone(child) {
		t.Fatal("no copy")
	}
	s.tracer.Close() // what the end of the agent does
	for i := 0; !gone(child); i++ {
		if i == 2000 {
			t.Fatal("the copy lives on")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := syscall.Wait4(child, nil, 0, nil); err != nil {
		t.Error(err)
	}
	p.finish(t)
}
