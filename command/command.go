// Package command is the role of dmtcp_command and mana_status: it sends one
// command to a coordinator and prints the answer the way DMTCP does, or as
// one line of JSON.
package command

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mana/cli"
	"mana/coordinator"
	"mana/progress"
	"mana/wire"
)

const commandUsage = `Usage:  dmtcp_command [OPTIONS] COMMAND [COMMAND...]
Send a command to the dmtcp_coordinator remotely.

`

const options = `Options:
  -h, --coord-host HOST  Host of the coordinator (DMTCP_COORD_HOST; default localhost)
  -p, --coord-port PORT  Port of the coordinator (DMTCP_COORD_PORT; default 7779)
  --json                 Answer with one line of JSON
  --help                 Print this message
  --version              Print the version

Commands (with any number of leading dashes; the last one given is executed):
  s, status              Number of processes, running or not, checkpoint interval
  l, list                List the processes
  c, checkpoint          Start a checkpoint and return at once
  bc, bcheckpoint        Checkpoint; return when all images are durable
  kc, kcheckpoint        Checkpoint and kill; return when both are done
  i, interval N          Set the checkpoint interval to N seconds (0: never)
                         (auto: chosen from what a checkpoint costs)
  metrics                Print the state as Prometheus reads it
  watch                  Show the state until q, ^C or the coordinator's end
  k, kill                Kill the processes
  q, quit                Kill the processes and end the coordinator
`

const statusUsage = `Usage:  mana_status [OPTIONS] [COMMAND]
Send a command to the coordinator that mana_coordinator has started (default: list).

`

// usage is the help text of the tool called name.
func usage(name string) string {
	if strings.HasPrefix(name, "mana") {
		return statusUsage + options
	}
	return commandUsage + options
}

// The exit statuses of dmtcp_command.
const (
	rcOK     = 0
	rcUsage  = 1
	rcFailed = 2
)

// Main is dmtcp_command.
func Main(name string, args []string) int {
	return run(name, args, os.Stdout, os.Stderr)
}

// StatusMain is mana_status: dmtcp_command for the coordinator that the
// information file names, with list as the default command.
func StatusMain(name string, args []string) int {
	var rest []string
	for _, a := range args {
		if a == "--help" {
			fmt.Print(usage(name))
			return rcOK
		}
		if a != "--verbose" {
			rest = append(rest, a)
		}
	}
	prefix := []string{"--list"}
	host, port, err := cli.ReadRC()
	if err == nil {
		prefix = []string{"-h", host, "-p", strconv.Itoa(port), "--list"}
	} else if r, bad := parse(append(prefix, rest...)); bad == nil && !r.portGiven {
		fmt.Fprintf(os.Stderr, "%s: No MANA coordinator detected: %v\n", name, err)
		return rcFailed
	}
	return run(name, append(prefix, rest...), os.Stdout, os.Stderr)
}

func run(name string, args []string, out, errOut io.Writer) int {
	r, err := parse(args)
	switch {
	case err != nil && r.json:
		return emitJSON(out, r, "DMT_INVALID_COORDINATOR_COMMAND", "DMT_COORD_INVALID_COMMAND", nil, rcFailed)
	case err != nil:
		fmt.Fprintf(errOut, "%s: %v\n%s", name, err, usage(name))
		return rcUsage
	case r.cmd == "help" && r.json:
		return emitJSON(out, r, "DMT_HELP", "DMT_COORD_SUCCESS", nil, rcOK)
	case r.cmd == "help":
		fmt.Fprint(out, usage(name))
		return rcUsage
	case r.cmd == "version" && r.json:
		return emitJSON(out, r, "DMT_VERSION", "DMT_COORD_SUCCESS", []field{{"version", cli.Version}}, rcOK)
	case r.cmd == "version":
		fmt.Fprint(out, cli.VersionText(name))
		return rcUsage
	}
	if r.cmd == "watch" {
		return r.watch(out, errOut)
	}
	if r.json {
		a, err := r.call(r.message(), nil)
		return r.answerJSON(out, a, err)
	}
	msg := r.message()
	var t *progress.Terminal
	if f, ok := errOut.(*os.File); ok && (r.cmd == "bcheckpoint" || r.cmd == "kcheckpoint") {
		if t = progress.OnTerminal(f); t != nil {
			msg = msg.With("progress", 1)
		}
	}
	a, err := r.call(msg, t)
	t.Show("")
	rc := r.answerText(out, errOut, a, err)
	if rc == rcOK {
		t.Say(summary(a.result))
	}
	return rc
}

