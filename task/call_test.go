package task

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// callee starts the test program and returns the addresses it prints.
func callee(t *testing.T) (pid int, add, forever, crash, stack uint64) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "callee")
	if b, err := exec.Command("gcc", "-O1", "-o", bin, "testdata/callee.c").CombinedOutput(); err != nil {
		t.Skipf("gcc: %v\n%s", err, b)
	}
	c := exec.Command(bin)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "0x%x 0x%x 0x%x 0x%x", &add, &forever, &crash, &stack); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, add, forever, crash, stack
}

func TestCall(t *testing.T) {
	pid, add, forever, crash, stack := callee(t)
	onTracer(t, func() error {
		for i := uint64(0); i < 50; i++ {
			k, err := Seize(pid)
			if err != nil {
				return err
			}
			if _, err := k.InterruptWait(5 * time.Second); err != nil {
				return err
			}
			got, err := k.Call(add, stack, 5*time.Second, i, 1, 2, 3, 4, 5)
			if want := i + 2 + 6 + 12 + 20 + 30 + 1; err != nil || got != want {
				t.Errorf("call returned %d, %v; want %d", got, err, want)
			}
			if _, err := k.Call(crash, stack, 5*time.Second); err == nil {
				t.Error("a function that crashes returned")
			}
			if i == 0 {
				if _, err := k.Call(forever, stack, 50*time.Millisecond); !errors.Is(err, ErrTimeout) {
					t.Errorf("a function that does not return: %v", err)
				}
			}
			if err := k.Detach(0); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	time.Sleep(20 * time.Millisecond) // a disturbed program ends within one round of its loop
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || bytes.Contains(b, []byte("(zombie)")) {
		t.Errorf("the program has ended: %v", err)
	}
}
