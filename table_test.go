package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// row is one way to call a tool and what comes of it. $PORT in line stands for
// the port of a coordinator with one running program, $FREE for a free port.
type row struct {
	env    string // assignments, blank-separated
	line   string // for the shell
	rc     int
	out    string // patterns of all of stdout and stderr
	err    string
	effect func(*situation) bool // becomes true in the end
}

// situation is where a row runs: a directory of its own and, if it asks for
// one, a computation.
type situation struct {
	*place
	port, free string
	job        *proc
}

// ended reports whether the program that ran before has ended.
func (s *situation) ended() bool {
	select {
	case <-s.job.done:
		return true
	default:
		return false
	}
}

// has reports whether a file of that name exists and contains the text.
func (s *situation) has(pattern, text string) bool {
	found, _ := filepath.Glob(filepath.Join(s.work, pattern))
	if len(found) != 1 {
		return false
	}
	b, err := os.ReadFile(found[0])
	return err == nil && strings.Contains(string(b), text)
}

// says reports whether a coordinator's status at the port contains the text.
func (s *situation) says(port, text string) bool {
	_, out, _ := s.run("dmtcp_command", "-p", port, "-s")
	return strings.Contains(out, text)
}

// gone reports whether no coordinator answers.
func (s *situation) gone(port string) bool {
	rc, _, _ := s.run("dmtcp_command", "-p", port, "-s")
	return rc == 2
}

func imaged(s *situation) bool { return s.has("ckpt_counter_*.dmtcp", "") }
func ended(s *situation) bool  { return s.ended() }
func quit(s *situation) bool   { return s.ended() && s.gone(s.port) }
func steady(s *situation) bool { return !s.ended() && s.says(s.port, "NUM_PEERS=1\n  RUNNING=yes") }
func listening(s *situation) bool {
	return s.says(s.free, "NUM_PEERS=0")
}
func interval(n string) func(*situation) bool {
	return func(s *situation) bool { return s.says(s.port, "CKPT_INTERVAL="+n+"\n") }
}
func joined(s *situation) bool { return s.says(s.port, "NUM_PEERS=2\n  RUNNING=yes") }

const (
	notRunning = `Error, computation not in running state\.  Either a checkpoint is\n currently happening or there are no connected processes\.\n`
	member     = `counter\[\d+:\d+\]@[^,]+, [0-9a-f]+-\d+-[0-9a-f]+, WorkerState::RUNNING, \n`
	listText   = `Coordinator:\n  Host: localhost\n  Port: \d+\nClient List:\n#, PROG\[virtPID:realPID\]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n1, ` + member + `\n`
	statusText = `Coordinator:\n  Host: localhost\n  Port: \d+\nStatus\.\.\.\n  NUM_PEERS=1\n  RUNNING=yes\n  CKPT_INTERVAL=0 \(checkpoint manually\)\n`
	usageText  = `(?s)Usage:  dmtcp_command .*`
)

