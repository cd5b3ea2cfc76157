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
// by mana_coordinator and found through its information file, and so must the
// checkpoint directory. Images of earlier jobs in it are left alone.
func manaLaunch(name string, o *options) int {
	switch filepath.Base(o.Command[0]) {
	case "srun", "sbatch", "salloc", "mpirun", "mpiexec":
		fmt.Fprintf(os.Stderr, "%s: %s belongs before %s: %s … %s ./a.out\n", name, o.Command[0], name, o.Command[0], name)
		return 1
	}
	if _, err := exec.LookPath(o.Command[0]); err != nil && !errors.Is(err, exec.ErrDot) {
		return cli.Die(name, 1, fmt.Errorf("the program cannot be started: %w", err))
	}
	if _, err := Directory(o.Ckptdir, false); err != nil {
		return cli.Die(name, 1, fmt.Errorf("Checkpoint directory doesn't exist: %w", err))
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
