package splitproc

import "strings"

// origPrefix marks a variable in which the stub's constructor finds what we
// changed (stub/start.c).
const origPrefix = "MANA_ORIG_"

// Env returns the environment with which the planned program is started: the
// stub is preloaded behind what the user preloads. The stub takes it out again.
func (p *Plan) Env(env []string) ([]string, error) {
	if p.ABI == NoMPI {
		return env, nil
	}
	stub, err := stubFile(p)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(env)+2)
	preload := stub
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "LD_PRELOAD="); ok {
			out = append(out, origPrefix+e)
			preload = v + ":" + stub
			continue
		}
		out = append(out, e)
	}
	return append(out, "LD_PRELOAD="+preload), nil
}

// lowerDefaults are settings that the lower half needs or that spare it work;
// what the user set stays.
var lowerDefaults = []struct{ name, value string }{
	// No X11, OpenCL and CUDA libraries only to draw the machine.
	{"HWLOC_COMPONENTS", "-gl,-opencl"},
	// The program's mmap and munmap are another libc's: hooks in ours would not
	// see them, and a registration cache would go stale.
	{"UCX_MEM_EVENTS", "n"},
	{"OMPI_MCA_mpi_leave_pinned", "0"},
}

// LowerEnv makes the environment of a lower half from the launcher's.
func LowerEnv(env []string) []string {
	out := make([]string, 0, len(env)+len(lowerDefaults))
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if name == "LD_PRELOAD" || strings.HasPrefix(name, "MANA_") || strings.HasPrefix(name, "DMTCP_") {
			continue
		}
		out = append(out, e)
	}
	for _, d := range lowerDefaults {
		if !isSet(env, d.name) {
			out = append(out, d.name+"="+d.value)
		}
	}
	return out
}

func isSet(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}
