package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"mana/cli"
	"mana/wire"
)

// request is one parsed command line. It is parsed by hand because a command
// may carry any number of dashes, which no option parser would take for an
// argument.
type request struct {
	host      string
	port      int
	hostGiven bool
	portGiven bool
	json      bool
	cmd       string
	value     string
	viaRC     bool // host and port come from the information file
}

var errNoCommand = errors.New("no command given")

func parse(args []string) (*request, error) {
	r := &request{}
	if err := r.environment(); err != nil {
		return r, err
	}
	for len(args) > 0 {
		n, err := r.option(args)
		if err != nil {
			return r, err
		}
		if n == 0 {
			if n, err = r.command(args); err != nil {
				return r, err
			}
		}
		args = args[n:]
	}
	if r.cmd == "" {
		return r, errNoCommand
	}
	r.informationFile()
	return r, nil
}

func (r *request) environment() error {
	r.host = "localhost"
	r.port = cli.DefaultPort
	for _, v := range []string{"DMTCP_HOST", "DMTCP_COORD_HOST"} {
		if s := os.Getenv(v); s != "" {
			r.host, r.hostGiven = s, true
		}
	}
	for _, v := range []string{"DMTCP_PORT", "DMTCP_COORD_PORT"} {
		if s := os.Getenv(v); s != "" {
			if err := r.setPort(s); err != nil {
				return fmt.Errorf("%s: %w", v, err)
			}
		}
	}
	return nil
}

// informationFile finds mana_coordinator's coordinator when nobody named one
// and this is a batch job, whose scripts call dmtcp_command without -p.
func (r *request) informationFile() {
	if r.hostGiven || r.portGiven || os.Getenv("SLURM_JOB_ID") == "" {
		return
	}
	if host, port, err := cli.ReadRC(); err == nil {
		r.host, r.port, r.viaRC = host, port, true
	}
}

func (r *request) setPort(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%q is no port number", s)
	}
	r.port, r.portGiven = n, true
	return nil
}

// option takes one option with its value and says how many words it was, 0
// when args begins with none.
func (r *request) option(args []string) (int, error) {
	value := func() (string, error) {
		if len(args) < 2 {
			return "", fmt.Errorf("%s needs a value", args[0])
		}
		return args[1], nil
	}
	switch a := args[0]; {
	case a == "-h" && len(args) == 1:
		return 0, nil // without a host it is the command
	case a == "-h" || a == "--host" || a == "--coord-host":
		v, err := value()
		r.host, r.hostGiven = v, true
		return 2, err
	case a == "-p" || a == "--port" || a == "--coord-port":
		v, err := value()
		if err != nil {
			return 0, err
		}
		return 2, r.setPort(v)
	case len(a) > 2 && strings.HasPrefix(a, "-p") && a[2] >= '0' && a[2] <= '9':
		return 1, r.setPort(a[2:])
	case a == "--json":
		r.json = true
		return 1, nil
	case a == "--quiet":
		return 1, nil
	case a == "--version":
		r.cmd = "version"
		return 1, nil
	}
	return 0, nil
}

// names maps every spelling of a command to its name.
var names = map[string]string{
	"s": "status", "status": "status",
	"l": "list", "t": "list", "list": "list",
	"c": "checkpoint", "checkpoint": "checkpoint",
	"bc": "bcheckpoint", "bcheckpoint": "bcheckpoint",
	"kc": "kcheckpoint", "ck": "kcheckpoint", "K": "kcheckpoint", "Kc": "kcheckpoint", "xc": "kcheckpoint", "kcheckpoint": "kcheckpoint",
	"i": "interval", "interval": "interval",
	"w": "watch", "watch": "watch",
	"k": "kill", "kill": "kill",
	"q": "quit", "quit": "quit",
	"metrics": "metrics",
	"h":       "help", "help": "help", "?": "help",
}

// command takes one command word; the last one of a line counts.
func (r *request) command(args []string) (int, error) {
	word := strings.TrimLeft(args[0], "-")
	if len(word) > 1 && word[0] == 'i' && word[1] >= '0' && word[1] <= '9' {
		return 1, r.setInterval(word[1:])
	}
	cmd, ok := names[word]
	if !ok {
		return 0, fmt.Errorf("unknown command %q", args[0])
	}
	if cmd != "interval" {
		r.cmd = cmd
		return 1, nil
	}
	if len(args) < 2 {
		return 0, fmt.Errorf("%s needs a number of seconds", args[0])
	}
	return 2, r.setInterval(args[1])
}

func (r *request) setInterval(s string) error {
	if _, err := cli.ParseInterval(s); err != nil {
		return err
	}
	r.cmd, r.value = "interval", s
	return nil
}

func (r *request) message() wire.Message {
	return wire.New("CMD", "name", r.cmd, "value", r.value)
}

// shownHost and shownPort are what the answer's head names. When the
// coordinator was found through the information file the head is still that
// of the defaults, because scripts count its words.
func (r *request) shownHost() string {
	if r.viaRC {
		return "localhost"
	}
	return r.host
}

func (r *request) shownPort() int {
	if r.viaRC {
		return cli.DefaultPort
	}
	return r.port
}
