package process

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mana/image"
	"mana/task"
)

// compile builds a program of testdata.
func compile(t testing.TB, name string, flags ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler")
	}
	out := filepath.Join(t.TempDir(), name)
	args := append([]string{"-O1", "-Wall", "-pthread", "-o", out, "testdata/" + name + ".c"}, flags...)
	if b, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, b)
	}
	return out
}

// program is a running test program.
type program struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a program until its "ready" line, which it returns.
func start(t testing.TB, path string, args ...string) (*program, []string) {
	t.Helper()
	p := &program{Cmd: exec.Command(path, args...)}
	p.Stderr = os.Stderr
	p.in, _ = p.StdinPipe()
	out, _ := p.StdoutPipe()
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	line, err := p.out.ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) == 0 || f[0] != "ready" {
		t.Fatalf("program said %q (%v)", line, err)
	}
	return p, f[1:]
}

// finish tells the program to end and wants it to be content.
func (p *program) finish(t *testing.T) {
	t.Helper()
	fmt.Fprintln(p.in, "end")
	line, _ := p.out.ReadString('\n')
	if err := p.Wait(); err != nil || line != "undisturbed\n" {
		t.Errorf("program said %q and ended with %v", line, err)
	}
}

// checkpoint takes an image the way an agent does.
func checkpoint(t testing.TB, pid int, o Options) (*image.Image, *State, time.Duration) {
	t.Helper()
	f, err := Freeze(pid, o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Thaw()
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	var stall time.Duration
	if !snap.Live() {
		if stall, err = f.Thaw(); err != nil {
			t.Fatal(err)
		}
	} else if !o.NoFork {
		t.Error("snapshot without fork")
	}
	path := filepath.Join(t.TempDir(), "x.dmtcp")
	if _, err := image.Write(snap, path, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if snap.Live() {
		if stall, err = f.Thaw(); err != nil {
			t.Fatal(err)
		}
	}
	im, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	if err := im.Verify(); err != nil {
		t.Error(err)
	}
	st := &State{}
	if err := json.Unmarshal(im.Metadata, st); err != nil {
		t.Fatal(err)
	}
	return im, st, stall
}

// stringAt reads what the image has at an address of the program.
func stringAt(im *image.Image, st *State, addr uint64) string {
	for _, v := range st.VMAs {
		for _, r := range v.Runs {
			if addr >= r.Addr && addr < r.Addr+r.Len {
				b := make([]byte, 64)
				im.ReadAt(b, r.Offset+int64(addr-r.Addr))
				s, _, _ := strings.Cut(string(b), "\x00")
				return s
			}
		}
	}
	return "<not saved>"
}

func TestCheckpointIsCompleteAndInvisible(t *testing.T) {
	path := compile(t, "basic")
	for _, o := range []Options{{}, {NoFork: true}, {Full: true}} {
		t.Run(fmt.Sprintf("nofork=%v,full=%v", o.NoFork, o.Full), func(t *testing.T) {
			p, addrs := start(t, path)
			im, st, stall := checkpoint(t, p.Process.Pid, o)
			t.Logf("stall %v, image of %d KiB, %d threads, %d mappings", stall, im.Size>>10, len(st.Threads), len(st.VMAs))
			for i, want := range []string{"shared anonymous", "behind PROT_NONE", "wiped on fork", "not forked", "\x01"} {
				var a uint64
				fmt.Sscanf(addrs[i], "0x%x", &a)
				if got := stringAt(im, st, a); got != want {
					t.Errorf("at %s the image has %q, want %q", addrs[i], got, want)
				}
			}
			checkBasicState(t, st, p.Process.Pid)
			for i := 0; i < 20; i++ { // again and again, at random moments
				checkpoint(t, p.Process.Pid, o)
			}
			p.finish(t)
		})
	}
}

func checkBasicState(t *testing.T, st *State, pid int) {
	t.Helper()
	if st.PID != pid || st.Comm != "basic-main" || len(st.Threads) != 9 || st.Exe.BuildID == "" {
		t.Errorf("pid %d comm %q threads %d exe %+v", st.PID, st.Comm, len(st.Threads), st.Exe)
	}
	if n := len(st.Pending); n != 1 && n != 2 { // sigtimedwait fetches the other
		t.Errorf("%d signals pending", len(st.Pending))
	}
	if !slices.ContainsFunc(st.Actions, func(a Action) bool { return a.Signal == 10 && a.Handler > 1 }) {
		t.Errorf("no handler of SIGUSR1 in %+v", st.Actions)
	}
	if len(st.Timers) != 1 || st.Timers[0].Value != 77 || le64(st.Timers[0].Spec[16:]) < 4000 {
		t.Errorf("timers %+v", st.Timers)
	}
	kinds := map[FileKind]*File{}
	for i := range st.Files {
		f := &st.Files[i]
		if kinds[f.Kind] == nil || f.Data != nil || f.Contents != nil {
			kinds[f.Kind] = f
		}
	}
	for k, ok := range map[FileKind]func(f *File) bool{
		FilePipe:     func(f *File) bool { return string(f.Data) == "in the pipe" && f.Pipe.Peer },
		FileEventFD:  func(f *File) bool { return f.EventFD.Count == 42 },
		FileTimerFD:  func(f *File) bool { return f.TimerFD.Interval == 3e9 && f.TimerFD.Value > 990e9 },
		FileEpoll:    func(f *File) bool { return len(f.Epoll) == 1 && f.Epoll[0].Data == 0x1234567890 && f.CloseOnExec },
		FileSignalFD: func(f *File) bool { return f.SignalFD != 0 },
		FileRegular:  func(f *File) bool { return f.Deleted && f.Pos == 5 && len(f.Contents) == 1 },
		FileMemFD:    func(f *File) bool { return f.MemFD.Name == "mem" && len(f.Contents) == 1 },
		FileSocket:   func(f *File) bool { return f.Socket.Domain == 1 },
	} {
		if f := kinds[k]; f == nil || !ok(f) {
			t.Errorf("%s: %+v", k, f)
		}
	}
	shared := 0
	for _, f := range st.Files {
		if f.Description != f.FD {
			shared++
		}
	}
	if shared != 1 {
		t.Errorf("%d shared descriptions: %+v", shared, st.Files)
	}
	if !slices.ContainsFunc(st.VMAs, func(v VMA) bool { return v.Has("dc") && len(v.Runs) > 0 }) ||
		!slices.ContainsFunc(st.VMAs, func(v VMA) bool { return v.Has("wf") && len(v.Runs) > 0 }) {
		t.Error("no VmFlags dc and wf")
	}
	if slices.ContainsFunc(st.VMAs, func(v VMA) bool { return v.Start == scratchAddr }) {
		t.Error("our own memory is in the image")
	}
}

func TestRefusals(t *testing.T) {
	c := exec.Command("sh", "-c", "sleep 60 & wait")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Start()
	t.Cleanup(func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL); c.Wait() })
	for i := 0; i < 500; i++ {
		if checkChildren(c.Process.Pid, &Options{}) != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_, err := Freeze(c.Process.Pid, Options{})
	if err == nil || !strings.Contains(err.Error(), "child process") {
		t.Errorf("a program with a child: %v", err)
	}
	tr := task.NewTracer()
	defer tr.Close()
	p := exec.Command("sleep", "60")
	p.Start()
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	tr.Do(func() error { _, err := task.Seize(p.Process.Pid); return err })
	_, err = Freeze(p.Process.Pid, Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("traced by process ", os.Getpid())) {
		t.Errorf("a traced program: %v", err)
	}
}

// TestDying sends signals to a frozen program: it is saved unless one of them
// is going to end it.
func TestDying(t *testing.T) {
	p := exec.Command("sleep", "60")
	p.Start()
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	for _, sig := range []syscall.Signal{syscall.SIGWINCH, syscall.SIGTERM} {
		f, err := Freeze(p.Process.Pid, Options{})
		if err != nil {
			t.Fatal(err)
		}
		p.Process.Signal(sig)
		s, err := f.Snapshot()
		if err == nil {
			s.Close()
		}
		if _, err := f.Thaw(); err != nil {
			t.Fatal(err)
		}
		if ends := sig == syscall.SIGTERM; ends != (err != nil && strings.Contains(err.Error(), "is being ended by terminated")) {
			t.Errorf("%v: %v", sig, err)
		}
	}
}

// A descriptor that becomes the lower half's between the stop and the snapshot, as in a drain, is not the program's.
func TestLowerFDIsAskedLate(t *testing.T) {
	p, _ := start(t, compile(t, "basic"))
	lower := -1
	f, err := Freeze(p.Process.Pid, Options{LowerFD: func(fd int) bool { return fd == lower }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Thaw()
	lower = 0
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	var fds []int
	for _, file := range snap.State.Files {
		fds = append(fds, file.FD)
	}
	if slices.Contains(fds, 0) || !slices.Contains(fds, 1) {
		t.Errorf("descriptors %v are saved as the program's", fds)
	}
}