// summary tells about a checkpoint that is complete.
func summary(res wire.Message) string {
	return fmt.Sprintf("checkpoint %d complete: %s, %s, %.1f s", res.Int("gen", 0), progress.Count(res.Int("images", 0), "image", "images"),
		progress.Bytes(int64(res.Int("bytes", 0))), float64(res.Int("elapsed_ms", 0))/1000)
}

// answer is what the coordinator says to a command.
type answer struct {
	rows   []wire.Message // of a list
	state  progress.State // if it was told
	result wire.Message
}

// call sends one command and shows on the terminal what is told until the
// result comes.
func (r *request) call(cmd wire.Message, t *progress.Terminal) (a answer, err error) {
	c, err := wire.Dial(r.host, r.port)
	if err != nil {
		return a, err
	}
	defer c.Close()
	if err := c.Send(cmd); err != nil {
		return a, err
	}
	// A checkpoint may take long; everything else is answered at once.
	timeout := 30 * time.Second
	if strings.HasSuffix(cmd.Get("name"), "checkpoint") {
		timeout = 0
	}
	for {
		m, err := c.Recv(timeout)
		if err != nil {
			return a, fmt.Errorf("no answer from the coordinator: %w", err)
		}
		switch m.Verb {
		case "ROW":
			a.rows = append(a.rows, m)
		case "STATE":
			a.state = progress.Parse(m)
			t.Show(a.state.Line())
		case "RESULT":
			a.result = m
			return a, nil
		default:
			return a, fmt.Errorf("unexpected answer: %s", m)
		}
	}
}

// answerText prints what DMTCP prints; scripts split it into words.
func (r *request) answerText(out, errOut io.Writer, a answer, err error) int {
	res := a.result
	if err != nil {
		r.explain(errOut, err)
		return rcFailed
	}
	switch res.Get("error") {
	case "":
	case "notrunning":
		fmt.Fprint(errOut, "Error, computation not in running state.  Either a checkpoint is\n currently happening or there are no connected processes.\n")
		return rcFailed
	default:
		fmt.Fprintf(errOut, "Error, the checkpoint failed: %s\n", res.Get("reason"))
		return rcFailed
	}
	switch r.cmd {
	case "status":
		r.head(out)
		fmt.Fprintf(out, "Status...\n  NUM_PEERS=%s\n  RUNNING=%s\n  CKPT_INTERVAL=%s\n", res.Get("peers"), yesno(res.Bool("running")), interval(res))
	case "list":
		r.head(out)
		fmt.Fprint(out, coordinator.ListText(a.rows))
	case "metrics":
		for _, m := range a.rows {
			fmt.Fprintln(out, m.Get("text"))
		}
	case "interval":
		fmt.Fprintf(out, "Interval changed to %s\n", r.value)
	}
	return rcOK
}

// head names the coordinator; the two extra words at the default port are
// part of what scripts count on.
func (r *request) head(out io.Writer) {
	note := ""
	if !r.portGiven {
		note = " (default port)"
	}
	fmt.Fprintf(out, "Coordinator:\n  Host: %s\n  Port: %d%s\n", r.shownHost(), r.shownPort(), note)
}

func yesno(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func interval(res wire.Message) string {
	if n := res.Int("interval", 0); n != 0 {
		if res.Bool("auto") {
			return fmt.Sprintf("%d (auto)", n)
		}
		return strconv.Itoa(n)
	}
	return "0 (checkpoint manually)"
}

// explain tells why there was no answer.
func (r *request) explain(errOut io.Writer, err error) {
	var op *net.OpError
	switch {
	case errors.Is(err, wire.ErrAuth), errors.Is(err, wire.ErrNoSecret):
		fmt.Fprintf(errOut, "The coordinator at %s:%d belongs to somebody else: %v\n", r.host, r.port, err)
	case errors.Is(err, syscall.ECONNREFUSED), errors.As(err, &op) && op.Op == "dial":
		var dns *net.DNSError
		if errors.As(err, &dns) {
			fmt.Fprintf(errOut, "WARNING: unknown host %s\n", r.host)
		}
		if r.portGiven {
			fmt.Fprintln(errOut, "Coordinator not found. Please check port and host.")
		} else {
			fmt.Fprintln(errOut, "Coordinator not found. Try specifying port with '--port'.")
		}
	default:
		fmt.Fprintln(errOut, err)
	}
}
