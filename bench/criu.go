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
	cmd, err := env.Plain("gap")
	if err != nil {
		return f, err
	}
	dir, err := env.Mkdir("criu")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	// CRIU restores files by path, so the program writes to one.
	log, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return f, err
	}
	defer log.Close()
	c := exec.Command(cmd[0], strconv.Itoa(mib), "1")
	c.Stdout, c.SysProcAttr = log, &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return f, err
	}
	defer c.Process.Kill()
	if err := grow(log.Name(), 20); err != nil {
		return f, err
	}
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o755); err != nil {
		return f, err
	}
	before, err := os.ReadFile(log.Name())
	if err != nil {
		return f, err
	}
	f.idle = longest(string(before))
	f.write, err = clock(func() error {
		return quiet(tool, "dump", "-t", strconv.Itoa(c.Process.Pid), "-D", images, "--leave-running", "-v1")
	})
	if err != nil {
		return f, err
	}
	if err := grow(log.Name(), 3); err != nil {
		return f, err
	}
	after, err := os.ReadFile(log.Name())
	if err != nil {
		return f, err
	}
	f.stall = longest(string(after[len(before):]))
	c.Process.Kill()
	c.Wait()
	if err := os.Rename(log.Name(), log.Name()+".old"); err != nil {
		return f, err
	}
	if err := os.WriteFile(log.Name(), after, 0o644); err != nil {
		return f, err
	}
	pages, err := filepath.Glob(filepath.Join(images, "pages-*.img"))
	if err != nil || len(pages) != 1 {
		return f, fmt.Errorf("CRIU's images: %v %v", pages, err)
	}
	if err := os.Link(pages[0], pages[0]+".dmtcp"); err != nil { // the name that dd looks for
		return f, err
	}
	if f.dd, err = dd(env, dir, images); err != nil {
		return f, err
	}
	pidfile := filepath.Join(dir, "pid")
	f.restart, err = clock(func() error {
		if err := quiet(tool, "restore", "-D", images, "-d", "-v1", "--file-validation", "filesize", "--pidfile", pidfile); err != nil {
			return err
		}
		return grow(log.Name(), 1)
	})
	if data, rerr := os.ReadFile(pidfile); rerr == nil {
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(data))); perr == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return f, errors.Join(err, harness.KillAll())
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
