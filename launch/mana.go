package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"mana/cli"
)

// manaLaunch is mana_launch: the coordinator must be there already, started
// by mana_coordinator and found through its information file, and the
// checkpoint directory must be ready for a new computation.
func manaLaunch(name string, o *options) int {
	switch filepath.Base(o.Command[0]) {
	case "srun", "sbatch", "salloc", "mpirun", "mpiexec":
		fmt.Fprintf(os.Stderr, "%s: %s belongs before %s: %s … %s ./a.out\n", name, o.Command[0], name, o.Command[0], name)
		return 1
	}
	if _, err := exec.LookPath(o.Command[0]); err != nil && !errors.Is(err, exec.ErrDot) {
		return cli.Die(name, 1, fmt.Errorf("the program cannot be started: %w", err))
	}
	dir, err := Directory(o.Ckptdir, false)
	if err != nil {
		return cli.Die(name, 1, fmt.Errorf("Checkpoint directory doesn't exist: %w", err))
	}
	if old, _ := filepath.Glob(filepath.Join(dir, "ckpt_rank_*")); len(old) > 0 {
		return cli.Die(name, 1, fmt.Errorf("Old checkpoint files detected in %s (%s): restart from them, move them away or name another --ckptdir", dir, filepath.Base(old[0])))
	}
	if err := o.FromRC(); err != nil {
		return cli.Die(name, 1, err)
	}
	return start(name, o, 1)
}

// FromRC makes the options join the coordinator of the information file,
// unless they name one themselves.
func (j *Join) FromRC() error {
	j.JoinOnly, j.New, j.Any = true, false, false
	if j.Host == "" || j.Port == "" {
		host, port, err := cli.ReadRC()
		switch {
		case j.Port != "" && (err != nil || j.Port != strconv.Itoa(port)):
			j.Host = "127.0.0.1" // another coordinator than the file's: here, as for dmtcp_launch
		case err != nil:
			return fmt.Errorf("No MANA coordinator detected; start one with mana_coordinator: %w", err)
		case j.Host == "":
			j.Host = host
		}
		if j.Port == "" {
			j.Port = strconv.Itoa(port)
		}
	}
	_, err := j.Find()
	if err != nil {
		return fmt.Errorf("No MANA coordinator detected: %w", err)
	}
	return nil
}
