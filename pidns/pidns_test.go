package pidns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the command that runs itself again.
func TestMain(m *testing.M) {
	Enter()
	role := os.Getenv("PIDNS_TEST")
	if role == "" {
		os.Exit(m.Run())
	}
	if key, ok := strings.CutPrefix(role, "join:"); ok {
		joinRole(key)
		os.Exit(0)
	}
	if Inside() {
		os.Exit(inner(role))
	}
	status, sig, err := Run(Options{Highest: 5000})
	if errors.Is(err, ErrUnavailable) {
		fmt.Println("unavailable:", err)
		os.Exit(77)
	}
	fmt.Println("outer:", status, int(sig), err)
}

func inner(role string) int {
	self, _ := os.Readlink("/proc/self")
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("inner:", os.Getpid(), self, os.Getuid(), child.Process.Pid > 6000, MaySetTIDs(), os.Getenv(variable))
	_ = child.Wait()
	switch role {
	case "exit":
		return 42
	case "signal":
		Died(syscall.SIGUSR1)
		return 128 + int(syscall.SIGUSR1)
	case "forward":
		ch := make(chan os.Signal, 1)
		signal.Notify(ch, syscall.SIGTERM)
		_ = syscall.Kill(os.Getppid(), 0) // the parent is not visible: 0
		fmt.Println("waiting")
		<-ch
		return 7
	}
	return 1
}

func command77(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "PIDNS_TEST="+role)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	}
	return cmd
}

func run(t *testing.T, role, want string) {
	t.Helper()
	out, err := command77(t, role).CombinedOutput()
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() == 77 {
		t.Skip(string(out))
	}
	if !strings.Contains(string(out), want) {
		t.Errorf("got %q, %v; want %q in it", out, err, want)
	}
	if !strings.Contains(string(out), "true true") {
		t.Errorf("the inner process says %q", out)
	}
}

func TestExit(t *testing.T)   { run(t, "exit", "outer: 42 0 <nil>") }
func TestSignal(t *testing.T) { run(t, "signal", "outer: 138 10 <nil>") }

func TestForward(t *testing.T) {
	cmd := command77(t, "forward")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	buf := make([]byte, 4096)
	seen := ""
	for !strings.Contains(seen, "waiting") {
		n, err := out.Read(buf)
		seen += string(buf[:n])
		if strings.Contains(seen, "unavailable") {
			t.Skip(seen)
		}
		if err != nil {
			t.Fatalf("%q, %v", seen, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := out.Read(buf)
		seen += string(buf[:n])
		if err != nil {
			break
		}
	}
	_ = cmd.Wait()
	if !strings.Contains(seen, "outer: 7 0 <nil>") {
		t.Errorf("got %q", seen)
	}
}

func TestVerdict(t *testing.T) {
	if _, _, err := verdict("failed mount a new /proc: EPERM\n", nil, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, _, err := verdict("", nil, nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
