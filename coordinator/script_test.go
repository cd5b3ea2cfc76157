package coordinator

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mana/manifest"
)

// runScript writes the script of a generation beside a dmtcp_restart that
// prints its arguments, and runs it.
func runScript(t *testing.T, m *manifest.Manifest, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	c := &Coordinator{cfg: Config{CkptDir: dir, Interval: 30}, port: 7788}
	if err := c.writeScript(m); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, n := range []string{"dmtcp_restart", "mana_restart"} {
		text := "#!/bin/bash\necho -n " + n + "; for a in \"$@\"; do echo -n \" <$a>\"; done; echo; exit 5\n"
		if err := os.WriteFile(filepath.Join(bin, n), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "dmtcp_restart_script.sh"), args...)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("exit status: %v, want that of the restarted program", err)
	}
	return strings.TrimSpace(string(out))
}

func TestScript(t *testing.T) {
	odd := "/a b/'x'"
	one := &manifest.Manifest{Computation: "1-2-3", Images: []manifest.Image{
		{Host: "n1", Dir: odd, Name: "ckpt_a_1.dmtcp", Rank: -1}, {Host: "n1", Dir: odd, Name: "ckpt_b_2.dmtcp", Rank: -1}}}
	want := "dmtcp_restart <--coord-host> <127.0.0.1> <--coord-port> <7788> <--interval> <30> <" + odd + "/ckpt_a_1.dmtcp> <" + odd + "/ckpt_b_2.dmtcp>"
	if got := runScript(t, one); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want = "dmtcp_restart <--ckptdir> </new> <--coord-host> <h> <--coord-port> <9> <--interval> <2> </d/ckpt_a_1.dmtcp> </d/ckpt_b_2.dmtcp>"
	if got := runScript(t, one, "-h", "h", "-p", "9", "--ckptdir", "/new", "-d", "/d", "-i", "2"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	mpi := &manifest.Manifest{Computation: "1-2-3", Ranks: 1, Images: []manifest.Image{{Host: "n1", Dir: odd, Name: "ckpt_rank_0/x.dmtcp"}}}
	want = "mana_restart <--coord-host> <127.0.0.1> <--coord-port> <7788> <--interval> <30> <--restartdir> <" + odd + ">"
	if got := runScript(t, mpi); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
