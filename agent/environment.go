package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ownVariable reports whether a variable is for the tools alone and must not
// reach the program.
func ownVariable(kv string) bool {
	name, _, _ := strings.Cut(kv, "=")
	switch name {
	case "DMTCP_COORD_HOST", "DMTCP_COORD_PORT", "DMTCP_HOST", "DMTCP_PORT", "DMTCP_CHECKPOINT_INTERVAL":
		return true
	}
	return false
}

// launchers are the variables in which launchers tell a process its rank and
// the number of ranks, the more specific first: mpirun inside a Slurm step
// sets its own beside Slurm's.
var launchers = []struct{ rank, size string }{
	{"PMI_RANK", "PMI_SIZE"},
	{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
	{"PMIX_RANK", "SLURM_NTASKS"},
	{"MPI_RANKID", "MPI_NRANKS"},
	{"SLURM_PROCID", "SLURM_NTASKS"},
}

// RankFromEnv returns the rank that the launcher gave this process and the
// number of ranks (0 if it did not say), or rank -1.
func RankFromEnv() (rank, nranks int) {
	for _, l := range launchers {
		r, err := strconv.Atoi(os.Getenv(l.rank))
		if err != nil || r < 0 {
			continue
		}
		n, _ := strconv.Atoi(os.Getenv(l.size))
		return r, max(0, n)
	}
	return -1, 0
}

// closeLeaks keeps pipes and sockets that a launcher left open by mistake
// from an MPI program: they would become part of its state, and nobody could
// bring them back. What an environment variable names (PMI_FD) is meant.
func closeLeaks() {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	meant := namedFDs()
	for _, e := range fds {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 || meant[fd] {
			continue
		}
		link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if strings.HasPrefix(link, "pipe:") || strings.HasPrefix(link, "socket:") {
			unix.CloseOnExec(fd)
		}
	}
}

func namedFDs() map[int]bool {
	fds := map[int]bool{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if n, err := strconv.Atoi(value); err == nil && strings.Contains(name, "FD") {
			fds[n] = true
		}
	}
	return fds
}
