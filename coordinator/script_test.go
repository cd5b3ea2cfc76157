package coordinator

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mana/manifest"
	"mana/wire"
)

// runScript writes the script of a generation beside tools that print their
// names and arguments, and runs it. The tools are where the script says, or in
// PATH.
func runScript(t *testing.T, m *manifest.Manifest, env []string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	c := &Coordinator{cfg: Config{CkptDir: dir, Interval: 30}, port: 7788}
	if err := c.writeScript(m); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for name, text := range map[string]string{
		"dmtcp_restart": "#!/bin/bash\nsay \"$0\" \"$@\"; exit 5\n", "mana_restart": "#!/bin/bash\nsay \"$0\" \"$@\"; exit 5\n",
		"mpirun":        "#!/bin/bash\nsay \"$0\" \"$1\" \"$2\"; shift 2; exec \"$@\"\n",
		"ssh":           "#!/bin/bash\nsay \"$0\" \"$1\"; shift; exec sh -c \"$*\"\n",
		"say":           "#!/bin/bash\necho $(basename \"$1\") \"$(shift; [ $# -eq 0 ] || printf '<%s> ' \"$@\")\"\n",
		"srun":          "#!/bin/bash\nn=4; [ $1 != -n ] || n=2\nsay \"$0\" \"${@:1:n}\"; shift $n; exec \"$@\"\n",
		"scontrol":      "#!/bin/bash\n[ \"$*\" = 'show hostnames n[1,9]' ] && printf 'n1\\nn9\\n'\n",
		"dmtcp_command": "#!/bin/bash\nexit 0\n", "hostname": "#!/bin/bash\necho n1\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "dmtcp_restart_script.sh"), args...)
	cmd.Dir = "/"
	cmd.Env = append(env, "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("exit status: %v, want that of the restarted program\n%s", err, out)
	}
	lines := strings.Split(strings.ReplaceAll(string(out), " \n", "\n"), "\n")
	slices.Sort(lines) // other hosts are restarted in the background
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func TestScript(t *testing.T) {
	odd := "/a b/'x'\n$(false)\"\\"
	image := func(host, name string, rank int) manifest.Image {
		return manifest.Image{Host: host, Dir: odd, Name: name, Rank: rank}
	}
	one := &manifest.Manifest{Computation: "1-2-3", Images: []manifest.Image{image("n1", "ckpt_a_1.dmtcp", -1), image("n1", "ckpt_b_2.dmtcp", -1)}}
	two := &manifest.Manifest{Computation: "1-2-3", Images: []manifest.Image{image("n1", "ckpt_a_1.dmtcp", -1), image("n2", "ckpt_b_2.dmtcp", -1)}}
	mpi := &manifest.Manifest{Computation: "1-2-3", Ranks: 3, Images: []manifest.Image{image("n1", "ckpt_rank_0/x.dmtcp", 0)}}
	coord := "<--coord-host> <127.0.0.1> <--coord-port> <7788> <--interval> <30>"
	remote := "<--coord-host> <" + wire.LocalName() + "> <--coord-port> <7788> <--interval> <30>"
	a, b := "<"+odd+"/ckpt_a_1.dmtcp>", "<"+odd+"/ckpt_b_2.dmtcp>"
	for _, c := range []struct {
		what      string
		m         *manifest.Manifest
		env, args []string
		want      []string
	}{
		{"one host", one, nil, nil, []string{"dmtcp_restart " + coord + " " + a + " " + b}},
		{"options", one, nil, []string{"-h", "h", "-p", "9", "--ckptdir", "/new", "-d", "/d", "-i", "2", "-t", "/x", "--no-strict-checking", "--coord-logfile", "log"},
			[]string{"dmtcp_restart <--no-strict-checking> <--ckptdir> </new> <--coord-logfile> <//log> <--coord-host> <h> <--coord-port> <9> <--interval> <2> </d/ckpt_a_1.dmtcp> </d/ckpt_b_2.dmtcp>"}},
		{"long options", one, nil, []string{"--host", "h", "--port", "9", "--restartdir", "/d", "--interval", "2", "--tmpdir", "/x"},
			[]string{"dmtcp_restart <--coord-host> <h> <--coord-port> <9> <--interval> <2> </d/ckpt_a_1.dmtcp> </d/ckpt_b_2.dmtcp>"}},
		{"variables", one, []string{"DMTCP_COORD_HOST=h", "DMTCP_COORD_PORT=9", "DMTCP_CHECKPOINT_INTERVAL=2", "DMTCP_RESTART_DIR=/d", "DMTCP_TMPDIR=/x",
			"DMTCP_CKPT_DIR=/new", "DMTCP_CHECKPOINT_DIR=/not", "DMTCP_COORD_LOGFILE=/log"}, nil,
			[]string{"dmtcp_restart <--ckptdir> </new> <--coord-logfile> </log> <--coord-host> <h> <--coord-port> <9> <--interval> <2> </d/ckpt_a_1.dmtcp> </d/ckpt_b_2.dmtcp>"}},
		{"options prevail", one, []string{"DMTCP_COORD_HOST=x", "DMTCP_COORD_PORT=1", "DMTCP_RESTART_DIR=/x", "DMTCP_CHECKPOINT_DIR=/new"}, []string{"-h", "h", "-p", "9", "-d", "/d"},
			[]string{"dmtcp_restart <--ckptdir> </new> <--coord-host> <h> <--coord-port> <9> <--interval> <30> </d/ckpt_a_1.dmtcp> </d/ckpt_b_2.dmtcp>"}},
		{"two hosts", two, nil, nil, []string{"dmtcp_restart <--join-coordinator> " + remote + " " + a, "dmtcp_restart <--join-coordinator> " + remote + " " + b, "ssh <n2>"}},
		{"two hosts in Slurm", two, []string{"SLURM_JOB_ID=1", "SLURM_JOB_NODELIST=n[1,9]"}, nil, []string{"dmtcp_restart <--join-coordinator> " + remote + " " + a,
			"dmtcp_restart <--join-coordinator> " + remote + " " + b, "srun <--overlap> <--nodes=1> <--ntasks=1> <--nodelist=n9>"}},
		{"an MPI job's batch script", mpi, []string{"SLURM_JOB_ID=1", "SLURM_PROCID=0", "SLURM_JOB_NODELIST=n[1,9]"}, []string{"-d", "/d"},
			[]string{"mana_restart " + coord + " <--restartdir> </d>", "srun <-n> <3>"}},
		{"a task of an MPI job", mpi, []string{"SLURM_JOB_ID=1", "SLURM_PROCID=0", "SLURM_STEP_ID=0"}, []string{"-d", "/d"},
			[]string{"mana_restart " + coord + " <--restartdir> </d>"}},
		{"a rank", mpi, []string{"PMI_RANK=1"}, nil, []string{"mana_restart " + coord + " <--restartdir> <" + odd + ">"}},
		{"an MPI job", mpi, nil, []string{"-d", "/d"}, []string{"mana_restart " + coord + " <--restartdir> </d>", "mpirun <-n> <3>"}},
		{"an MPI job under another launcher", mpi, []string{"MANA_LAUNCHER=mpirun -np 03"}, []string{"-d", "/d"},
			[]string{"mana_restart " + coord + " <--restartdir> </d>", "mpirun <-np> <03>"}},
	} {
		if c.what == "a rank" {
			c.m.Images[0].Dir = t.TempDir() // it has to be there
			c.want[0] = strings.Replace(c.want[0], odd, c.m.Images[0].Dir, 1)
		}
		want := strings.Split(strings.Join(c.want, "\n"), "\n") // a path holds a newline
		slices.Sort(want)
		if got := runScript(t, c.m, c.env, c.args...); got != strings.TrimSpace(strings.Join(want, "\n")) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.what, got, strings.Join(want, "\n"))
		}
	}
}

func TestScriptRefuses(t *testing.T) {
	m := &manifest.Manifest{Computation: "1-2-3", Images: []manifest.Image{{Host: "n1", Dir: "/d", Name: "x.dmtcp"}, {Host: "n2", Dir: "/d", Name: "y.dmtcp"}}}
	dir := t.TempDir()
	c := &Coordinator{cfg: Config{CkptDir: dir}, port: 1}
	if err := c.writeScript(m); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		args, want string
		rc         int
	}{
		{"--help", "Usage: dmtcp_restart_script.sh [OPTIONS]", 0}, {"--nonsense x", "unknown option --nonsense", 1}, {"-p", "Usage:", 1},
		{"--hostfile /none", "cannot read the host file /none", 1}, {"-h elsewhere.invalid", "no coordinator answers at elsewhere.invalid:1", 1},
		{"--hostfile /dev/null", "names no host", 1},
	} {
		cmd := exec.Command(filepath.Join(dir, "dmtcp_restart_script.sh"), strings.Fields(k.args)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, _ := cmd.CombinedOutput()
		if rc := cmd.ProcessState.ExitCode(); rc != k.rc || !strings.Contains(string(out), k.want) {
			t.Errorf("%s: rc %d, %q", k.args, rc, out)
		}
	}
}
