// Package nersc_cr tests the shell functions of this directory with stand-ins
// for Slurm's commands; the end-to-end tests run them on a real Slurm.
package nersc_cr

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bash runs a script after the functions have been read, in a directory of its
// own that is first in PATH, and returns what it printed.
func bash(t *testing.T, script string) string {
	t.Helper()
	functions, err := filepath.Abs("cr_functions.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", "set -u; source "+functions+"; export SLURM_JOB_ID=7\n"+script)
	cmd.Dir = t.TempDir()
	for name, text := range map[string]string{
		"squeue":   `case "$*" in *%k) echo "$COMMENT";; *%l) echo "$LIMIT";; esac`,
		"scontrol": `echo "scontrol $*"`,
	} {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), []byte("#!/bin/bash\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Env = append(os.Environ(), "PATH="+cmd.Dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return strings.TrimSpace(string(out))
}

func TestTimes(t *testing.T) {
	for time, seconds := range map[string]string{"90": "90", "08:09": "489", "00:17:00": "1020", "100:00:00": "360000",
		"1-00:00:00": "86400", "2-3": "183600", "1-02:30": "95400", "UNLIMITED": "0", "": "0", "1:2:3:4": "0"} {
		if got := bash(t, "timestr2secs '"+time+"' || true"); got != seconds {
			t.Errorf("timestr2secs %q = %s, want %s", time, got, seconds)
		}
	}
	if got := bash(t, "secs2timestr 3661; secs2timestr 360001"); got != "01:01:01\n100:00:01" {
		t.Error(got)
	}
}

// TestParseJob follows a job's wanted time from run to run.
func TestParseJob(t *testing.T) {
	for _, c := range []struct{ comment, limit, preset, remaining, request string }{
		{"48:00:00", "1-00:00:00", "", "24:01:00", "1441"},
		{"48:00:00", "2:00:00", "ckpt_overhead=300", "46:05:00", "2765"},
		{"96:00:00", "1-00:00:00", "", "72:01:00", "2880"}, // not more than 48 hours at a time
		{"96:00:00", "1-00:00:00", "max_timelimit=02:00:00", "72:01:00", "120"},
		{"00:10:00", "10:00", "", "00:00:00", "0"}, // used up
		{"(null)", "10:00", "", "00:00:00", "0"},
		{"10:00:00", "UNLIMITED", "", "00:00:00", "0"},
	} {
		got := bash(t, "export COMMENT='"+c.comment+"' LIMIT='"+c.limit+"' "+c.preset+"; parse_job")
		want := "time remaining $remainingTime: " + c.remaining + "\nnext timelimit $requestTime: " + c.request
		if c.request != "0" {
			want += "\nscontrol update JobId=7 Comment=" + c.remaining
		}
		if got != want {
			t.Errorf("%+v: got\n%s\nwant\n%s", c, got, want)
		}
	}
}

// TestFuncTrap sends the signal to a job whose checkpoint works or fails, with
// one from before or none, and whose program runs or has ended.
func TestFuncTrap(t *testing.T) {
	requeued := "scontrol requeue 7\nscontrol update JobId=7 TimeLimit=5"
	for _, c := range []struct{ name, ckpt, status, before, want string }{
		{"saved", "true", "echo 2 yes", "", requeued},
		{"failed, one before", "false", "echo 2 yes", "touch dmtcp_restart_script.sh", requeued},
		{"failed, none before", "false", "echo 2 yes", "", "func_trap: no checkpoint could be taken and there is none from before, no requeue"},
		{"ended", "false", "return 1", "touch dmtcp_restart_script.sh", "func_trap: the program has ended, no requeue"},
	} {
		got := bash(t, c.before+`
ckpt_command=`+c.ckpt+` requestTime=5
_cr_status() { `+c.status+`; }
trap 'func_trap USR1' USR1
(sleep 0.5; exit 7) & pid=$!
(sleep 0.1; kill -USR1 $$) &
wait_program $pid || echo status $?`)
		if got != c.want+"\nstatus 7" {
			t.Errorf("%s: got\n%s\nwant\n%s\nstatus 7", c.name, got, c.want)
		}
	}
}

// TestCheckpointWaits meets a periodic checkpoint under way, which must end first.
func TestCheckpointWaits(t *testing.T) {
	got := bash(t, `
n=0
_cr_command() {
	case $1 in
	--status) echo x >> asked; [[ $(wc -l < asked) -lt 3 ]] && r=no || r=yes; printf '  NUM_PEERS=2\n  RUNNING=%s\n' $r ;;
	--bcheckpoint) [[ $(wc -l < asked) -ge 3 ]] || return 2 ;;
	esac
}
ckpt_mana; echo $?`)
	if !strings.HasPrefix(got, "checkpointing completed, overhead = ") || !strings.HasSuffix(got, "\n0") {
		t.Error(got)
	}
	got = bash(t, `_cr_command() { return 2; }; ckpt_dmtcp || echo $?`)
	if got != "no running job to checkpoint\n1" {
		t.Error(got)
	}
}

// TestScriptsAreClean runs shellcheck where it is installed.
func TestScriptsAreClean(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("no shellcheck")
	}
	scripts, _ := filepath.Glob("../slurm/*.slurm")
	cmd := exec.Command("shellcheck", append([]string{"-x", "cr_functions.sh"}, scripts...)...)
	cmd.Args = append(cmd.Args, "--source-path=SCRIPTDIR")
	if out, err := cmd.CombinedOutput(); err != nil || len(scripts) == 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
