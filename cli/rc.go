package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RCFile is the file through which mana_coordinator tells the other mana_*
// tools of the same job where it is.
func RCFile() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the coordinator's information file: %w", err)
	}
	if id := os.Getenv("SLURM_JOB_ID"); id != "" {
		return filepath.Join(home, ".mana-slurm-"+filepath.Base(id)+".rc"), nil
	}
	return filepath.Join(home, ".mana.rc"), nil
}

// ReadRC returns the host and port that the information file names.
func ReadRC() (host string, port int, err error) {
	path, err := RCFile()
	if err != nil {
		return "", 0, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", 0, fmt.Errorf("read the coordinator's information file: %w", err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "Host:":
			host = f[1]
		case "Port:":
			port, _ = strconv.Atoi(f[1])
		}
	}
	if host == "" || port == 0 {
		return "", 0, fmt.Errorf("%s names no host and port", path)
	}
	return host, port, nil
}
