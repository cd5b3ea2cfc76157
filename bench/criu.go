package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mana/e2e/harness"
)

// criu does the same with CRIU, where it is installed; it needs root.
func criu(env *harness.Env, mib int) (f figures, err error) {
	tool, err := exec.LookPath("criu")
	if err != nil || os.Geteuid() != 0 {
		return f, errors.New("not installed, or not root")
	}
	dir, err := env.Mkdir("criu")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	r := criuRun{tool: tool, images: filepath.Join(dir, "images"), log: filepath.Join(dir, "out")}
	if err := os.Mkdir(r.images, 0o755); err != nil {
		return f, err
	}
	if err := r.start(env, mib); err != nil {
		return f, err
	}
	err = r.dump(&f)
	r.program.Process.Kill()
	r.program.Wait()
	if err != nil {
		return f, err
	}
	if err := r.prepare(); err != nil {
		return f, err
	}
	if f.dd, err = dd(env, dir, r.images); err != nil {
		return f, err
	}
	f.restart, err = r.restore(filepath.Join(dir, "pid"))
	return f, errors.Join(err, harness.KillAll())
}

// criuRun is a program that CRIU saves. CRIU restores files by path, so it writes to one.
type criuRun struct {
	tool, images, log string
	program           *exec.Cmd
}

func (r *criuRun) start(env *harness.Env, mib int) error {
	cmd, err := env.Plain("gap")
	if err != nil {
		return err
	}
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	r.program = exec.Command(cmd[0], strconv.Itoa(mib), "1")
	r.program.Stdout, r.program.SysProcAttr = log, &syscall.SysProcAttr{Setsid: true}
	return r.program.Start()
}

// dump measures the checkpoint, after which the program runs on.
func (r *criuRun) dump(f *figures) error {
	if err := grow(r.log, 20); err != nil {
		return err
	}
	before, err := os.ReadFile(r.log)
	if err != nil {
		return err
	}
	f.idle = longest(string(before))
	f.write, err = clock(func() error {
		return quiet(r.tool, "dump", "-t", strconv.Itoa(r.program.Process.Pid), "-D", r.images, "--leave-running", "-v1")
	})
	if err != nil {
		return err
	}
	if err := grow(r.log, 3); err != nil {
		return err
	}
	after, err := os.ReadFile(r.log)
	if err != nil {
		return err
	}
	f.stall = longest(string(after[len(before):]))
	return nil
}

// prepare puts what the program wrote into a new file of the same name, and
// gives the image the name that dd looks for.
func (r *criuRun) prepare() error {
	written, err := os.ReadFile(r.log)
	if err != nil {
		return err
	}
	if err := os.Remove(r.log); err != nil {
		return err
	}
	if err := os.WriteFile(r.log, written, 0o644); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(r.images, "pages-*.img"))
	if err != nil || len(pages) != 1 {
		return fmt.Errorf("CRIU's images: %v %v", pages, err)
	}
	return os.Link(pages[0], pages[0]+".dmtcp")
}

// restore measures the time until the next sign of life, and ends the program.
func (r *criuRun) restore(pidfile string) (ms float64, err error) {
	ms, err = clock(func() error {
		if err := quiet(r.tool, "restore", "-D", r.images, "-d", "-v1", "--file-validation", "filesize", "--pidfile", pidfile); err != nil {
			return err
		}
		return grow(r.log, 1)
	})
	if data, rerr := os.ReadFile(pidfile); rerr == nil {
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(data))); perr == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return ms, err
}

func quiet(tool string, args ...string) error {
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(string(out), "\n")
		return fmt.Errorf("%s %s: %w: %s", tool, args[0], err, first)
	}
	return nil
}

// grow waits until a program's output file has n more ticks.
func grow(path string, n int) error {
	count := func() int {
		data, _ := os.ReadFile(path)
		return strings.Count(string(data), "tick\n")
	}
	have := count()
	for limit := time.Now().Add(harness.Patience); count() < have+n; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return fmt.Errorf("%s does not grow", path)
		}
	}
	return nil
}
