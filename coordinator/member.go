package coordinator

import (
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"mana/cli"
	"mana/wire"
)

// member is one agent: a program, or an MPI rank, with its descendants.
type member struct {
	id      int
	conn    *wire.Conn
	out     chan wire.Message
	host    string
	pid     int
	prog    string
	upid    string
	rank    int // -1 for a program without MPI
	nranks  int
	dir     string // checkpoint directory
	state   string
	barrier string
	procs   []string // "pid prog" of each process, as last reported
	gone    bool     // its connection has ended
	wants   bool     // its program has asked for a checkpoint that has not begun
	images  int      // how many images it restarted from
	done    int64    // bytes written or read, of total
	total   int64
	stall   string // what it does instead of standing still
	target  string // whose clock it has not brought to where the others wait
}

// States of a member, as dmtcp_command --list prints them.
const (
	stateRunning      = "RUNNING"
	statePresuspend   = "PRESUSPEND"
	stateSuspended    = "SUSPENDED"
	stateCheckpointed = "CHECKPOINTED"
	stateRestarting   = "RESTARTING"
)

func newMember(conn *wire.Conn, join wire.Message, talking *sync.WaitGroup) *member {
	m := &member{
		conn: conn, out: make(chan wire.Message, 256),
		host: join.Get("host"), pid: join.Int("pid", 0), prog: join.Get("prog"), upid: join.Get("upid"),
		rank: join.Int("rank", -1), nranks: join.Int("nranks", 0), dir: join.Get("ckptdir"),
		images: join.Int("images", 1), state: stateRunning,
	}
	m.procs = []string{fmt.Sprintf("%d %s", m.pid, m.prog)}
	talking.Add(1)
	go func() {
		defer talking.Done()
		m.write()
	}()
	return m
}

// write sends what the owner of the state queued, so that a slow agent
// holds up only itself.
func (m *member) write() {
	for msg := range m.out {
		if m.conn.Send(msg) != nil {
			break
		}
	}
	m.conn.Close()
	for range m.out {
	}
}

// send queues a message; an agent that lets the queue fill is cut off.
func (m *member) send(msg wire.Message) {
	if m.gone {
		return
	}
	select {
	case m.out <- msg:
	default:
		m.conn.Close()
	}
}

// close lets what is queued go out and then ends the connection.
func (m *member) close() {
	if !m.gone {
		m.gone = true
		close(m.out)
	}
}

func (m *member) mpi() bool { return m.rank >= 0 }

func (m *member) String() string {
	if m.mpi() {
		return fmt.Sprintf("rank %d (%s, pid %d on %s)", m.rank, m.prog, m.pid, m.host)
	}
	return fmt.Sprintf("%s (pid %d on %s)", m.prog, m.pid, m.host)
}

// serveAgent reads an agent's messages until it goes.
func (c *Coordinator) serveAgent(conn *wire.Conn, join wire.Message) {
	m := newMember(conn, join, &c.talking)
	c.post(func() { c.admit(m, join, false) })
	for {
		msg, err := conn.Recv(0)
		if err != nil {
			c.post(func() { c.left(m) })
			return
		}
		c.post(func() { c.handle(m, msg) })
	}
}

// admit takes a new member in, now or once the checkpoint under way is over:
// a process that was not there when it began must neither delay nor spoil it.
// The members of a job that was killed just now may still be in its way, their
// connections' ends unread: who would be refused waits until those that are
// here have shown that they live.
func (c *Coordinator) admit(m *member, join wire.Message, asked bool) {
	if m.gone {
		return
	}
	if c.ckpt != nil {
		c.held = append(c.held, func() { c.admit(m, join, false) })
		return
	}
	if reason := c.refuse(m, join); reason != "" {
		if !asked {
			c.ask(func() { c.admit(m, join, true) })
			return
		}
		c.turnAway(m, join, reason)
		return
	}
	if join.Bool("restart") {
		c.joinRestart(m, join)
	} else if len(c.members) == 0 && join.Get("comp") != "" {
		// Members that outlived their coordinator go on as what they were.
		c.computation, c.generation = join.Get("comp"), join.Int("gen", 0)
	} else if len(c.members) == 0 {
		c.computation, c.generation = newComputation(), 0
		c.ended = nil
	}
	c.generation = max(c.generation, join.Int("gen", 0))
	c.admitted++
	m.id = c.admitted
	c.members = append(c.members, m)
	c.hadAny = true
	if d, err := cli.ParseTime(join.Get("mtbf")); err == nil {
		c.auto.mtbf = d
	}
	if n := intervalOf(join, "interval"); n >= 0 || n == cli.Auto {
		if !c.auto.on || n != cli.Auto { // every rank asks for it
			c.setInterval(n)
		}
	}
	if n := join.Int("keep", -1); n >= 0 {
		c.cfg.Keep = n
	}
	m.send(wire.New("JOINED", "id", m.id, "comp", c.computation, "gen", c.generation))
	c.note("%s joined", m)
	c.advanceRestart()
	c.serveWanted()
}

