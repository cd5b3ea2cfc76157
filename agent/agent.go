package agent

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mana/cli"
	"mana/image"
	"mana/splitproc"
	"mana/task"
	"mana/wire"
	"mana/witness"
)

// Config is what the launch and restart roles decide for their agent.
type Config struct {
	Name     string // of the tool, for messages
	Dial     func() (*wire.Conn, error)
	CkptDir  string // absolute
	Interval int    // seconds or cli.Auto, -1 to leave the coordinator's
	MTBF     string // as cli.ParseTime reads it, "" to leave the coordinator's
	Rank     int    // in MPI_COMM_WORLD, -1 without MPI
	NRanks   int    // its size, 0 if not known yet
	Quiet    int
	Codec    image.Codec // of the images it writes
	Keep     int         // generations that stay, -1 to leave it to the coordinator
	Settings
}

// program is one program under the agent's care, with what identifies it in
// image names.
type program struct {
	pid    int
	name   string
	upid   string
	dir    string // checkpoint directory
	exited bool
	status unix.WaitStatus
	image  published
	born   uint64      // its start time, of descendants
	mpi    *mpiProgram // nil without MPI
}

// agent keeps all its state in one goroutine, the loop; what takes long runs
// beside it and reports through channels.
type agent struct {
	cfg      Config
	tracer   *task.Tracer     // the thread that started the programs: they die with it
	programs []*program       // with the last the agent ends, as the first did
	kin      map[int]*program // their descendants that have been saved, by number
	link     link
	exits    chan *program
	signals  chan os.Signal
	lone     chan syscall.Signal // those of the signals that went to the agent alone
	witness  *witness.Witness
	wishes   *wishes // nil: no program knows of checkpoints
	results  chan result
	outgoing chan wire.Message // of goroutines that have something for the coordinator
	mates    chan wire.Message // whose connections are made again at a restart
	ckpt     *checkpoint
	comp     string
	gen      int
	killed   bool
}

func newAgent(cfg Config) *agent {
	tracer := task.NewTracer()
	return &agent{
		kin: make(map[int]*program), cfg: cfg, tracer: tracer, witness: witness.New(tracer), lone: make(chan syscall.Signal), link: link{dial: cfg.Dial, in: make(chan inbound, 16)},
		exits: make(chan *program, 16), results: make(chan result, 16), outgoing: make(chan wire.Message, 16), signals: notifySignals(), mates: make(chan wire.Message, 1),
	}
}

// warn prints one line about something that does not stop the work.
func (a *agent) warn(format string, args ...any) {
	if a.cfg.Quiet < 2 {
		fmt.Fprintf(os.Stderr, "%s: %s\n", a.cfg.Name, fmt.Sprintf(format, args...))
	}
}

func (a *agent) die(err error) int { return cli.Die(a.cfg.Name, cli.FailRC(), err) }

// join is the message with which the agent introduces its programs.
func (a *agent) join() wire.Message {
	p := a.programs[0]
	m := wire.New("JOIN", "host", wire.LocalName(), "pid", p.pid, "prog", p.name, "upid", p.upid, "ckptdir", p.dir)
	if a.cfg.Rank >= 0 {
		m = m.With("rank", a.cfg.Rank).With("nranks", a.cfg.NRanks)
	}
	if a.cfg.Keep >= 0 {
		m = m.With("keep", a.cfg.Keep)
	}
	return m
}

// withInterval adds the interval that was asked for.
func (a *agent) withInterval(join wire.Message) wire.Message {
	if a.cfg.MTBF != "" {
		join = join.With("mtbf", a.cfg.MTBF)
	}
	switch {
	case a.cfg.Interval == cli.Auto:
		return join.With("interval", "auto")
	case a.cfg.Interval >= 0:
		return join.With("interval", a.cfg.Interval)
	}
	return join
}

// joined notes what the coordinator answered.
func (a *agent) joined(m wire.Message) {
	a.comp, a.gen = m.Get("comp"), m.Int("gen", 0)
}

