package splitproc

import "strings"

// origPrefix marks a variable in which the stub's constructor finds what we
// changed (stub/start.c).
const origPrefix = "MANA_ORIG_"

// Env returns the environment with which the planned program is started: the
// stub and what else is to be preloaded come behind what the user preloads.
// They take themselves out again.
func (p *Plan) Env(env []string) ([]string, error) {
	preload := p.Preload
	if p.ABI != NoMPI {
		stub, err := stubFile(p)
		if err != nil {
			return nil, err
		}
		preload = append([]string{stub}, preload...)
	}
	if len(preload) == 0 {
		return env, nil
	}
	out := make([]string, 0, len(env)+2)
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "LD_PRELOAD="); ok {
			out = append(out, origPrefix+e)
			preload = append([]string{v}, preload...)
			continue
		}
		out = append(out, e)
	}
	return append(out, "LD_PRELOAD="+strings.Join(preload, ":")), nil
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
