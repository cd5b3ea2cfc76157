package coordinator

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"mana/cli"
	"mana/wire"
)

const consoleHelp = `COMMANDS:
  l      : List connected nodes
  s      : Print status message
  c      : Checkpoint all nodes
  kc     : Checkpoint and then kill all nodes
  i      : Print current checkpoint interval
  i <N>  : Set the checkpoint interval (0: checkpoint manually, auto: let it choose)
  k      : Kill all nodes
  q      : Kill all nodes and quit
  ?      : Show this message

`

// console executes the commands that are typed on the coordinator's stdin.
// Its end closes the console, not the coordinator.
func (c *Coordinator) console(in io.Reader, out, errOut io.Writer) {
	sc := bufio.NewScanner(in)
	for sc.Scan() {
		line := strings.ToLower(strings.TrimSpace(sc.Text()))
		ended := make(chan struct{})
		c.post(func() { c.consoleLine(line, out, errOut, func() { close(ended) }) })
		select {
		case <-ended:
		case <-c.done:
			return
		}
	}
	fmt.Fprintln(errOut, "\n  Closing stdin...")
}

// consoleLine executes one line and calls end when its output is out.
func (c *Coordinator) consoleLine(line string, out, errOut io.Writer, end func()) {
	word, arg, _ := strings.Cut(line, " ")
	if len(word) > 1 && word[0] == 'i' && word[1] >= '0' && word[1] <= '9' {
		word, arg = "i", word[1:]
	}
	switch word {
	case "l", "t", "list":
		c.ask(func() { fmt.Fprint(errOut, ListText(c.rows())); end() })
		return
	case "s", "status":
		c.ask(func() { fmt.Fprint(out, c.statusBlock()); end() })
		return
	case "c", "bc", "checkpoint":
		if c.running() {
			c.startCheckpoint(false, nil)
		}
	case "kc", "ck", "xc", "kcheckpoint":
		if c.running() {
			c.startCheckpoint(true, nil)
		}
	case "i", "interval":
		if n, err := cli.ParseInterval(strings.TrimSpace(arg)); err == nil {
			c.setInterval(n)
		}
		fmt.Fprintf(out, "Current Checkpoint Interval: %s\n", c.intervalText())
	case "k", "kill":
		c.kill()
	case "q", "quit":
		c.quit()
	case "u":
		fmt.Fprint(errOut, c.hostList())
	case "h", "?", "help":
		fmt.Fprint(errOut, consoleHelp)
	case "":
	default:
		c.note("unhandled user command: %s", line)
	}
	end()
}

// hostList tells how many members each host has.
func (c *Coordinator) hostList() string {
	count := map[string]int{}
	for _, m := range c.members {
		count[m.host]++
	}
	var b strings.Builder
	b.WriteString("Host List:\nHOST => # connected clients \n")
	for _, host := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&b, "%s => %d\n", host, count[host])
	}
	return b.String()
}

// ListText renders the rows of a client list as dmtcp_command prints them.
func ListText(rows []wire.Message) string {
	var b strings.Builder
	b.WriteString("Client List:\n#, PROG[virtPID:realPID]@HOST, DMTCP-UNIQUEPID, STATE, BARRIER\n")
	for _, r := range rows {
		b.WriteString(r.Get("text") + "\n")
	}
	b.WriteString("\n")
	return b.String()
}
