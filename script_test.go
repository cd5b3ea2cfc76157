package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The restart script brings a computation of two hosts back: one of them is
// reached by ssh, which here runs the command on this machine.
func TestRestartScriptOfTwoHosts(t *testing.T) {
	p := newPlace(t)
	if p.cred == nil {
		t.Skip("giving a process another host name takes root")
	}
	p.env = append(p.env, "MANA_SECRET=shared")
	p.mustRun("dmtcp_coordinator", "--daemon", "--exit-on-last", "-p", "0", "--port-file", "port")
	port := p.lines("port")[0]
	a := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "a", "100")
	away := p.command(nil, "/bin/sh", "-c", fmt.Sprintf(
		"hostname away && exec setpriv --reuid=%d --regid=%d --clear-groups dmtcp_launch -j -p %s counter b 100", p.cred.Uid, p.cred.Gid, port))
	away.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS, Setpgid: true}
	p.check(away.Start())
	go func() { away.Wait(); close(away.done) }()
	t.Cleanup(func() { syscall.Kill(-away.Process.Pid, syscall.SIGKILL); <-away.done })
	p.port("port", 2)
	until(t, "both count", func() bool { return len(p.lines("a")) > 2 && len(p.lines("b")) > 2 })
	p.mustRun("dmtcp_command", "-p", port, "-kc")
	a.wait(t)
	away.wait(t)
	p.write("bin/ssh", "#!/bin/sh\n[ -z \"$MANA_SECRET\" ] || ! grep -q \"$MANA_SECRET\" /proc/$$/cmdline || exit 9\necho \"$1\" >> "+p.work+"/ssh.log\nshift\nexec env -u MANA_SECRET HOME=/none /bin/sh -c \"$*\"\n")
	p.check(os.Chmod(filepath.Join(p.work, "bin/ssh"), 0o755))
	p.env = append(p.env, "MANA_SECRET=", "PATH="+p.work+"/bin:"+p.bin+":"+os.Getenv("PATH"))
	script := filepath.Join(p.work, "dmtcp_restart_script.sh")
	p.write("hosts", "# new machines\nlocalhost slots=2\n\nthird\n")
	for _, c := range []struct {
		args []string
		ssh  string
	}{{[]string{"-p", "0"}, "away"}, {[]string{"-p", "0", "--hostfile", "hosts"}, "away third"}} {
		rc, out, errOut := p.run(script, c.args...)
		if rc != 7 {
			t.Fatalf("%v: rc %d, %q, %q", c.args, rc, out, errOut)
		}
		p.counted("a", 100)
		p.counted("b", 100)
		if got := strings.Join(p.lines("ssh.log"), " "); got != c.ssh {
			t.Errorf("%v: ssh to %q, not %q", c.args, got, c.ssh)
		}
	}
	p.write("bin/ssh", "#!/bin/sh\nexit 3\n")
	p.check(os.Chmod(filepath.Join(p.work, "bin/ssh"), 0o755))
	p.env = append(p.env, "MANA_RESTART_WAIT=1")
	if rc, _, errOut := p.run(script, "-p", "0"); rc != 99 || !strings.Contains(errOut, "only 1 of 2 processes came") {
		t.Errorf("a host that cannot be reached: rc %d, %q", rc, errOut)
	}
}
