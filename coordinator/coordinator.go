// Package coordinator is the server role: it keeps the membership of one
// computation, runs the checkpoint and restart protocols with the agents,
// answers dmtcp_command and the console, and writes the port and status
// files. All state belongs to one goroutine, which executes what the
// connections, timers and the console post to it; nothing needs a lock.
package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"mana/wire"
)

// Config is what the command line decides.
type Config struct {
	Listen      string // address to listen on, empty for all interfaces
	Port        int
	Interval    int // seconds between checkpoints, 0 for none, cli.Auto to choose
	MTBF        time.Duration
	CkptDir     string
	ExitOnLast  bool
	KillAfter   bool // every checkpoint kills the computation
	Keep        int  // committed generations that stay, 0 for all
	Timeout     time.Duration
	Stale       time.Duration // give up after this long without a client; 0 never
	RestartWait time.Duration // how long a restart waits for the next process to come
	Quiet       int
	Log         io.Writer
	WriteKV     bool // leave a file about each checkpoint, restart and the end
	Secret      string
}

// Coordinator serves one computation at a time.
type Coordinator struct {
	cfg  Config
	ln   net.Listener
	port int

	posts chan func()
	done  chan struct{}
	code  int // exit status, valid once done is closed

	talking sync.WaitGroup // connections that still have something to be told

	members  []*member
	admitted int // members ever admitted: their ids
	held     []func()
	hadAny   bool
	ended    map[int]int // ranks that have left MPI and ended, with their exit status
	gathered bool        // the MPI job has once been complete; ranks may end before others
	leaving  bool        // quit was asked for

	computation string
	generation  int
	ckpt        *checkpoint
	restart     *restart
	failed      failedRestart
	queries     map[int]*query
	watchers    map[*watcher]bool
	telling     bool // the clock of the watchers runs
	queryID     int
	lastFailure string
	history     history
	auto        auto

	intervalTimer *time.Timer
	staleTimer    *time.Timer
}

// New opens the listening socket.
func New(cfg Config) (*Coordinator, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(cfg.Listen, fmt.Sprint(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", cfg.Port, err)
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	if cfg.RestartWait == 0 {
		cfg.RestartWait = time.Minute
	}
	return &Coordinator{
		auto: auto{mtbf: cmp.Or(cfg.MTBF, defaultMTBF)},
		cfg:  cfg, ln: ln, port: ln.Addr().(*net.TCPAddr).Port,
		posts: make(chan func()), done: make(chan struct{}), queries: map[int]*query{}, watchers: map[*watcher]bool{},
	}, nil
}

// Port is the port that it listens on.
func (c *Coordinator) Port() int { return c.port }

// Serve runs until the computation ends (ExitOnLast), quit, a timeout or the
// context says so, and returns the exit status. The programs outlive a
// coordinator whose context ends.
func (c *Coordinator) Serve(ctx context.Context) int {
	go c.accept()
	defer c.ln.Close()
	if c.cfg.Timeout > 0 {
		time.AfterFunc(c.cfg.Timeout, func() { c.post(func() { c.finish(1, "timeout reached") }) })
	}
	c.armStale()
	c.setInterval(c.cfg.Interval)
	stop := context.AfterFunc(ctx, func() { c.post(func() { c.finish(0, "by a signal") }) })
	defer stop()
	for {
		select {
		case f := <-c.posts:
			f()
		case <-c.done:
			c.lastWords()
			return c.code
		}
	}
}

// lastWords waits, but not long, until answers and orders are on their way:
// the process ends with this role.
func (c *Coordinator) lastWords() {
	said := make(chan struct{})
	go func() { c.talking.Wait(); close(said) }()
	select {
	case <-said:
	case <-time.After(2 * time.Second):
	}
}

// post hands f to the goroutine that owns the state; after the end it is
// dropped.
func (c *Coordinator) post(f func()) {
	select {
	case c.posts <- f:
	case <-c.done:
	}
}

func (c *Coordinator) finish(code int, why string) {
	select {
	case <-c.done:
		return
	default:
	}
	c.note("DMTCP coordinator exiting... (%s)", why)
	c.code = code
	c.writeDatabase("exit", "", nil)
	for _, m := range c.members {
		m.close()
	}
	close(c.done)
}

// note writes a line of the log unless it is to be quiet.
func (c *Coordinator) note(format string, args ...any) {
	if c.cfg.Quiet < 2 {
		fmt.Fprintf(c.cfg.Log, "[%s] NOTE: %s\n", time.Now().Format("2006-01-02T15:04:05.000"), fmt.Sprintf(format, args...))
	}
}

func (c *Coordinator) accept() {
	for {
		raw, err := c.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, say: others may still be served
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go c.serve(wire.NewConn(raw))
	}
}

// serve authenticates one client and reads its first message, which says
// what it is.
func (c *Coordinator) serve(conn *wire.Conn) {
	if err := wire.Accept(conn, c.cfg.Secret); err != nil {
		c.post(func() { c.note("%v", err) })
		conn.Close()
		return
	}
	first, err := conn.Recv(30 * time.Second)
	switch {
	case err != nil:
		conn.Close()
	case first.Verb == "JOIN":
		c.serveAgent(conn, first)
	case first.Verb == "CMD":
		c.serveCommand(conn, first)
	default:
		conn.Send(wire.New("REFUSED", "reason", "expected JOIN or CMD, got "+first.Verb))
		conn.Close()
	}
}

// armStale starts the clock that ends a coordinator nobody uses.
func (c *Coordinator) armStale() {
	if c.staleTimer != nil {
		c.staleTimer.Stop()
	}
	if c.cfg.Stale > 0 && len(c.members) == 0 {
		c.staleTimer = time.AfterFunc(c.cfg.Stale, func() {
			c.post(func() {
				if len(c.members) == 0 {
					c.finish(1, "stale timeout: no client")
				}
			})
		})
	}
}

// armInterval starts the clock of the periodic checkpoints anew.
func (c *Coordinator) armInterval() {
	if c.intervalTimer != nil {
		c.intervalTimer.Stop()
	}
	if c.cfg.Interval <= 0 {
		return
	}
	c.intervalTimer = time.AfterFunc(time.Duration(c.cfg.Interval)*time.Second, func() {
		c.post(func() {
			if c.running() {
				c.startCheckpoint(false, nil)
			} else if c.ckpt == nil {
				c.armInterval()
			}
		})
	})
}

// quit kills the computation and ends; a member that does not go within the
// grace is left behind, its connection closed.
func (c *Coordinator) quit() {
	if c.leaving {
		return
	}
	c.leaving = true
	c.kill()
	if len(c.members) == 0 {
		c.finish(0, "per request")
		return
	}
	time.AfterFunc(5*time.Second, func() { c.post(func() { c.finish(0, "per request") }) })
}

func (c *Coordinator) kill() {
	c.note("Killing all connected peers...")
	for _, m := range c.members {
		m.send(wire.New("KILL"))
	}
}

func hostLine() string {
	name := wire.LocalName()
	ip := "127.0.0.1"
	if addrs, err := net.LookupHost(name); err == nil && len(addrs) > 0 {
		ip = addrs[0]
	}
	return fmt.Sprintf("%s (%s)", name, ip)
}
