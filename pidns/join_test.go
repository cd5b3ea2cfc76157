package pidns

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// joinRole is what the test binary does as a command that joins; inside it
// tells where it is and waits for the end of its input.
func joinRole(key string) {
	if !Inside() {
		status, sig, err := Join(key, 5000)
		if err != nil {
			fmt.Println("unavailable:", err)
		}
		fmt.Println("outer:", status, int(sig), err)
		return
	}
	ns, _ := os.Readlink("/proc/self/ns/pid")
	self, _ := os.Readlink("/proc/self")
	wd, _ := os.Getwd()
	fmt.Println("inner:", ns, os.Getpid(), self, os.Getuid(), MaySetTIDs(), wd)
	if err := DropCaps(); err != nil || MaySetTIDs() {
		fmt.Println("capabilities are left:", err)
	}
	_, _ = io.ReadAll(os.Stdin)
	Died(syscall.SIGUSR2)
	os.Exit(9)
}

type joiner struct {
	cmd  *exec.Cmd
	stop io.Closer
	out  *bufio.Scanner
	ns   string
	pid  int
}

func join(t *testing.T, key string) *joiner {
	t.Helper()
	cmd := command77(t, "join:"+key)
	cmd.Dir = "/tmp"
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	j := &joiner{cmd: cmd, stop: in, out: bufio.NewScanner(out)}
	return j
}

func (j *joiner) where(t *testing.T) {
	t.Helper()
	if !j.out.Scan() {
		t.Fatal("no output")
	}
	if strings.HasPrefix(j.out.Text(), "unavailable") {
		t.Skip(j.out.Text())
	}
	var self, uid, may, wd string
	if n, err := fmt.Sscanf(j.out.Text(), "inner: %s %d %s %s %s %s", &j.ns, &j.pid, &self, &uid, &may, &wd); n != 6 {
		t.Fatalf("%q: %v", j.out.Text(), err)
	}
	if self != fmt.Sprint(j.pid) || j.pid < 6000 || may != "true" || wd != "/tmp" {
		t.Errorf("%q", j.out.Text())
	}
}

func (j *joiner) end(t *testing.T) {
	t.Helper()
	j.stop.Close()
	if !j.out.Scan() || j.out.Text() != "outer: 9 12 <nil>" {
		t.Errorf("it ended with %q", j.out.Text())
	}
	if err := j.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Two commands with one key share a namespace, one with another key has its
// own; a namespace lasts until the last of its users has gone.
func TestJoin(t *testing.T) {
	key := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	a, b, c := join(t, key), join(t, key), join(t, key+"-other")
	for _, j := range []*joiner{a, b, c} {
		j.where(t)
	}
	if a.ns != b.ns || a.ns == c.ns || a.pid == b.pid {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
	a.end(t)
	d := join(t, key)
	if d.where(t); d.ns != b.ns {
		t.Errorf("it joined %s, not %s", d.ns, b.ns)
	}
	b.end(t)
	c.end(t)
	d.end(t)
}