func (c *Coordinator) turnAway(m *member, join wire.Message, reason string) {
	if join.Bool("restart") && c.tooLate(join) {
		c.failed.late--
	}
	c.note("refused %s: %s", m, reason)
	m.send(wire.New("REFUSED", "reason", reason))
	m.close()
}

// refuse says why an agent cannot join, or nothing.
func (c *Coordinator) refuse(m *member, join wire.Message) string {
	switch {
	case c.leaving:
		return "the coordinator is going down"
	case m.dir == "" || m.upid == "":
		return "JOIN lacks ckptdir or upid"
	case join.Bool("restart"):
		return c.refuseRestart(m, join)
	case c.restart != nil:
		return "a restart is under way"
	case c.hasRank(m.rank):
		return fmt.Sprintf("rank %d is already here: another MPI job runs under this coordinator", m.rank)
	case len(c.members) > 0 && join.Get("comp") != "" && join.Get("comp") != c.computation:
		return "another computation (" + c.computation + ") is running here"
	}
	return ""
}

// left removes a member whose connection ended.
func (c *Coordinator) left(m *member) {
	m.close()
	i := slices.Index(c.members, m)
	if i < 0 {
		return
	}
	c.members = slices.Delete(c.members, i, i+1)
	c.note("%s left", m)
	c.leftCheckpoint(m)
	c.leftRestart(m)
	c.answered(m, nil) // last: it may admit those that waited for this
	if len(c.members) > 0 {
		return
	}
	if c.leaving {
		c.finish(0, "per request")
		return
	}
	if c.cfg.ExitOnLast && c.hadAny && len(c.held) == 0 {
		c.finish(0, "last client exited")
		return
	}
	c.armStale()
}

// handle dispatches one message of a member.
func (c *Coordinator) handle(m *member, msg wire.Message) {
	if !slices.Contains(c.members, m) {
		return
	}
	switch msg.Verb {
	case "PEERS":
		c.answered(m, &msg)
	case "CLOCKS", "STILL", "SETTLED", "SNAPSHOT", "IMAGE", "WRITTEN", "FAILED", "RESUMED":
		c.checkpointMessage(m, msg)
	case "PROGRESS":
		c.progressed(m, msg)
	case "ENDS":
		c.offered(m, msg)
	case "RESTORED":
		c.restored(m)
	case "ENDED":
		c.hasEnded(m, msg)
	case "WANTED":
		c.asks(m)
	default:
		c.note("unknown message %s from %s", msg.Verb, m)
	}
}

// running reports whether a checkpoint could start: there are members, all
// of them run, and no MPI job is still gathering its ranks.
func (c *Coordinator) running() bool {
	if len(c.members) == 0 || c.ckpt != nil || c.restart != nil || c.leaving {
		return false
	}
	ranks, world := 0, 0
	for _, m := range c.members {
		if m.state != stateRunning {
			return false
		}
		if m.mpi() {
			ranks, world = ranks+1, max(world, m.nranks)
		}
	}
	c.gathered = ranks > 0 && (c.gathered || ranks+len(c.ended) >= world)
	return ranks == 0 || c.gathered
}

func (c *Coordinator) hasRank(rank int) bool {
	return rank >= 0 && slices.ContainsFunc(c.members, func(m *member) bool { return m.rank == rank })
}

// newComputation names a computation: a hash of the host's name, the
// coordinator's pid and the time, as DMTCP's unique ids are built.
func newComputation() string { return UniqueID(os.Getpid()) }

// UniqueID returns an id of the form <host hash>-<pid>-<time>.
func UniqueID(pid int) string {
	h := fnv.New32a()
	h.Write([]byte(wire.LocalName()))
	return fmt.Sprintf("%x-%d-%x", h.Sum32(), pid, time.Now().UnixNano())
}

// row is one line of the client list.
func (m *member) rows() []string {
	var rows []string
	for _, p := range m.procs {
		pid, prog, _ := strings.Cut(p, " ")
		rows = append(rows, fmt.Sprintf("%s[%s:%s]@%s, %s, WorkerState::%s, %s", prog, pid, pid, m.host, m.upid, m.state, m.barrier))
	}
	return rows
}
