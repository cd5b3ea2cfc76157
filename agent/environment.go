package agent

import (
	"os"
	"strconv"
	"strings"
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
