package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mana/e2e/harness"
)

var apps = []app{
	{name: "hpcc", pkg: "hpcc", program: "hpcc", mpi: harness.OpenMPI, input: []string{"hpccinf.txt"}, result: hpccResult},
	{name: "hpcc-crowd", pkg: "hpcc", program: "hpcc", mpi: harness.OpenMPI, ranks: 4, heavy: true, input: []string{"hpccinf.txt"}, result: hpccResult},
	{name: "netpipe-openmpi", pkg: "netpipe-openmpi", program: "NPopenmpi", mpi: harness.OpenMPI,
		args: []string{"-u", "200000", "-n", "3000", "-o", "np.out"}, result: netpipeResult},
	{name: "netpipe-mpich", pkg: "netpipe-mpich2", program: "NPmpich2", mpi: harness.MPICH,
		args: []string{"-u", "200000", "-n", "3000", "-o", "np.out"}, result: netpipeResult},
	{name: "netpipe-mpich-integrity", pkg: "netpipe-mpich2", program: "NPmpich2", mpi: harness.MPICH,
		args: []string{"-i", "-u", "100000", "-n", "8000", "-o", "np.out"}, result: netpipeResult},
	{name: "lammps", pkg: "lammps", program: "lmp", mpi: harness.OpenMPI,
		args: []string{"-in", "salt.lmp"}, input: []string{"salt.lmp"}, result: all(lines("salt.dump"), lines("salt.rdf"))},
	{name: "mpi4py-openmpi", pkg: "python3-mpi4py", program: "/usr/bin/python3", mpi: harness.OpenMPI, output: true,
		args: []string{"pympi.py", "150", "10000"}, input: []string{"pympi.py"}, result: lines("out.0", "RESULT")},
	{name: "hdf5-openmpi", pkg: "libhdf5-openmpi-dev", program: "h5slab.c", build: "h5pcc.openmpi", mpi: harness.OpenMPI, output: true,
		args: []string{"150", "10000"}, result: lines("out.0", "RESULT")},
	{name: "hdf5-mpich", pkg: "libhdf5-mpich-dev", program: "h5slab.c", build: "h5pcc.mpich", mpi: harness.MPICH, output: true,
		args: []string{"150", "10000"}, result: lines("out.0", "RESULT")},
	{name: "quantum-espresso", pkg: "quantum-espresso", program: "pw.x", mpi: harness.OpenMPI, heavy: true, output: true,
		args: []string{"-in", "silicon.in"}, input: []string{"silicon.in"}, prepare: []string{"sh", "-c", siliconUPF},
		result: lines("out.0", "!", "Ekin", "JOB DONE")},
	{name: "nwchem-openmpi", pkg: "nwchem-openmpi", program: "nwchem.openmpi", mpi: harness.OpenMPI, heavy: true, output: true,
		args: []string{"dimer.nw"}, input: []string{"dimer.nw"}, result: nwchemResult, flags: scratchFiles},
	{name: "nwchem-mpich", pkg: "nwchem-mpich", program: "nwchem.mpich", mpi: harness.MPICH, heavy: true, output: true,
		args: []string{"dimer.nw"}, input: []string{"dimer.nw"}, result: nwchemResult, flags: scratchFiles,
		env: []string{"ARMCI_USE_WIN_ALLOCATE=0"}}, // without it the energies are wrong natively
	{name: "cp2k", pkg: "cp2k", program: "cp2k.psmp", mpi: harness.OpenMPI, heavy: true, output: true,
		args: []string{"water.inp"}, input: []string{"water.inp"}, result: cp2kEnergies},
	{name: "gromacs", pkg: "gromacs", program: "gmx_mpi", mpi: harness.OpenMPI, heavy: true,
		args:  []string{"-quiet", "mdrun", "-s", "water.tpr", "-deffnm", "md", "-reprod", "-ntomp", "1"},
		env:   []string{"OMP_NUM_THREADS=1"},
		cpu:   "rdtscp",
		input: []string{"water.mdp", "water.top"}, prepare: []string{"sh", "-c", waterTPR}, result: lines("md.trr")},
	{name: "petsc", pkg: "libpetsc-real3.18-dev", program: "ksp.c", build: "mpicc.openmpi", mpi: harness.OpenMPI, heavy: true, output: true,
		args: []string{"-steps", "1000"}, result: lines("out.0", "RESULT")},
}

// scratchFiles are for programs that remove and rewrite files while they run.
var scratchFiles = []string{"--checkpoint-open-files", "--allow-file-overwrite"}

const (
	siliconUPF = `zcat /usr/share/doc/quantum-espresso/examples/EPW/sic/pp/Si.pz-vbc.UPF.gz >Si.upf`
	waterTPR   = `gmx -quiet genconf -f /usr/share/gromacs/top/spc216.gro -nbox 2 1 1 -o water.gro &&
		gmx -quiet grompp -f water.mdp -c water.gro -p water.top -o water.tpr`
)

// all puts results one after the other.
func all(parts ...func(dir string) string) func(dir string) string {
	return func(dir string) string {
		var texts []string
		for _, part := range parts {
			texts = append(texts, part(dir))
		}
		return strings.Join(texts, "\n")
	}
}

var hpccLine = regexp.MustCompile(`(?m)^.*(\.\.\.\.\.\. (PASSED|FAILED)|^Success=\d|^MPIRandomAccess_ErrorsFraction=.*)$`)

// hpccResult keeps the residuals and verdicts of HPCC's report, which has many timings besides.
func hpccResult(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "hpccoutf.txt"))
	if err != nil {
		return err.Error()
	}
	return strings.Join(hpccLine.FindAllString(string(data), -1), "\n")
}

// netpipeResult keeps the message sizes of NetPIPE's table.
func netpipeResult(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "np.out"))
	if err != nil {
		return err.Error()
	}
	var sizes []string
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 0 {
			sizes = append(sizes, f[0])
		}
	}
	return strings.Join(sizes, " ")
}

var nwchemEnergy = regexp.MustCompile(`Total (?:SCF|DFT) energy = *-\d+\.\d{5}`)

// nwchemResult keeps the energies, to as many digits as two runs agree: tasks are dealt out as ranks ask for them.
func nwchemResult(dir string) string {
	return strings.Join(nwchemEnergy.FindAllString(lines("out.0")(dir), -1), "\n")
}

// cp2kEnergies keeps the kinetic and the potential energy of each step, to as many digits as two runs agree.
func cp2kEnergies(dir string) string {
	var steps []string
	for _, line := range strings.Split(lines("water-1.ener")(dir), "\n") {
		if f := strings.Fields(line); len(f) > 5 && f[0] != "#" {
			steps = append(steps, fmt.Sprintf("%s: %.7s %.10s", f[0], f[2], f[4]))
		}
	}
	return strings.Join(steps, "\n")
}
