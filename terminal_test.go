package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal makes a tool's standard descriptors a terminal and returns its
// other end; what appears there is collected as the tool's output.
func (p *place) terminal(c *proc) *os.File {
	p.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	p.check(err)
	p.check(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	p.check(err)
	p.check(unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	p.check(err)
	c.Stdin, c.Stdout, c.Stderr = slave, slave, slave
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setsid: true, Setctty: true}
	p.check(c.Start())
	slave.Close()
	go func() { c.Wait(); close(c.done) }()
	p.t.Cleanup(func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL); <-c.done; master.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			c.out.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	return master
}

// heap holds what takes xz seconds to compress.
const heap = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
	size_t n = 20 << 20;
	unsigned char *b = malloc(n);
	FILE *f = fopen("/dev/urandom", "r");
	if (!f || fread(b, 1, n, f) != n)
		return 2;
	f = fopen("filled", "w");
	fputs("yes\n", f);
	fclose(f);
	for (;;)
		sleep(1);
}`

// On a terminal a checkpoint and a restart show how far they are; elsewhere
// they say no more than ever.
func TestProgressOnTerminal(t *testing.T) {
	p := newPlace(t)
	p.compile("heap", heap)
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "--xz", "heap")
	port := p.port("port", 1)
	other := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "out", "5000")
	port = p.port("port", 2)
	until(t, "its memory is full", func() bool { return p.lines("filled")[0] == "yes" })

	watch := p.command(nil, "dmtcp_command", "-p", port, "--watch")
	keys := p.terminal(watch)
	plain := p.start(nil, "dmtcp_command", "-p", port, "--watch")
	until(t, "the watch shows it running", func() bool { return strings.Contains(watch.out.String(), "2 processes, running, last checkpoint none") })
	bc := p.command(nil, "dmtcp_command", "-p", port, "-bc")
	p.terminal(bc)
	if rc := bc.wait(t); rc != 0 {
		t.Fatalf("rc %d: %s", rc, bc.out.String())
	}
	until(t, "the end is told", func() bool { return strings.Contains(bc.out.String(), "checkpoint 1 complete: 2 images, ") })
	for _, want := range []string{"\rcheckpoint 1: ", " of 2 written, ", "MiB of ", "iB/s, "} {
		if !strings.Contains(bc.out.String(), want) {
			t.Errorf("no %q in %q", want, bc.out.String())
		}
	}
	until(t, "the watch shows the new one", func() bool { return strings.Contains(watch.out.String(), "2 processes, running, last checkpoint 1") })
	for _, want := range []string{"checkpoint 1: ", " of 2 written, ", "heap (pid ", "runs, is written ", "[#"} {
		if !strings.Contains(watch.out.String(), want) {
			t.Errorf("the watch shows no %q: %q", want, watch.out.String())
		}
	}
	keys.WriteString("q")
	if rc := watch.wait(t); rc != 0 {
		t.Errorf("the watch after q: rc %d", rc)
	}
	until(t, "the screen is given back", func() bool { return strings.HasSuffix(watch.out.String(), "\x1b[?25h\x1b[?1049l") })

	if rc, out, errOut := p.run("dmtcp_command", "-p", port, "-kc"); rc != 0 || out+errOut != "" {
		t.Errorf("without a terminal: rc %d, %q, %q", rc, out, errOut)
	}
	job.wait(t)
	other.wait(t)
	if rc := plain.wait(t); rc != 0 { // the coordinator went with its last client
		t.Errorf("the plain watch: rc %d, %s", rc, plain.err.String())
	}
	if out := plain.out.String(); strings.Contains(out, "\x1b") || !strings.Contains(out, " 2 processes, running, last checkpoint 1\n") {
		t.Errorf("the plain watch wrote %q", out)
	}

	p.check(os.Remove(filepath.Join(p.work, "port")))
	images := p.images()
	again := p.command(nil, "dmtcp_restart", "-p", "0", "--port-file", "port", images[0])
	p.terminal(again)
	until(t, "the restart shows whom it waits for", func() bool {
		return strings.Contains(again.out.String(), "\rrestart from checkpoint 2: 1 of 2 processes came, ")
	})
	port = p.lines("port")[0]
	other = p.start(nil, "dmtcp_restart", "-j", "-p", port, images[1])
	p.port("port", 2)
	interrupted := p.command(nil, "dmtcp_command", "-p", port, "watch")
	keys = p.terminal(interrupted)
	until(t, "the watch has begun", func() bool { return strings.Contains(interrupted.out.String(), "last checkpoint 2") })
	keys.WriteString("\x03")
	if rc := interrupted.wait(t); rc != 0 {
		t.Errorf("the watch after ^C: rc %d", rc)
	}
	until(t, "the screen is given back", func() bool { return strings.HasSuffix(interrupted.out.String(), "\x1b[?1049l") })
	p.mustRun("dmtcp_command", "-p", port, "-k")
	again.wait(t)
	other.wait(t)
}

// The coordinator's own terminal shows progress, and its console works there.
func TestConsoleOnTerminal(t *testing.T) {
	p := newPlace(t)
	p.compile("heap", heap)
	coord := p.command(nil, "dmtcp_coordinator", "-p", "0", "--port-file", "port")
	keys := p.terminal(coord)
	until(t, "the coordinator is there", func() bool { return p.lines("port")[0] != "" })
	job := p.start(nil, "dmtcp_launch", "-j", "-p", p.lines("port")[0], "--xz", "heap")
	p.port("port", 1)
	until(t, "its memory is full", func() bool { return p.lines("filled")[0] == "yes" })
	for _, c := range []struct{ line, want string }{
		{"s", "NUM_PEERS=1\r\nRUNNING=yes"}, {"l", "heap["}, {"u", "HOST => # connected clients"}, {"i 7", "Current Checkpoint Interval: 7\r\n"},
		{"i 0", "disabled (checkpoint manually instead)"}, {"?", "COMMANDS:"}, {"c", "\rcheckpoint 1: 0 of 1 "}, {"", "Checkpoint complete"},
		{"nonsense", "unhandled user command"}, {"k", "left"}, {"q", "DMTCP coordinator exiting"},
	} {
		keys.WriteString(c.line + "\n")
		until(t, fmt.Sprintf("the answer to %q comes", c.line), func() bool { return strings.Contains(coord.out.String(), c.want) })
	}
	if rc := coord.wait(t); rc != 0 {
		t.Errorf("rc %d", rc)
	}
	job.wait(t)
}
