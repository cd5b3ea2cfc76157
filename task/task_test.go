package task

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onTracer runs f on a tracing thread.
func onTracer(t *testing.T, f func() error) {
	t.Helper()
	tr := NewTracer()
	defer tr.Close()
	if err := tr.Do(f); err != nil {
		t.Fatal(err)
	}
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

func TestSyscallInSleepingProgram(t *testing.T) {
	c := sleeper(t)
	onTracer(t, func() error {
		k, err := Seize(c.Process.Pid)
		if err != nil {
			return err
		}
		if _, err := k.InterruptWait(5 * time.Second); err != nil {
			return err
		}
		before, err := k.Regs()
		if err != nil {
			return err
		}
		pid, err := k.Getpid()
		if err != nil || pid != c.Process.Pid {
			t.Errorf("remote getpid = %d, %v; want %d", pid, err, c.Process.Pid)
		}
		if _, err := k.Syscall(unix.SYS_CLOSE, 77); err != unix.EBADF {
			t.Errorf("remote close of a bad fd: %v", err)
		}
		page, err := k.Mmap(0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON, -1, 0)
		if err != nil {
			return err
		}
		k.SetScratch(page, 4096)
		fd, err := k.Openat("/dev/null", unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		if l, _ := os.Readlink("/proc/" + strconv.Itoa(c.Process.Pid) + "/fd/" + strconv.Itoa(fd)); l != "/dev/null" {
			t.Errorf("opened %q", l)
		}
		start := time.Now()
		const n = 1000
		for range n {
			if _, err := k.Getpid(); err != nil {
				return err
			}
		}
		t.Logf("%v per remote system call", time.Since(start)/n)
		if err := k.Return(); err != nil {
			return err
		}
		if after, err := k.Regs(); err != nil || after != before {
			t.Errorf("registers changed: %+v, was %+v (%v)", after, before, err)
		}
		return k.Detach(0)
	})
}

func TestSpawnTraced(t *testing.T) {
	onTracer(t, func() error {
		k, err := SpawnTraced("/bin/sh", []string{"sh", "-c", "exit 7"}, os.Environ(), Attr{DieWithParent: true})
		if err != nil {
			return err
		}
		if pid, err := k.Getpid(); err != nil || pid != k.TID {
			t.Errorf("remote getpid = %d, %v", pid, err)
		}
		child, err := k.Clone(uint64(unix.SIGCHLD), 0, 0, 0, 0)
		if err != nil {
			return err
		}
		c := Attached(child, k)
		if err := c.WaitAttached(5 * time.Second); err != nil {
			return err
		}
		if pid, err := c.Getpid(); err != nil || pid != child {
			t.Errorf("getpid in the clone = %d, %v; want %d", pid, err, child)
		}
		c.Kill()
		if s, err := c.WaitStop(5 * time.Second); err != nil || s.Kind != StopKilled {
			t.Errorf("killed clone: %v, %v", s, err)
		}
		if err := k.Cont(0); err != nil {
			return err
		}
		for {
			s, err := k.WaitStop(5 * time.Second)
			if err != nil {
				return err
			}
			if s.Gone() {
				if s.Status != 7 {
					t.Errorf("%v", s)
				}
				return nil
			}
			sig := unix.Signal(0)
			if s.Kind == StopSignal {
				sig = s.Signal
			}
			k.Cont(sig)
		}
	})
}

// TestStackMoves makes remote calls while the collector moves the caller's stack,
// which has been deep before: the kernel must write registers to where the
// variable is then.
func TestStackMoves(t *testing.T) {
	c := sleeper(t)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				runtime.GC()
			}
		}
	}()
	onTracer(t, func() error {
		k, err := Seize(c.Process.Pid)
		if err != nil {
			return err
		}
		if _, err := k.InterruptWait(5 * time.Second); err != nil {
			return err
		}
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			deepen(200)
			for range 20 {
				if pid, err := k.Getpid(); err != nil || pid != c.Process.Pid {
					return fmt.Errorf("remote getpid = %d, %v", pid, err)
				}
			}
		}
		return k.Detach(0)
	})
}

// deepen makes the stack grow.
func deepen(n int) int {
	var room [32]int
	if n == 0 {
		return room[0]
	}
	room[n%32] = deepen(n - 1)
	return room[(n+1)%32]
}
