package coordinator

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mana/cli"
	"mana/manifest"
	"mana/wire"
)

// serve runs a coordinator in this process: in the foreground with a
// console, or as the background half of --daemon.
func serve(name string, o *options, port int) int {
	report := openReport()
	// Started as /proc/self/exe it would be called "exe".
	os.WriteFile("/proc/self/comm", []byte("dmtcp_coord"), 0)
	fail := func(err error) int {
		report.fail(err)
		return cli.Die(name, cli.FailRC(), err)
	}
	secret := os.Getenv(wire.SecretEnv)
	if secret == "" {
		secret = wire.NewSecret()
	}
	cfg := o.config(port, secret)
	log, err := openLog(o)
	if err != nil {
		return fail(err)
	}
	cfg.Log = log
	terminal := serveTerminal(o)
	if terminal != nil && report == nil {
		cfg.Log = terminal
	}
	c, err := New(cfg)
	if err != nil {
		return fail(err)
	}
	secretFile, err := wire.StoreSecret(c.Port(), secret)
	if err != nil {
		return fail(err)
	}
	defer os.Remove(secretFile)
	files := outFiles{port: o.PortFile, status: o.StatusFile}
	ctx, stop := c.signals(report != nil, &files) // first: who reads the files may signal at once
	defer stop()
	if err := files.write(c); err != nil {
		return fail(err)
	}
	defer files.close(c)
	if report != nil {
		report.ready(c.Port())
	} else {
		banner(c, o)
		if terminal != nil {
			go c.showProgress(terminal)
		}
		go c.console(os.Stdin, os.Stdout, os.Stderr)
	}
	return c.Serve(ctx)
}

// signals arranges what ends the coordinator. A daemon must outlive the
// SIGTERM that a batch system sends at requeue, so that a checkpoint under
// way can finish; in the foreground SIGINT is the console's quit, and SIGTERM
// ends the coordinator alone.
func (c *Coordinator) signals(daemon bool, files *outFiles) (context.Context, func()) {
	if daemon {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
		return context.Background(), func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s := (<-ch).(syscall.Signal)
		files.signalled(int(s))
		if s == syscall.SIGINT {
			c.post(c.quit)
		} else {
			cancel()
		}
	}()
	return ctx, cancel
}

func openLog(o *options) (io.Writer, error) {
	if o.CoordLogfile != "" {
		f, err := os.OpenFile(o.CoordLogfile, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		return f, nil
	}
	return os.Stderr, nil
}

func banner(c *Coordinator, o *options) {
	if o.Quiet > 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "dmtcp_coordinator starting...\n    Host: %s\n    Port: %d\n    Checkpoint Interval: %s\n    Exit on last client: %d\n",
		hostLine(), c.port, c.intervalText(), num(o.ExitOnLast))
	fmt.Fprintf(os.Stderr, "Type '?' for help.\n\n")
}

// outFiles are the files that tell scripts where the coordinator is.
type outFiles struct{ port, status string }

// write replaces both files as wholes, so that no reader sees half of one or
// the leftover of an earlier job.
func (f *outFiles) write(c *Coordinator) error {
	if f.status != "" {
		text := fmt.Sprintf("Coordinator started: %s\nStatus...\n%s", time.Now().Format(time.DateTime), c.statusHead())
		if id := os.Getenv("SLURM_JOB_ID"); id != "" && strings.HasSuffix(f.status, ".rc") {
			text += "SLURM_JOB_ID: " + id + "\n"
		}
		if strings.HasSuffix(f.status, ".rc") {
			text += "\n# Written by mana_coordinator for mana_launch, mana_restart and mana_status.\n"
		}
		if err := manifest.WriteFile(f.status, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write status file: %w", err)
		}
	}
	if f.port != "" {
		if err := manifest.WriteFile(f.port, fmt.Append(nil, c.port), 0o600); err != nil {
			return fmt.Errorf("write port file: %w", err)
		}
	}
	return nil
}

// close takes the port file away if it is still ours: job scripts overwrite
// it with one of their own.
func (f *outFiles) close(c *Coordinator) {
	if b, err := os.ReadFile(f.port); err == nil && string(b) == fmt.Sprint(c.port) {
		os.Remove(f.port)
	}
	f.append(fmt.Sprintf("Coordinator exited: %s\n", time.Now().Format(time.DateTime)))
}

func (f *outFiles) signalled(n int) {
	f.append(fmt.Sprintf("> Exiting due to signal %d received.\n", n))
}

func (f *outFiles) append(line string) {
	if f.status == "" {
		return
	}
	if out, err := os.OpenFile(f.status, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		io.WriteString(out, line)
		out.Close()
	}
}
