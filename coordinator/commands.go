package coordinator

import (
	"fmt"
	"strings"
	"time"

	"mana/wire"
)

// query gathers the members' process lists, which only they know: a program
// may have forked since it joined.
type query struct {
	waiting map[*member]bool
	done    func()
}

// queryTimeout bounds how long a status waits for an agent; the list that
// it reported last then stands in.
const queryTimeout = time.Second

// ask brings the process lists up to date and then calls done.
func (c *Coordinator) ask(done func()) {
	if len(c.members) == 0 {
		done()
		return
	}
	c.queryID++
	id := c.queryID
	q := &query{waiting: map[*member]bool{}, done: done}
	c.queries[id] = q
	for _, m := range c.members {
		q.waiting[m] = true
		m.send(wire.New("PEERS", "id", id))
	}
	time.AfterFunc(queryTimeout, func() { c.post(func() { c.endQuery(id) }) })
}

// answered takes a member's answer, or (nil) its departure.
func (c *Coordinator) answered(m *member, msg *wire.Message) {
	if msg != nil {
		m.procs = m.procs[:0]
		for _, a := range msg.Args {
			if a.Key == "proc" {
				m.procs = append(m.procs, a.Value)
			}
		}
	}
	for id, q := range c.queries {
		if msg == nil || msg.Int("id", 0) == id {
			delete(q.waiting, m)
			if len(q.waiting) == 0 {
				c.endQuery(id)
			}
		}
	}
}

func (c *Coordinator) endQuery(id int) {
	if q := c.queries[id]; q != nil {
		delete(c.queries, id)
		q.done()
	}
}

func (c *Coordinator) peers() int {
	n := 0
	for _, m := range c.members {
		n += len(m.procs)
	}
	return n
}

// serveCommand answers one dmtcp_command.
func (c *Coordinator) serveCommand(conn *wire.Conn, cmd wire.Message) {
	c.talking.Add(1)
	defer c.talking.Done()
	reply := make(chan []wire.Message, 1)
	w := &watcher{out: make(chan []wire.Message, 1), rows: cmd.Get("name") == "watch"}
	c.post(func() {
		c.command(cmd, func(msgs ...wire.Message) { reply <- msgs })
		if cmd.Bool("progress") || w.rows {
			c.watch(w)
		}
	})
	defer c.post(func() { c.unwatch(w) })
	defer conn.Close()
	for answered := false; !answered; {
		var msgs []wire.Message
		select {
		case msgs = <-w.out:
		case msgs = <-reply:
			answered = true
		case <-c.done:
			answered = true
			select {
			case msgs = <-reply: // the answer was this coordinator's last act
			default:
				msgs = []wire.Message{wire.New("RESULT", "error", "failed", "reason", "the coordinator exited")}
			}
		}
		for _, m := range msgs {
			if conn.Send(m) != nil {
				return
			}
		}
	}
}

// command executes cmd and calls reply exactly once, now or later.
func (c *Coordinator) command(cmd wire.Message, reply func(...wire.Message)) {
	switch cmd.Get("name") {
	case "status":
		c.ask(func() { reply(c.state().Message(), c.result()) })
	case "watch": // until who watches goes
	case "list":
		c.ask(func() { reply(append(c.rows(), c.result())...) })
	case "checkpoint", "bcheckpoint", "kcheckpoint":
		c.checkpointCommand(cmd.Get("name"), reply)
	case "interval":
		c.setInterval(intervalOf(cmd, "value"))
		c.note("CheckpointInterval updated (for this computation only): %d", c.cfg.Interval)
		reply(c.result())
	case "metrics":
		c.ask(func() { reply(append(c.metricRows(), c.result())...) })
	case "kill":
		r := c.result()
		c.kill()
		reply(r)
	case "quit":
		reply(c.result())
		c.quit()
	default:
		reply(c.result().With("error", "invalid"))
	}
}

// checkpointCommand starts a checkpoint. The plain form is answered at once,
// the blocking ones when all of it is durable (and killed) or has failed.
func (c *Coordinator) checkpointCommand(name string, reply func(...wire.Message)) {
	if !c.running() {
		reply(c.result().With("error", "notrunning"))
		return
	}
	if name == "checkpoint" {
		c.startCheckpoint(false, nil)
		reply(c.result())
		return
	}
	var k *checkpoint
	c.startCheckpoint(name == "kcheckpoint", func(failure string) {
		if failure != "" {
			reply(c.result().With("error", "failed").With("reason", failure))
			return
		}
		var bytes int64
		for _, im := range k.images {
			bytes += im.Size
		}
		reply(c.result().With("images", len(k.images)).With("bytes", bytes).With("elapsed_ms", time.Since(k.times[converging]).Milliseconds()))
	})
	k = c.ckpt
}

// result is the answer to every command: the state of the computation.
func (c *Coordinator) result() wire.Message {
	return wire.New("RESULT", "peers", c.peers(), "running", c.running(), "interval", c.cfg.Interval, "auto", c.auto.on,
		"comp", c.computation, "gen", c.generation, "failure", c.lastFailure)
}

func (c *Coordinator) rows() []wire.Message {
	var msgs []wire.Message
	n := 0
	for _, m := range c.members {
		for _, r := range m.rows() {
			n++
			msgs = append(msgs, wire.New("ROW", "text", fmt.Sprintf("%d, %s", n, r)))
		}
	}
	return msgs
}

// statusBlock is what the console's s prints; scripts read NUM_PEERS and
// RUNNING from it.
func (c *Coordinator) statusBlock() string {
	var b strings.Builder
	b.WriteString("Status...\n" + c.statusHead())
	fmt.Fprintf(&b, "Exit on last client: %d\nKill after checkpoint: %d\n", num(c.cfg.ExitOnLast), num(c.cfg.KillAfter))
	fmt.Fprintf(&b, "Computation Id: %s\nCheckpoint Dir: %s\n", c.computation, c.cfg.CkptDir)
	fmt.Fprintf(&b, "NUM_PEERS=%d\nRUNNING=%s\n\n", c.peers(), yesno(c.running()))
	return b.String()
}

func (c *Coordinator) statusHead() string {
	return fmt.Sprintf("Host: %s\nPort: %d\nCheckpoint Interval: %s\n", hostLine(), c.port, c.intervalText())
}

func (c *Coordinator) intervalText() string {
	if c.auto.on {
		return fmt.Sprintf("%d (%s)", c.cfg.Interval, c.auto.why())
	}
	if c.cfg.Interval == 0 {
		return "disabled (checkpoint manually instead)"
	}
	return fmt.Sprint(c.cfg.Interval)
}

func num(b bool) int {
	if b {
		return 1
	}
	return 0
}

func yesno(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
