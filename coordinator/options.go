package coordinator

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mana/cli"
)

// options is the command line of dmtcp_coordinator and mana_coordinator.
type options struct {
	cli.Common
	Port         string `short:"p" aliases:"coord-port" env:"DMTCP_COORD_PORT,DMTCP_PORT" help:"Port to listen on (default 7779, 0 for any free one)."`
	PortFile     string `help:"File to write the port number to."`
	StatusFile   string `help:"File to write host, port and interval to."`
	Ckptdir      string `short:"c" env:"DMTCP_CHECKPOINT_DIR" help:"Directory for the restart script."`
	Tmpdir       string `short:"t" env:"DMTCP_TMPDIR,TMPDIR" help:"Directory for temporary files."`
	ExitOnLast   bool   `help:"Exit when the last client disconnects."`
	KillAfter    bool   `name:"kill-after-ckpt" aliases:"exit-after-ckpt" help:"Kill the computation after each checkpoint."`
	Timeout      int    `help:"Exit after this many seconds, also with live clients."`
	StaleTimeout int    `default:"28800" help:"Exit after this many seconds without a client; -1 for never."`
	Daemon       bool   `help:"Run in the background."`
	Interval     string `short:"i" env:"DMTCP_CHECKPOINT_INTERVAL" default:"0" help:"Seconds between checkpoints (default 0: none), or auto to choose them from what a checkpoint costs."`
	MTBF         string `name:"mtbf" env:"MANA_MTBF" help:"Mean time between failures of the job, as in 36h, for -i auto (default 24h)."`
	Keep         int    `env:"MANA_KEEP" default:"2" help:"Generations of images to keep (0: all)."`
	CoordLogfile string `env:"DMTCP_COORD_LOG_FILENAME" help:"File to log to."`
	WriteKvData  bool   `env:"DMTCP_COORD_WRITE_KV_DATA" help:"After each checkpoint and restart and at the end write what is known of the computation to dmtcp_coordinator_db-*.json."`
	Quiet        int    `short:"q" type:"counter" env:"DMTCP_QUIET" help:"Print less; may be repeated."`
	Listen       string `env:"MANA_LISTEN" help:"Address to listen on (default: all interfaces)."`
	RestartWait  int    `env:"MANA_RESTART_WAIT" default:"60" help:"Seconds that a restart waits for the next process."`
	Verbose      bool   `hidden:"" silent:""`
	MPI          bool   `name:"mpi" hidden:"" silent:""`
	PortArg      string `arg:"" optional:"" name:"port" help:"Port to listen on."`
}

const description = "Coordinator of checkpoints: programs started by dmtcp_launch connect to it, dmtcp_command speaks to it."

// Main runs the role under the given tool name.
func Main(name string, args []string) int {
	if os.Getenv(reportEnv) == stageFork {
		return leaveBehind(name, args)
	}
	var o options
	p, status, over := cli.Open(cli.Tool{Name: name, Description: description, Status: 1, Out: os.Stderr, Prefix: name}, &o, &o.Common, args)
	if over {
		return status
	}
	if strings.HasPrefix(name, "mana") && os.Getenv(reportEnv) == "" {
		return manaMain(name, &o)
	}
	port, _, err := o.port()
	if err == nil {
		err = o.times()
	}
	if err != nil {
		return p.Wrong(err)
	}
	if o.Daemon && os.Getenv(reportEnv) == "" {
		if _, err := daemonize(&o, port); err != nil {
			return cli.Die(name, cli.FailRC(), err)
		}
		return 0
	}
	return serve(name, &o, port)
}

// port decides the port and reports whether anybody asked for one.
func (o *options) port() (port int, given bool, err error) {
	text := o.Port
	if o.PortArg != "" {
		text = o.PortArg
	}
	if text == "" {
		return cli.DefaultPort, false, nil
	}
	if _, err := fmt.Sscanf(text+"\n", "%d\n", &port); err != nil || port < 0 || port > 65535 {
		return 0, true, fmt.Errorf("%q is no port number", text)
	}
	return port, true, nil
}

// times says what is wrong with the options that are times.
func (o *options) times() error {
	if _, err := cli.ParseInterval(o.Interval); err != nil {
		return fmt.Errorf("--interval: %w", err)
	}
	if o.MTBF == "" {
		return nil
	}
	if _, err := cli.ParseTime(o.MTBF); err != nil {
		return fmt.Errorf("--mtbf: %w", err)
	}
	return nil
}

func (o *options) config(port int, secret string) Config {
	dir := o.Ckptdir
	if dir == "" {
		dir = "."
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	cfg := Config{
		Listen: o.Listen, Port: port, CkptDir: dir,
		ExitOnLast: o.ExitOnLast, KillAfter: o.KillAfter, Quiet: o.Quiet, Secret: secret, WriteKV: o.WriteKvData,
		Timeout: time.Duration(o.Timeout) * time.Second, RestartWait: time.Duration(o.RestartWait) * time.Second,
	}
	cfg.Keep = max(0, o.Keep)
	cfg.Interval, _ = cli.ParseInterval(o.Interval) // see times
	cfg.MTBF, _ = cli.ParseTime(o.MTBF)
	switch {
	case o.StaleTimeout == 0: // DMTCP's rule: 0 is the default, negative is never
		cfg.Stale = 28800 * time.Second
	case o.StaleTimeout > 0:
		cfg.Stale = time.Duration(o.StaleTimeout) * time.Second
	}
	return cfg
}
