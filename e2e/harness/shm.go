package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// sharedMemory lists what a user has in /dev/shm.
func sharedMemory(uid uint32) []string {
	entries, _ := os.ReadDir("/dev/shm")
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == uid {
			names = append(names, entry.Name())
		}
	}
	return names
}

// libraryNames begin the names that an MPI library leaves in /dev/shm when it is killed.
var libraryNames = []string{"vader_segment.", "open_mpi.", "osc_rdma.", "osc_sm.", "ucx_shm_", "mpich_shar_", "sem.OMPIO_", "psm_shm"}

// newSharedMemory lists what a user has there now and had not before.
func newSharedMemory(uid uint32, before []string) (added []string) {
	for _, name := range sharedMemory(uid) {
		if !slices.Contains(before, name) {
			added = append(added, name)
		}
	}
	return added
}

// sweepSharedMemory removes what killed MPI libraries left; whatever else is new stays and is reported.
func sweepSharedMemory(uid uint32, before []string) (foreign []string) {
	for _, name := range newSharedMemory(uid, before) {
		known := false
		for _, prefix := range libraryNames {
			known = known || strings.HasPrefix(name, prefix)
		}
		if !known || os.Remove(filepath.Join("/dev/shm", name)) != nil {
			foreign = append(foreign, name)
		}
	}
	return foreign
}
