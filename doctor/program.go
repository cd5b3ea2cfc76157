package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mana/agent"
	"mana/splitproc"
)

var families = map[splitproc.ABI]string{splitproc.MPICH: "MPICH", splitproc.OMPI: "Open MPI", splitproc.Std: "the standard MPI ABI"}

// program examines the program and the MPI library that it would run on.
func (o *options) program() []finding {
	if len(o.Command) == 0 {
		return nil
	}
	f := finding{Name: "program", Status: ok}
	path, err := exec.LookPath(o.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return []finding{{f.Name, fail, fmt.Sprintf("the program cannot be started: %v", err), "name an executable file"}}
	}
	if st, err := os.Stat(path); err == nil && st.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 && os.Geteuid() != 0 {
		return []finding{{f.Name, fail, path + " changes its user or group at its start and cannot be controlled", "use a copy without the set-user-ID and set-group-ID bits"}}
	}
	plan, err := splitproc.MakePlan(path, os.Environ())
	if err != nil {
		return []finding{{f.Name, fail, err.Error(), "link it dynamically with its MPI library"}}
	}
	needed, missing, err := splitproc.MPILibraries(path, os.Environ())
	switch {
	case err != nil: // no ELF file
		f.Text = path + ": a script, or for the kernel to judge"
	case len(missing) > 0:
		f.Status, f.Mend = fail, "set LD_LIBRARY_PATH (module load …)"
		f.Text = fmt.Sprintf("%s needs %s, not found", path, strings.Join(missing, ", "))
	case plan.ABI == splitproc.NoMPI:
		f.Text = path + ": no MPI"
	case len(needed) == 0:
		f.Text = path + ": no MPI by itself, but it may load one (Python, say): prepared for " + families[plan.ABI]
	default:
		f.Text = fmt.Sprintf("%s: built for %s (%s)", path, families[plan.ABI], plan.SONAME)
	}
	out := []finding{f}
	if plan.ABI != splitproc.NoMPI {
		out = append(out, layers(needed)...)
		out = append(out, library(plan)...)
	}
	return out
}

// layers tells of the MPI libraries besides the C one.
func layers(needed []splitproc.Needed) []finding {
	var fortran, absent []string
	for _, n := range needed {
		if n.Path == "" {
			absent = append(absent, n.Name+" (needed by "+n.By+")")
		} else if n.Fortran() {
			fortran = append(fortran, n.Name)
		}
	}
	var out []finding
	if len(fortran) > 0 {
		out = append(out, finding{"Fortran", ok, strings.Join(fortran, ", "), ""})
	}
	if len(absent) > 0 {
		out = append(out, finding{"MPI layers", warn, "not found: " + strings.Join(absent, ", "), "set LD_LIBRARY_PATH (module load …)"})
	}
	return out
}

// library is the real library, and whether mana's part for it can be put in place.
func library(plan *splitproc.Plan) []finding {
	real, err := plan.Real(os.Environ())
	if err != nil {
		return []finding{{"MPI library", fail, err.Error(), "install the library, or set LD_LIBRARY_PATH or " + splitproc.LibraryOption}}
	}
	f := finding{"MPI library", ok, real.Path, ""}
	if real.Version != "" {
		f.Text = real.Version + " (" + real.Path + ")"
	}
	if real.ABI != plan.ABI {
		f.Text += ", in place of the one that the program was built for"
	}
	if err := plan.Unpack(real.ABI); err != nil {
		return []finding{f, {"MPI parts", fail, err.Error(), "set XDG_CACHE_HOME or TMPDIR to a directory of yours from which programs can run"}}
	}
	return []finding{f}
}

// contracts are the variables by which launchers speak to their ranks.
var contracts = []struct{ variable, text string }{
	{"PMI_FD", "PMI-1 (Hydra)"}, {"PMI_PORT", "PMI-1 over TCP"}, {"PMIX_SERVER_URI2", "PMIx"}, {"PMIX_SERVER_URI21", "PMIx"}, {"PMIX_RANK", "PMIx"},
	{"PMI2_FD", "PMI-2"}, {"PMI_CONTROL_PORT", "Cray PMI"}, {"PMI_RANK", "PMI"},
}

// launcher tells which launcher started this, or which there is.
func launcher() finding {
	f := finding{Name: "launcher", Status: ok}
	if rank, n := agent.RankFromEnv(); rank >= 0 {
		f.Text = fmt.Sprintf("rank %d", rank)
		if n > 0 {
			f.Text = fmt.Sprintf("rank %d of %d", rank, n)
		}
		for _, c := range contracts {
			if os.Getenv(c.variable) != "" {
				f.Text += ", " + c.text
				return f
			}
		}
		f.Status, f.Mend = warn, "srun --mpi=pmi2 for MPICH, srun --mpi=pmix for Open MPI, or mpirun"
		f.Text += ", but the launcher offers no PMI or PMIx: every rank would be a job of its own"
		return f
	}
	var found []string
	for _, name := range []string{"mpirun", "mpiexec", "srun"} {
		path := inPath(name)
		if path == "" || name == "mpiexec" && len(found) > 0 {
			continue
		}
		found = append(found, strings.TrimSpace(path+" "+versionLine(path)))
	}
	if len(found) == 0 {
		return finding{f.Name, warn, "no mpirun, mpiexec or srun in PATH: only programs without MPI, or of one rank", "add the launcher of your MPI library to PATH (module load …)"}
	}
	f.Text = strings.Join(found, "; ")
	return f
}

// versionLine is what a launcher says of itself, in brackets.
func versionLine(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return ""
	}
	first, rest, _ := strings.Cut(string(out), "\n")
	if strings.HasPrefix(first, "HYDRA") {
		version, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		return "(MPICH's Hydra " + strings.TrimSpace(strings.TrimPrefix(version, "Version:")) + ")"
	}
	// mpirun (Open MPI) 4.1.4; slurm 23.02.7
	first = strings.TrimSpace(strings.TrimPrefix(first, filepath.Base(path)))
	return "(" + strings.NewReplacer("(", "", ")", "").Replace(first) + ")"
}
