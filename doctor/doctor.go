// Package doctor is the role of mana_doctor: it tells before a job what will
// and what will not work on this machine with this program, and the mend. It
// tries things rather than looks at settings, with the code that the other
// roles use.
package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"mana/agent"
	"mana/cli"
	"mana/pidns"
	"mana/wire"
)

const description = "Tell what will and what won't work here, and the mend."

type options struct {
	cli.Common
	Host    string   `short:"h" name:"coord-host" env:"DMTCP_COORD_HOST" help:"Host of the coordinator to look for."`
	Port    string   `short:"p" name:"coord-port" env:"DMTCP_COORD_PORT" help:"Port of the coordinator to look for."`
	Ckptdir string   `short:"c" env:"DMTCP_CHECKPOINT_DIR" help:"Directory for checkpoint images (default: the current one)."`
	JSON    bool     `name:"json" help:"Answer with one line of JSON."`
	Quiet   bool     `short:"q" help:"Print only what does not work as it should."`
	Command []string `arg:"" optional:"" passthrough:"partial" name:"program" help:"The program that is to be checkpointed."`
}

// Main runs the role under the given tool name. Its status is 0 if nothing
// fails, else 1.
func Main(name string, args []string) int {
	if pidns.Inside() {
		return 0 // this is the namespace that is being tried
	}
	var o options
	tool := cli.Tool{Name: name, Description: description, Status: 2, Out: os.Stderr, Prefix: name}
	if _, status, over := cli.Open(tool, &o, &o.Common, args); over {
		return status
	}
	if len(o.Command) > 0 && o.Command[0] == "--" {
		o.Command = o.Command[1:]
	}
	r := o.examine()
	rank, _ := agent.RankFromEnv()
	switch {
	case o.JSON:
		r.json(os.Stdout)
	case rank > 0:
		r.text(os.Stdout, fmt.Sprintf("rank %d on %s: ", rank, r.Host), true)
	default:
		r.text(os.Stdout, "", o.Quiet)
		r.verdict(os.Stdout)
	}
	if !r.OK {
		return 1
	}
	return 0
}

// Status of a check.
const (
	ok   = "ok"
	warn = "warn" // works, but not as well as it could
	fail = "fail" // cannot work
)

// finding is the outcome of one check.
type finding struct {
	Name   string `json:"check"`
	Status string `json:"status"`
	Text   string `json:"text"`
	Mend   string `json:"mend,omitempty"`
}

// report is all findings.
type report struct {
	Schema int       `json:"schema_version"`
	Host   string    `json:"host"`
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

func (r *report) add(f ...finding) {
	for _, one := range f {
		r.Checks = append(r.Checks, one)
		r.OK = r.OK && one.Status != fail
	}
}

func (o *options) examine() *report {
	r := &report{Schema: 1, Host: wire.LocalName(), OK: true}
	r.add(kernel())
	r.add(control()...)
	r.add(namespaces(), pidfd(), overcommit())
	r.add(o.program()...)
	r.add(launcher())
	r.add(o.directory()...)
	r.add(home(), o.coordinator())
	return r
}

func (r *report) count(status string) int {
	n := 0
	for _, f := range r.Checks {
		if f.Status == status {
			n++
		}
	}
	return n
}

func (r *report) text(w io.Writer, prefix string, quiet bool) {
	for _, f := range r.Checks {
		if quiet && f.Status == ok {
			continue
		}
		fmt.Fprintf(w, "%s%-4s  %-16s %s\n", prefix, f.Status, f.Name, f.Text)
		if f.Mend != "" {
			fmt.Fprintf(w, "%s      %-16s mend: %s\n", prefix, "", f.Mend)
		}
	}
}

func (r *report) verdict(w io.Writer) {
	fails, warnings := r.count(fail), r.count(warn)
	switch {
	case fails > 0:
		fmt.Fprintf(w, "This will not work here: %d of %d checks failed.\n", fails, len(r.Checks))
	case warnings > 0:
		fmt.Fprintf(w, "Checkpoint and restart work here, with %d of %d things to know.\n", warnings, len(r.Checks))
	default:
		fmt.Fprintln(w, "Checkpoint and restart work here.")
	}
}

func (r *report) json(w io.Writer) {
	b, err := json.Marshal(r)
	if err != nil {
		b = []byte("{}")
	}
	fmt.Fprintf(w, "%s\n", b)
}

// inPath is a command's path, "" if it is not there.
func inPath(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}
