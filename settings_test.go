package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// teller writes a line of what it sees of its environment and files every 20 ms:
// the variables as the C library has them at that moment.
const teller = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static const char *var(const char *name) { const char *v = getenv(name); return v ? v : "-"; }
int main(void)
{
	FILE *data = fopen(getenv("DATA"), "r"), *out = fopen("told", "a");
	char line[64];
	for (int i = 0; i < 400; i++) {
		rewind(data);
		if (!fgets(line, sizeof line, data))
			return 2;
		fprintf(out, "A=%s B=%s C=%s data=%s\n", var("A"), var("B"), var("C"), line);
		fflush(out);
		usleep(20000);
		data = freopen(0, "r", data) ?: data;
	}
}`

func (p *place) compile(name, source string) string {
	p.t.Helper()
	path := filepath.Join(p.bin, name)
	cmd := exec.Command("gcc", "-O1", "-w", "-xc", "-", "-o", path)
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

func (p *place) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.work, name)
	p.check(os.MkdirAll(filepath.Dir(path), 0o755))
	p.check(os.WriteFile(path, []byte(text), 0o644))
	if p.cred != nil {
		p.check(os.Chown(path, int(p.cred.Uid), int(p.cred.Gid)))
		p.check(os.Chown(filepath.Dir(path), int(p.cred.Uid), int(p.cred.Gid)))
	}
}

// A restart changes the environment and the places of files of a program that
// was launched for it, this time and the next, and leaves the others alone.
func TestModifyEnvAndPathvirt(t *testing.T) {
	p := newPlace(t)
	p.compile("teller", teller)
	p.write("old/data", "old")
	p.write("new/data", "new")
	p.write("dmtcp_env.txt", "B=\"x y\" # set\nA\nC=$FRESH/c\n")
	told := func(want string) {
		t.Helper()
		until(t, want, func() bool {
			lines := p.lines("told")
			return len(lines) > 1 && lines[len(lines)-2] == want || lines[len(lines)-1] == want
		})
	}
	vars := []string{"A=1", "B=2", "DATA=" + filepath.Join(p.work, "old/data")}
	job := p.start(vars, "dmtcp_launch", "-p", "0", "--port-file", "port", "--modify-env", "--pathvirt", "teller")
	told("A=1 B=2 C=- data=old")
	for _, fresh := range []string{"one", "two"} {
		p.mustRun("dmtcp_command", "-p", p.port("port", 1), "-kc")
		job.wait(t)
		p.check(os.Remove(filepath.Join(p.work, "port")))
		mapping := "DMTCP_PATH_MAPPING=/nowhere:/x;" + p.work + "/old:" + p.work + "/new"
		job = p.start([]string{"FRESH=" + fresh, mapping}, "dmtcp_restart", "-p", "0", "--port-file", "port", "--restartdir", p.work)
		told("A=- B=x y C=" + fresh + "/c data=new")
	}
	p.mustRun("dmtcp_command", "-p", p.port("port", 1), "-k")
	job.wait(t)
}

// Unique names keep every checkpoint, each restarts, and what was asked for at
// the launch holds after a restart too.
func TestUniqueNames(t *testing.T) {
	p := newPlace(t)
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "--enable-unique-checkpoint-filenames", "counter", "out", "2000")
	port := p.port("port", 1)
	sets := func() []string {
		found, _ := filepath.Glob(filepath.Join(p.work, "ckpt_*_0*", "ckpt_counter_*.dmtcp"))
		return found
	}
	for n := 1; n <= 2; n++ {
		p.mustRun("dmtcp_command", "-p", port, "-bc")
		if got := sets(); len(got) != n {
			t.Fatalf("after checkpoint %d: %v", n, got)
		}
	}
	scripts, _ := filepath.Glob(filepath.Join(p.work, "dmtcp_restart_script_*_0000?.sh"))
	if len(scripts) != 2 {
		t.Errorf("restart scripts %v", scripts)
	}
	if link, err := os.Readlink(filepath.Join(p.work, "dmtcp_restart_script.sh")); err != nil || !strings.HasSuffix(link, "_00002.sh") {
		t.Errorf("the link leads to %q: %v", link, err)
	}
	p.mustRun("dmtcp_command", "-p", port, "-k")
	job.wait(t)
	for _, args := range [][]string{{"dmtcp_restart", "-p", "0", "--port-file", "port", sets()[0]},
		{"dmtcp_restart", "-p", "0", "--port-file", "port", "--restartdir", p.work}} {
		p.check(os.Remove(filepath.Join(p.work, "port")))
		before := len(p.lines("out"))
		job = p.start(nil, args[0], args[1:]...)
		port = p.port("port", 1)
		until(t, "it counts", func() bool { return len(p.lines("out")) != before })
		n := len(sets())
		p.mustRun("dmtcp_command", "-p", port, "-bc")
		if got := sets(); len(got) != n+1 {
			t.Errorf("a checkpoint after %v replaces another: %v", args, got)
		}
		p.mustRun("dmtcp_command", "-p", port, "-k")
		job.wait(t)
	}
	p.check(os.Remove(filepath.Join(p.work, "port")))
	job = p.start([]string{"DMTCP_UNIQUE_CKPT_PLUGIN=1"}, "dmtcp_launch", "-p", "0", "--port-file", "port", "--ckptdir", "plain",
		"--disable-unique-checkpoint-filenames", "counter", "out2", "2000")
	p.mustRun("dmtcp_command", "-p", p.port("port", 1), "-kc")
	if found, _ := filepath.Glob(filepath.Join(p.work, "plain", "ckpt_counter_*.dmtcp")); len(found) != 1 {
		t.Errorf("the option does not prevail over the variable: %v", found)
	}
}

// --write-kv-data leaves a readable account of each checkpoint and the end.
func TestWriteKVData(t *testing.T) {
	p := newPlace(t)
	p.mustRun("dmtcp_coordinator", "--daemon", "--exit-on-last", "-p", "0", "--port-file", "port", "--write-kv-data")
	port := p.lines("port")[0]
	job := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "out", "2000")
	p.port("port", 1)
	p.mustRun("dmtcp_command", "-p", port, "-kc")
	job.wait(t)
	var events []string
	until(t, "two accounts", func() bool {
		events = nil
		files, _ := filepath.Glob(filepath.Join(p.work, "dmtcp_coordinator_db-*.json"))
		for _, f := range files {
			var d struct {
				Event  string
				Images []struct{ Prog string }
			}
			b, err := os.ReadFile(f)
			p.check(err)
			p.check(json.Unmarshal(b, &d))
			if d.Event == "checkpoint" && (len(d.Images) != 1 || d.Images[0].Prog != "counter") {
				t.Errorf("%s: %s", f, b)
			}
			events = append(events, d.Event)
		}
		return len(events) == 2
	})
	if got := strings.Join(events, " "); got != "checkpoint exit" {
		t.Errorf("accounts of %s", got)
	}
}

// Whoever names every image below a directory names those in the generations'
// own directories too; each process comes back once, from its newest image.
func TestAllImagesBelow(t *testing.T) {
	p := newPlace(t)
	job := p.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "counter", "out", "150")
	port := p.port("port", 1)
	other := p.start(nil, "dmtcp_launch", "-j", "-p", port, "counter", "out2", "150")
	p.port("port", 2)
	until(t, "both count", func() bool { return len(p.lines("out")) > 2 && len(p.lines("out2")) > 2 })
	p.mustRun("dmtcp_command", "-p", port, "-bc")
	p.mustRun("dmtcp_command", "-p", port, "-kc")
	job.wait(t)
	other.wait(t)
	rc, out, errOut := p.run("/bin/sh", "-c", "find . -name 'ckpt_*.dmtcp' | tee found | xargs dmtcp_restart -p 0")
	if rc != 7 && rc != 123 { // xargs' status for a command that failed
		t.Fatalf("rc %d, %q, %q", rc, out, errOut)
	}
	if n := len(p.lines("found")); n < 4 {
		t.Errorf("only %d images were named", n)
	}
	until(t, "both are complete", func() bool { return len(p.lines("out")) == 150 && len(p.lines("out2")) == 150 })
	p.counted("out", 150)
	p.counted("out2", 150)
}