// commandRows are dmtcp_command's spellings, options and variables.
func commandRows() []row {
	rows := []row{
		{"DMTCP_COORD_PORT=$PORT", "dmtcp_command s", 0, statusText, "", steady},
		{"DMTCP_PORT=$PORT", "dmtcp_command s", 0, statusText, "", steady},
		{"DMTCP_PORT=1 DMTCP_COORD_PORT=$PORT", "dmtcp_command s", 0, statusText, "", steady},
		{"DMTCP_COORD_PORT=1", "dmtcp_command -p $PORT s", 0, statusText, "", steady},
		{"DMTCP_COORD_HOST=127.0.0.1", "dmtcp_command -p $PORT s", 0, strings.Replace(statusText, "localhost", "127.0.0.1", 1), "", steady},
		{"DMTCP_HOST=127.0.0.1", "dmtcp_command -p $PORT s", 0, strings.Replace(statusText, "localhost", "127.0.0.1", 1), "", steady},
		{"DMTCP_COORD_HOST=nowhere.invalid", "dmtcp_command -h localhost --port $PORT s", 0, statusText, "", steady},
		{"", "dmtcp_command --host localhost --coord-port $PORT s", 0, statusText, "", steady},
		{"", "dmtcp_command --coord-host nowhere.invalid -p $PORT s", 2, "", `(?s)WARNING: unknown host nowhere\.invalid\nCoordinator not found\. Please check port and host\.\n`, steady},
		{"", "dmtcp_command -p $FREE s", 2, "", `Coordinator not found\. Please check port and host\.\n`, nil},
		{"", "dmtcp_command -p $FREE -i 5", 2, "", `Coordinator not found\. Please check port and host\.\n`, nil},
		{"", "dmtcp_command -p $PORT -l -c -s", 0, statusText, "", func(s *situation) bool { return steady(s) && !imaged(s) }},
		{"", "dmtcp_command -p $PORT -i 5; dmtcp_command -p $PORT -i0", 0, `Interval changed to 5\nInterval changed to 0\n`, "", interval("0 (checkpoint manually)")},
		{"", "dmtcp_command -p $PORT i8", 0, `Interval changed to 8\n`, "", interval("8")},
		{"", "dmtcp_command -p $PORT --interval 9", 0, `Interval changed to 9\n`, "", interval("9")},
		{"", "dmtcp_command -p $PORT -i", 1, "", `(?s)dmtcp_command: .*Usage:.*`, steady},
		{"", "dmtcp_command -p $PORT stuff", 1, "", `(?s)dmtcp_command: unknown command "stuff".*Usage:.*`, steady},
		{"", "dmtcp_command -p $PORT help", 1, usageText, "", steady},
		{"", "dmtcp_command -p $PORT --version", 1, `(?s)dmtcp_command \(DMTCP\) \d+\.\d+\n.*`, "", steady},
		{"", "dmtcp_command --json -p $PORT s", 0, `\{"schema_version":1,"command":"DMT_STATUS","command_status":"DMT_COORD_SUCCESS","coordinator_host":"localhost","coordinator_port":\d+,"num_peers":1,"running":true,"checkpoint_interval":0\}\n`, "", steady},
		{"", "dmtcp_command --json -p $PORT bc", 0, `\{.*"command":"DMT_BLOCKING_CKPT","command_status":"DMT_COORD_SUCCESS".*"num_peers":1\}\n`, "", imaged},
		{"", "dmtcp_command --json -p $FREE s", 2, `\{.*"command_status":"DMT_COORD_NOT_FOUND".*\}\n`, "", nil},
	}
	spell := func(out string, effect func(*situation) bool, words ...string) {
		for _, w := range words {
			rows = append(rows, row{"", "dmtcp_command -p $PORT " + w, 0, out, "", effect})
		}
	}
	spell(statusText, steady, "s", "-s", "--status", "-status", "status")
	spell(listText, steady, "l", "t", "--list")
	spell("", func(s *situation) bool { return imaged(s) && steady(s) }, "c", "--checkpoint", "bc", "-bcheckpoint", "--bcheckpoint")
	spell("", func(s *situation) bool { return imaged(s) && s.ended() }, "kc", "-Kc", "ck", "K", "--kcheckpoint")
	spell("", ended, "k", "--kill")
	spell("", quit, "q", "--quit")
	return rows
}

