package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mana/coordinator"
	"mana/wire"
)

// setup starts a coordinator without clients and clears the environment that
// the command line reads.
func setup(t *testing.T) (port string) {
	t.Helper()
	for _, v := range []string{"DMTCP_COORD_HOST", "DMTCP_HOST", "DMTCP_COORD_PORT", "DMTCP_PORT", "SLURM_JOB_ID"} {
		t.Setenv(v, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv(wire.SecretEnv, "cli-secret")
	c, err := coordinator.New(coordinator.Config{Listen: "127.0.0.1", Secret: "cli-secret", CkptDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go c.Serve(ctx)
	t.Cleanup(cancel)
	return strconv.Itoa(c.Port())
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func TestText(t *testing.T) {
	port := setup(t)
	status := "Coordinator:\n  Host: localhost\n  Port: " + port + "\nStatus...\n  NUM_PEERS=0\n  RUNNING=no\n  CKPT_INTERVAL=0 (checkpoint manually)\n"
	list := "Coordinator:\n  Host: localhost\n  Port: " + port + "\nClient List:\n#, PROG[virtPID:realPID]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n\n"
	notRunning := "Error, computation not in running state.  Either a checkpoint is\n currently happening or there are no connected processes.\n"
	for _, c := range []struct {
		args     string
		rc       int
		out, err string
	}{
		{"-p PORT -s", 0, status, ""},
		{"-pPORT s", 0, status, ""},
		{"--coord-port PORT --status", 0, status, ""},
		{"--port PORT -status", 0, status, ""},
		{"-p PORT -l", 0, list, ""},
		{"-p PORT t", 0, list, ""},
		{"-p PORT --list --status", 0, status, ""},
		{"-p PORT -c", 2, "", notRunning},
		{"-p PORT -bc", 2, "", notRunning},
		{"-p PORT -bcheckpoint", 2, "", notRunning},
		{"-p PORT -kc", 2, "", notRunning},
		{"-p PORT Kc", 2, "", notRunning},
		{"-p PORT -i 5", 0, "Interval changed to 5\n", ""},
		{"-p PORT i0", 0, "Interval changed to 0\n", ""},
		{"-p PORT -k", 0, "", ""},
		{"-p FREE -s", 2, "", "Coordinator not found. Please check port and host.\n"},
		{"-p PORT", 1, "", "no command given"},
		{"-p PORT stuff", 1, "", "unknown command"},
		{"-p notaport -s", 1, "", "no port number"},
		{"-p PORT -i", 1, "", "needs a number"},
		{"--help", 1, "Usage:", ""},
		{"--version", 1, "dmtcp_command (DMTCP) 5.0", ""},
	} {
		var out, errOut bytes.Buffer
		args := strings.Fields(strings.NewReplacer("PORT", port, "FREE", freePort(t)).Replace(c.args))
		rc := run("dmtcp_command", args, &out, &errOut)
		if rc != c.rc || !strings.HasPrefix(out.String(), c.out) || !strings.Contains(errOut.String(), c.err) ||
			(c.out == "" && out.Len() > 0) || (c.err == "" && errOut.Len() > 0) {
			t.Errorf("%s: rc %d\nstdout %q\nstderr %q", c.args, rc, out.String(), errOut.String())
		}
	}
}

// Job scripts split the status into words and take the 7th and 8th, or the
// 9th and 10th when no port was named.
func TestStatusWords(t *testing.T) {
	port := setup(t)
	var out bytes.Buffer
	run("dmtcp_command", []string{"-h", "127.0.0.1", "-p", port, "-s"}, &out, &out)
	if w := strings.Fields(out.String()); len(w) < 8 || w[6] != "NUM_PEERS=0" || w[7] != "RUNNING=no" {
		t.Errorf("with a port: %q", w)
	}
	home := os.Getenv("HOME")
	t.Setenv("SLURM_JOB_ID", "42")
	rc := filepath.Join(home, ".mana-slurm-42.rc")
	if err := os.WriteFile(rc, fmt.Appendf(nil, "Host: %s (127.0.0.1)\nPort: %s\n", "127.0.0.1", port), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	run("dmtcp_command", []string{"-s"}, &out, &out)
	if w := strings.Fields(out.String()); len(w) < 10 || w[8] != "NUM_PEERS=0" || w[9] != "RUNNING=no" {
		t.Errorf("through the information file: %q", w)
	}
}

func TestJSON(t *testing.T) {
	port := setup(t)
	for _, c := range []struct {
		args            string
		rc              int
		command, status string
		keys            string
	}{
		{"s", 0, "DMT_STATUS", "DMT_COORD_SUCCESS", "num_peers running checkpoint_interval"},
		{"l", 0, "DMT_LIST", "DMT_COORD_SUCCESS", "workers"},
		{"bc", 2, "DMT_BLOCKING_CKPT", "DMT_COORD_NOT_RUNNING", ""},
		{"i 3", 0, "DMT_UPDATE_CKPT_INTERVAL", "DMT_COORD_SUCCESS", "checkpoint_interval"},
		{"nonsense", 2, "DMT_INVALID_COORDINATOR_COMMAND", "DMT_COORD_INVALID_COMMAND", ""},
		{"help", 0, "DMT_HELP", "DMT_COORD_SUCCESS", ""},
		{"--version", 0, "DMT_VERSION", "DMT_COORD_SUCCESS", "version"},
		{"-p " + freePort(t) + " s", 2, "DMT_STATUS", "DMT_COORD_NOT_FOUND", ""},
		{"q", 0, "DMT_QUIT", "DMT_COORD_SUCCESS", ""},
	} {
		var out, errOut bytes.Buffer
		rc := run("dmtcp_command", append([]string{"--json", "-p", port}, strings.Fields(c.args)...), &out, &errOut)
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %q", c.args, err, out.String())
		}
		if rc != c.rc || got["command"] != c.command || got["command_status"] != c.status || got["schema_version"] != 1.0 || errOut.Len() > 0 || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: rc %d %v stderr %q", c.args, rc, got, errOut.String())
		}
		for _, k := range strings.Fields(c.keys) {
			if _, ok := got[k]; !ok {
				t.Errorf("%s: no key %s in %v", c.args, k, got)
			}
		}
	}
}

func TestWrongSecret(t *testing.T) {
	port := setup(t)
	t.Setenv(wire.SecretEnv, "other")
	var out, errOut bytes.Buffer
	if rc := run("dmtcp_command", []string{"-p", port, "-s"}, &out, &errOut); rc != 2 || !strings.Contains(errOut.String(), "belongs to somebody else") {
		t.Errorf("rc %d, stderr %q", rc, errOut.String())
	}
}