// run is the agent's life from the moment its programs run until all of
// them have ended, and returns the exit status of the first.
func (a *agent) run() int {
	defer a.link.close()
	if err := a.witness.Start(); err != nil {
		a.warn("%v; what is sent to all processes of the job will reach the program twice", err)
	}
	go a.witness.Sort(a.signals, a.lone)
	retry := time.NewTimer(time.Hour)
	retry.Stop()
	for {
		select {
		case in := <-a.link.in:
			if in.conn != a.link.conn {
				continue
			}
			if in.err != nil {
				a.lostCoordinator()
				retry.Reset(reconnectAfter)
				continue
			}
			a.message(in.msg)
		case <-retry.C:
			if !a.rejoin() {
				retry.Reset(reconnectAfter)
			}
		case s := <-a.lone:
			a.forward(s)
		case r := <-a.results:
			a.progress(r)
		case m := <-a.outgoing:
			a.link.sendMessage(m)
		case p := <-a.exits:
			a.ended(p)
		case <-a.bell():
			a.rung()
		}
		if len(a.live()) == 0 && a.mayLeave() {
			if a.killed {
				return 0
			}
			a.tellEnd()
			return leave(a.programs[0].status)
		}
	}
}

// tellEnd says that the rank ends as it should, which a checkpoint of the others
// need not mind.
func (a *agent) tellEnd() {
	p := a.programs[0]
	if a.cfg.Rank < 0 || p.mpi == nil || !p.status.Exited() {
		return
	}
	if s := p.mpi.ctl.State(); s == splitproc.Finalized || s == splitproc.NotInited {
		a.link.send("ENDED", "status", p.status.ExitStatus())
	}
}

// ended takes note of a program's end. While the engine works on the program
// the status is the engine's to wait for, so it is collected afterwards.
func (a *agent) ended(p *program) {
	if a.ckpt.busy() {
		a.ckpt.ended = append(a.ckpt.ended, p)
		return
	}
	if !p.exited {
		p.reap()
	}
}

// tell returns what a goroutine sends messages to the coordinator with, until
// stop is closed.
func (a *agent) tell(stop <-chan struct{}) func(wire.Message) {
	return func(m wire.Message) {
		select {
		case a.outgoing <- m:
		case <-stop:
		}
	}
}

// message acts upon one message of the coordinator.
func (a *agent) message(m wire.Message) {
	switch m.Verb {
	case "PEERS":
		a.link.send("PEERS", a.peers(m.Get("id"))...)
	case "KILL":
		a.kill()
	case "CKPT":
		a.begin(m)
	case "TARGETS", "DRAIN", "MATES", "COPY", "RUN", "COMMIT", "ABORT":
		a.step(m)
	default:
		a.warn("unknown message from the coordinator: %s", m)
	}
}

// peers lists the processes: the programs and all their descendants.
func (a *agent) peers(id string) []any {
	a.reapOrphans()
	out := []any{"id", id}
	for _, pid := range a.tree() {
		out = append(out, "proc", fmt.Sprintf("%d %s", pid, a.nameOf(pid)))
	}
	return out
}

// tree lists the programs and their descendants, orphans included.
func (a *agent) tree() []int {
	var pids []int
	for _, p := range a.programs {
		if !p.exited {
			pids = descend(pids, p.pid)
		}
	}
	for _, pid := range a.ownChildren() {
		if !ownCopy(pid) {
			pids = descend(pids, pid)
		}
	}
	return pids
}

func (a *agent) nameOf(pid int) string {
	for _, p := range a.programs {
		if p.pid == pid {
			return p.name
		}
	}
	return strings.ReplaceAll(progName(pid), " ", "_")
}

// kill ends the computation's processes here, as the coordinator asked. Like
// DMTCP's workers the agent then exits with status 0.
func (a *agent) kill() {
	a.killed = true
	if a.ckpt != nil {
		a.ckpt.order(wire.New("ABORT"))
	}
	for _, pid := range a.ownChildren() {
		if ownCopy(pid) {
			unix.Kill(pid, unix.SIGKILL) // nobody needs the image any more
		}
	}
	for _, pid := range a.tree() {
		unix.Kill(pid, unix.SIGKILL)
	}
	if a.ckpt != nil {
		closeAll(a.ckpt.stands) // stopped as they are, they would stay
		a.ckpt.stands = nil
	}
}

// lostCoordinator lets the program run on; a checkpoint under way is void
// unless its manifest had been written.
func (a *agent) lostCoordinator() {
	a.warn("lost the coordinator; the program runs on and joins it, or a new one at the same place, when it answers")
	a.link.close()
	if a.ckpt != nil {
		a.ckpt.order(wire.New("ABORT"))
		a.settle()
	}
}

// rejoin tries to reach a coordinator again and reports whether it is done.
func (a *agent) rejoin() bool {
	if a.ckpt != nil {
		return false
	}
	in, err := a.link.open(a.join().With("comp", a.comp).With("gen", a.gen))
	if err != nil {
		return false
	}
	a.joined(in)
	a.warn("joined a coordinator again")
	a.rung()
	return true
}