// launchRows are what a launch decides about its coordinator and images.
func launchRows() []row {
	image := func(dir string) func(*situation) bool {
		return func(s *situation) bool {
			return s.has(dir+"ckpt_dash_*.dmtcp", "") || s.has(dir+"ckpt_bash_*.dmtcp", "")
		}
	}
	const save = " sh -c 'dmtcp_command -bc; exit 3'"
	return []row{
		{"DMTCP_COORD_PORT=$PORT", "dmtcp_launch -j sh -c 'sleep 1; exit 3'", 3, "", "", nil},
		{"", "dmtcp_launch --join -p $PORT counter x 500 >/dev/null 2>&1 &", 0, "", "", joined},
		{"DMTCP_COORD_PORT=$PORT", "dmtcp_launch counter x 500 >/dev/null 2>&1 &", 0, "", "", joined},
		{"DMTCP_PORT=$PORT DMTCP_HOST=localhost", "dmtcp_launch --any-coordinator counter x 500 >/dev/null 2>&1 &", 0, "", "", joined},
		{"", "dmtcp_launch --join-coordinator --coord-host localhost --coord-port $PORT counter x 500 >/dev/null 2>&1 &", 0, "", "", joined},
		{"DMTCP_FAIL_RC=44", "dmtcp_launch -j -p $FREE true", 44, "", `(?s).*Coordinator not found, but --join was specified.*`, nil},
		{"", "dmtcp_launch --new-coordinator -p $PORT true", 99, "", `(?s).*the port is in use.*`, steady},
		{"", "dmtcp_launch --new-coordinator --port-file f true", 0, "", "", func(s *situation) bool { return regexp.MustCompile(`^\d+$`).MatchString(s.lines("f")[0]) }},
		{"", "dmtcp_launch -p $FREE" + save, 3, "", "", image("")},
		{"DMTCP_CHECKPOINT_DIR=d", "dmtcp_launch -p 0" + save, 3, "", "", image("d/")},
		{"DMTCP_CHECKPOINT_DIR=x", "dmtcp_launch -p 0 -c d" + save, 3, "", "", image("d/")},
		{"DMTCP_CHECKPOINT_DIR=x", "dmtcp_launch -p 0 --ckptdir d/e" + save, 3, "", "", image("d/e/")},
		{"DMTCP_CHECKPOINT_INTERVAL=1", "dmtcp_launch -p 0 sh -c 'sleep 3; echo $DMTCP_CHECKPOINT_INTERVAL; exit 4'", 4, `\n`, "", image("")},
		{"", "dmtcp_launch -p 0 -i1 sh -c 'sleep 3; exit 4'", 4, "", "", image("")},
		{"", "dmtcp_launch -p $PORT --interval 66 true", 0, "", "", interval("66")},
		{"", "dmtcp_launch -p 0 --coord-logfile log true", 0, "", "", func(s *situation) bool { return s.has("log", "DMTCP coordinator exiting") }},
		{"DMTCP_COORD_LOG_FILENAME=log", "dmtcp_launch -p 0 true", 0, "", "", func(s *situation) bool { return s.has("log", "DMTCP coordinator exiting") }},
		{"", "dmtcp_launch -p 0 -- sh -c 'exit 9'", 9, "", "", nil},
		{"", "dmtcp_launch -p 0 sh -c 'echo \"$0 $@\"' --help -p '' 'a b'", 0, `--help -p  a b\n`, "", nil},
	}
}

// coordinatorRows are the coordinator's own options, files and console.
func coordinatorRows() []row {
	daemon := "dmtcp_coordinator --daemon -q "
	exits := func(why string) string {
		return `(?s)(dmtcp_coordinator starting.*)?\[.*\] NOTE: DMTCP coordinator exiting\.\.\. \(` + why + `\)\n`
	}
	return []row{
		{"", daemon + "-p $FREE", 0, "", "", listening},
		{"", daemon + "-p$FREE", 0, "", "", listening},
		{"", daemon + "--port $FREE", 0, "", "", listening},
		{"", daemon + "--coord-port $FREE", 0, "", "", listening},
		{"", daemon + "$FREE", 0, "", "", listening},
		{"DMTCP_COORD_PORT=$FREE", daemon, 0, "", "", listening},
		{"DMTCP_PORT=$FREE", daemon, 0, "", "", listening},
		{"DMTCP_COORD_PORT=1", daemon + "-p $FREE -i 77", 0, "", "", func(s *situation) bool { return s.says(s.free, "CKPT_INTERVAL=77") }},
		{"DMTCP_CHECKPOINT_INTERVAL=78", daemon + "-p $FREE", 0, "", "", func(s *situation) bool { return s.says(s.free, "CKPT_INTERVAL=78") }},
		{"", daemon + "-p $FREE --port-file f --status-file s -i9 -t /tmp --mpi", 0, "", "", func(s *situation) bool {
			return s.has("f", s.free) && s.has("s", "Coordinator started: ") && s.has("s", "\nPort: "+s.free+"\nCheckpoint Interval: 9\n")
		}},
		{"", daemon + "-p $PORT", 99, "", `dmtcp_coordinator: .*in use.*\n`, steady},
		{"", "dmtcp_coordinator -q -p $FREE --timeout 1 < /dev/null", 1, "", `(?s).*timeout reached.*`, nil},
		{"", "dmtcp_coordinator -q -p $FREE --stale-timeout 1 < /dev/null", 1, "", `(?s).*stale timeout.*`, nil},
		{"", "printf 's\\ni\\ni 5\\nq\\n' | dmtcp_coordinator -p $FREE --ckptdir /tmp", 0,
			`Status\.\.\.\nHost: \S+ \(\S+\)\nPort: \d+\nCheckpoint Interval: disabled \(checkpoint manually instead\)\nExit on last client: 0\nKill after checkpoint: 0\nComputation Id: \nCheckpoint Dir: /tmp\nNUM_PEERS=0\nRUNNING=no\n\nCurrent Checkpoint Interval: disabled \(checkpoint manually instead\)\nCurrent Checkpoint Interval: 5\n`,
			`dmtcp_coordinator starting\.\.\.\n    Host: \S+ \(\S+\)\n    Port: \d+\n    Checkpoint Interval: disabled \(checkpoint manually instead\)\n    Exit on last client: 0\nType '\?' for help\.\n\n(?s).*per request.*`, nil},
		{"", "printf 'l\\nu\\nq\\n' | dmtcp_coordinator -q -p $FREE", 0, "", `(?s)Client List:\n#, PROG\[virtPID:realPID\]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n\nHost List:\nHOST => # connected clients \n.*per request.*`, nil},
		{"DMTCP_QUIET=2", "echo q | dmtcp_coordinator -p $FREE", 0, "", "", nil},
		{"", "dmtcp_coordinator -q -p $FREE --port-file f < /dev/null & until [ -s f ]; do sleep 0.05; done; kill -INT $!; wait $!", 0, "", `(?s).*` + exits("per request"), nil},
		{"", "dmtcp_coordinator -q -p $FREE --port-file f < /dev/null & until [ -s f ]; do sleep 0.05; done; kill -TERM $!; wait $!", 0, "", `(?s).*` + exits("by a signal"), nil},
		{"", daemon + "-p $FREE --exit-on-last && dmtcp_launch -j -p $FREE true", 0, "", "", func(s *situation) bool { return s.gone(s.free) }},
		{"", daemon + "-p $FREE --kill-after-ckpt && dmtcp_launch -j -p $FREE sh -c 'dmtcp_command -c; sleep 60'", 0, "", "", listening},
		{"", daemon + "-p $FREE --exit-after-ckpt && dmtcp_launch -j -p $FREE sh -c 'dmtcp_command -c; sleep 60'", 0, "", "", listening},
	}
}

