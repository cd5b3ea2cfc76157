// Package launch is the role of dmtcp_launch and mana_launch: it finds or
// starts a coordinator and brings a program to life under an agent.
package launch

import (
	"fmt"
	"os"
	"strconv"

	"mana/agent"
	"mana/cli"
	"mana/image"
)

// Join are the options by which launch and restart choose a coordinator.
type Join struct {
	Host         string `short:"h" name:"coord-host" aliases:"host" env:"DMTCP_COORD_HOST,DMTCP_HOST" help:"Host of the coordinator (default 127.0.0.1)."`
	Port         string `short:"p" name:"coord-port" aliases:"port" env:"DMTCP_COORD_PORT,DMTCP_PORT" help:"Port of the coordinator (default 7779)."`
	PortFile     string `help:"File to write the coordinator's port to."`
	JoinOnly     bool   `short:"j" name:"join-coordinator" aliases:"join" help:"Join a coordinator that runs; do not start one."`
	New          bool   `name:"new-coordinator" aliases:"no-coordinator" help:"Start a coordinator; do not join one."`
	Any          bool   `name:"any-coordinator" help:"Join a coordinator or start one (default)."`
	Interval     string `short:"i" env:"DMTCP_CHECKPOINT_INTERVAL" help:"Seconds between checkpoints, or auto to choose them from what a checkpoint costs."`
	MTBF         string `name:"mtbf" env:"MANA_MTBF" help:"Mean time between failures of the job, as in 36h, for -i auto (default 24h)."`
	Ckptdir      string `short:"c" env:"DMTCP_CHECKPOINT_DIR" help:"Directory for checkpoint images (default: the current one)."`
	Keep         int    `env:"MANA_KEEP" default:"-1" help:"Generations of images to keep (default 2, 0: all)."`
	CoordLogfile string `env:"DMTCP_COORD_LOG_FILENAME" help:"Log file of a coordinator that is started."`
	Quiet        int    `short:"q" type:"counter" env:"DMTCP_QUIET" help:"Print less; may be repeated."`
	Gzip         bool   `negatable:"" env:"DMTCP_GZIP" help:"Compress images by gzip, or --no-gzip not (default)."`
	Zstd         bool   `help:"Compress images by zstd."`
	XZ           bool   `name:"xz" help:"Compress images by xz (slow)."`
}

// options is the command line of dmtcp_launch and mana_launch.
type options struct {
	cli.Common
	Join
	cli.Legacy
	CkptOpenFiles  bool     `name:"checkpoint-open-files" aliases:"ckpt-open-files" env:"DMTCP_CKPT_OPEN_FILES" help:"Save the contents of the user's open files too."`
	AllowOverwrite bool     `name:"allow-file-overwrite" env:"DMTCP_ALLOW_OVERWRITE_WITH_CKPTED_FILES" help:"At a restart let saved files replace those that have changed (a copy is kept)."`
	UniqueNames    bool     `name:"enable-unique-checkpoint-filenames" env:"DMTCP_UNIQUE_CKPT_PLUGIN" help:"Put each checkpoint into a directory of its own and keep all."`
	NoUniqueNames  bool     `name:"disable-unique-checkpoint-filenames" help:"Replace a checkpoint by the next (default)."`
	ModifyEnv      bool     `help:"At a restart change the program's environment as dmtcp_env.txt beside the images says."`
	Pathvirt       bool     `help:"At a restart open files elsewhere, as DMTCP_PATH_MAPPING then says."`
	Command        []string `arg:"" optional:"" passthrough:"partial" help:"The program and its arguments."`
}

// Note tells once, not once per rank, which options have no effect.
func (j *Join) Note(p *cli.Parser) {
	if rank, _ := agent.RankFromEnv(); j.Quiet == 0 && rank <= 0 {
		p.NoteUnused()
	}
}

// Codec is the compression that was asked for.
func (j *Join) Codec() image.Codec {
	switch {
	case j.XZ:
		return image.XZ
	case j.Zstd:
		return image.Zstd
	case j.Gzip:
		return image.Gzip
	}
	return image.None
}

// port returns the port to use and whether anybody named one.
func (j *Join) port() (port int, given bool, err error) {
	if j.Port == "" {
		return cli.DefaultPort, false, nil
	}
	port, err = strconv.Atoi(j.Port)
	if err != nil || port < 0 || port > 65535 {
		return 0, true, fmt.Errorf("%q is no port number", j.Port)
	}
	return port, true, nil
}

// Seconds returns the checkpoint interval, cli.Auto, or -1 if none was asked for.
func (j *Join) Seconds() (int, error) {
	if j.Interval == "" {
		return -1, nil
	}
	if _, err := cli.ParseTime(j.MTBF); j.MTBF != "" && err != nil {
		return 0, fmt.Errorf("--mtbf: %w", err)
	}
	return cli.ParseInterval(j.Interval)
}

func (j *Join) host() string {
	if j.Host == "" {
		return "127.0.0.1"
	}
	return j.Host
}

// Directory makes the checkpoint directory absolute, creates it if need be
// and checks that images can be written there, so that a wrong one is told
// at once and not at the first checkpoint.
func Directory(dir string, create bool) (string, error) {
	abs, err := absolute(dir)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(abs)
	if os.IsNotExist(err) && create {
		if err = os.MkdirAll(abs, 0o700); err == nil {
			st, err = os.Stat(abs)
		}
	}
	if err != nil {
		return "", fmt.Errorf("checkpoint directory: %w", err)
	}
	if !st.IsDir() {
		return "", fmt.Errorf("checkpoint directory: %s is no directory", abs)
	}
	return abs, writable(abs)
}