// manaRows are MANA's wrappers, which find the coordinator by themselves.
func manaRows() []row {
	const (
		written = `\*\*\* Coordinator/job information written to \S+/\.mana\.rc\n`
		inJob   = `\*\*\* Coordinator/job information written to \S+/\.mana-slurm-5\.rc\n`
		none    = `(?s)mana_\w+: .*No MANA coordinator detected.*`
		table   = `Client List:\n#, PROG\[virtPID:realPID\]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n\n`
		up      = "mana_coordinator -p 0 > /dev/null; trap 'mana_status -q 2>/dev/null' EXIT; "
	)
	return []row{
		{"", "mana_status", 2, "", none, nil},
		{"", "mana_launch true", 1, "", none, nil},
		{"", "mana_launch", 1, `(?s)mana_launch \(DMTCP\) .*`, "", nil},
		{"", "mana_launch --help", 0, `(?s)Usage: mana_launch .*`, "", nil},
		{"", "mana_restart --help", 0, `(?s)Usage: mana_restart .*`, "", nil},
		{"", "mana_coordinator --help", 0, `(?s)Usage: mana_coordinator .*`, "", nil},
		{"", "mana_start_coordinator -p 0; mana_status --quit", 0, written, "", nil},
		{"", "mana_coordinator -p $PORT", 3, "", `(?s)mana_coordinator: .*in use.*`, nil},
		{"SLURM_JOB_ID=5", "mana_coordinator -p 0; grep -c 'SLURM_JOB_ID: 5' ~/.mana-slurm-5.rc; mana_status -q", 0, inJob + `1\n`, "", nil},
		{"", up + "mana_status", 0, `Coordinator:\n  Host: \S+\n  Port: \d+\n` + table, "", nil},
		{"", up + "mana_status --verbose -l", 0, `Coordinator:\n  Host: \S+\n  Port: \d+\n` + table, "", nil},
		{"", up + "mana_status -i 9; mana_status --interval 8", 0, `Interval changed to 9\nInterval changed to 8\n`, "", nil},
		{"", up + "mana_status -c", 2, "", notRunning, nil},
		{"", up + "mana_status --bcheckpoint", 2, "", notRunning, nil},
		{"", up + "mana_status -kc", 2, "", notRunning, nil},
		// The words that job scripts take out of the answer, by their numbers.
		{"", up + "bash -c 'x=($(mana_status -s)); echo ${x[6]} ${x[7]}'", 0, `NUM_PEERS=0 RUNNING=no\n`, "", nil},
		{"SLURM_JOB_ID=5", up + "bash -c 'x=($(dmtcp_command -s)); echo ${x[8]} ${x[9]}'", 0, `NUM_PEERS=0 RUNNING=no\n`, "", nil},
		{"DMTCP_COORD_PORT=$PORT", "bash -c 'x=($(dmtcp_command -s)); echo ${x[6]} ${x[7]}'", 0, `NUM_PEERS=1 RUNNING=yes\n`, "", nil},
		{"", "mana_coordinator -p 0 -i300 > /dev/null; mana_status -s; mana_status -q", 0, `(?s)Coordinator:.*CKPT_INTERVAL=300\n`, "", nil},
		{"", up + "mana_launch sh -c 'exit 7'", 7, "", "", nil},
		{"", up + "mana_launch -i 5 --ckptdir . sh -c 'mana_status -s; mana_status -bc' 2>&1 | grep -v Host", 0,
			`Coordinator:\n  Port: \d+\nStatus\.\.\.\n  NUM_PEERS=\d\n  RUNNING=yes\n  CKPT_INTERVAL=5\n`, "",
			func(s *situation) bool { return s.has("dmtcp_restart_script.sh", "") }},
		{"", up + "mana_launch --timing --use-shadowlibs --with-plugin /x/libmana.so true", 0, "", `mana_launch: no effect here: --timing, --use-shadowlibs\n`, nil},
		{"", up + "mana_launch -q --timing --verbose --mpi --kernel-loader --disable-dl-plugin --no-gzip true", 0, "", "", nil},
		{"", up + "mana_launch --ckptdir none true", 1, "", `mana_launch: Checkpoint directory doesn't exist: .*\n`, nil},
		{"", up + "mana_launch none", 1, "", `mana_launch: the program cannot be started: .*\n`, nil},
		{"", up + "mana_restart", 1, "", `mana_restart: .*no committed checkpoint.*\n`, nil},
		{"", up + "mana_restart --restartdir none", 1, "", `mana_restart: .*no such file or directory.*\n`, nil},
	}
}

// TestTable runs every row in a directory of its own.
func TestTable(t *testing.T) {
	p := newPlace(t)
	root, n := p.work, 0
	for name, rows := range map[string][]row{"command": commandRows(), "launch": launchRows(), "coordinator": coordinatorRows(), "mana": manaRows()} {
		for _, r := range rows {
			n++
			dir := filepath.Join(root, fmt.Sprint(n))
			t.Run(name+"/"+r.env+" "+r.line, func(t *testing.T) {
				q := *p
				q.t, q.work = t, dir
				q.check(os.Mkdir(dir, 0o755))
				if q.cred != nil {
					q.check(os.Chown(dir, int(q.cred.Uid), int(q.cred.Gid)))
				}
				r.check(&situation{place: &q})
			})
		}
	}
}

func (r *row) check(s *situation) {
	t := s.t
	if strings.Contains(r.env+r.line, "$PORT") {
		s.job = s.start(nil, "dmtcp_launch", "-p", "0", "--port-file", "port", "counter", "out", "5000")
		s.port = s.place.port("port", 1)
		defer s.run("dmtcp_command", "-p", s.port, "-q")
	}
	if strings.Contains(r.env+r.line, "$FREE") {
		s.free = freePort(t)
		defer s.run("dmtcp_command", "-p", s.free, "-q")
	}
	fill := strings.NewReplacer("$PORT", s.port, "$FREE", s.free).Replace
	c := s.start(strings.Fields(fill(r.env)), "/bin/sh", "-c", fill(r.line))
	rc := c.wait(t)
	if rc != r.rc {
		t.Errorf("rc %d, not %d", rc, r.rc)
	}
	for _, x := range []struct{ what, got, want string }{{"stdout", c.out.String(), r.out}, {"stderr", c.err.String(), r.err}} {
		if !regexp.MustCompile("^(?:" + x.want + ")$").MatchString(x.got) {
			t.Errorf("%s is %q, not %q", x.what, x.got, x.want)
		}
	}
	for end := time.Now().Add(20 * time.Second); r.effect != nil && !r.effect(s); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ls, _ := exec.Command("ls", "-lR", s.work).CombinedOutput()
			t.Fatalf("no effect\n%s", ls)
		}
	}
}
