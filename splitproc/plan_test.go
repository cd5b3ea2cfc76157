package splitproc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func compile(t *testing.T, out, source string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler")
	}
	c := exec.Command("gcc", append([]string{"-x", "c", "-", "-x", "none", "-o", out}, args...)...)
	c.Stdin = strings.NewReader(source)
	if b, err := c.CombinedOutput(); err != nil {
		t.Fatalf("compile %s: %v\n%s", out, err, b)
	}
}

func TestABIOf(t *testing.T) {
	for soname, want := range map[string]ABI{
		"libmpi.so.40": OMPI, "libmpi.so.40.30.4": OMPI, "libmpich.so.12": MPICH, "libmpi.so.12": MPICH,
		"libmpi_gnu_91.so.12": MPICH, "libmpi_abi.so.1": Std, "libmpi_cxx.so.40": NoMPI, "libmpichcxx.so.12": NoMPI,
		"libmpi.so.20": NoMPI, "libmpi.so": NoMPI, "libc.so.6": NoMPI, "": NoMPI,
	} {
		if got := abiOf(soname); got != want {
			t.Errorf("%s: %q, want %q", soname, got, want)
		}
	}
}

// A program needs a library by RUNPATH, which needs an MPI library by RPATH
// relative to itself; neither is in a standard place.
func TestPlanFollowsNeeded(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	mpi := filepath.Join(sub, "libmpich.so.12")
	mid := filepath.Join(dir, "libmid.so")
	prog := filepath.Join(dir, "prog")
	compile(t, mpi, "int MPI_Init(void){return 0;}", "-shared", "-fPIC", "-Wl,-soname,libmpich.so.12")
	compile(t, mid, "int MPI_Init(void); int mid(void){return MPI_Init();}", "-shared", "-fPIC", mpi,
		"-Wl,--disable-new-dtags,-rpath,$ORIGIN/sub")
	compile(t, prog, "int mid(void); int main(){return mid();}", mid, "-Wl,-rpath-link,"+sub, "-Wl,--enable-new-dtags,-rpath,"+dir)
	p, err := MakePlan(prog, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.ABI != MPICH || p.SONAME != "libmpich.so.12" || p.Library != mpi {
		t.Errorf("plan %+v, want the MPICH library %s", p, mpi)
	}
	abi, libs, err := p.lowerLibrary(nil)
	if err != nil || abi != MPICH || len(libs) == 0 || libs[0] != mpi {
		t.Errorf("lower library %v %v %v, want %s first", abi, libs, err, mpi)
	}
}

func TestPlanWithoutMPI(t *testing.T) {
	p, err := MakePlan("/bin/sh", []string{"PATH=/bin"})
	if err != nil || p.ABI != NoMPI {
		t.Errorf("plan %+v, %v; want none", p, err)
	}
	env := []string{"A=1", "LD_PRELOAD=/x.so"}
	if got, err := p.Env(env); err != nil || !slices.Equal(got, env) {
		t.Errorf("environment %v, %v; want it unchanged", got, err)
	}
}

func TestStaticProgramIsRefused(t *testing.T) {
	for _, how := range []string{"-static", "-static-pie", "-pie"} {
		prog := filepath.Join(t.TempDir(), "prog")
		compile(t, prog, "int MPI_Init(void){return 0;} int main(){return MPI_Init();}", how)
		if _, err := MakePlan(prog, nil); !errors.Is(err, ErrStatic) {
			t.Errorf("%s: error %v, want %v", how, err, ErrStatic)
		}
	}
}

func TestLauncherFamily(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want ABI
	}{
		{nil, NoMPI},
		{[]string{"PMI_FD=6", "PMI_RANK=0"}, MPICH},
		{[]string{"PMIX_RANK=0", "PMI_RANK=0"}, OMPI},
		{[]string{"OMPI_COMM_WORLD_RANK=0"}, OMPI},
		{[]string{"PMIA=1"}, NoMPI},
	} {
		if got := launcherFamily(c.env); got != c.want {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
}

func TestLowerEnv(t *testing.T) {
	got := LowerEnv([]string{"PMI_FD=6", "LD_PRELOAD=/x.so", "MANA_X=1", "DMTCP_Y=2", "UCX_MEM_EVENTS=y"})
	want := []string{"PMI_FD=6", "UCX_MEM_EVENTS=y", "HWLOC_COMPONENTS=-gl,-opencl", "OMPI_MCA_mpi_leave_pinned=0"}
	if !slices.Equal(got, want) {
		t.Errorf("environment %v, want %v", got, want)
	}
}

func TestParseCache(t *testing.T) {
	b, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip("no /etc/ld.so.cache")
	}
	paths := parseCache(b)["libc.so.6"]
	if len(paths) == 0 || !slices.ContainsFunc(paths, func(p string) bool { return usable(p) != "" }) {
		t.Errorf("libc.so.6 at %v", paths)
	}
}

func FuzzParseCache(f *testing.F) {
	if b, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		f.Add(b[:min(len(b), 4096)])
	}
	f.Add([]byte("glibc-ld.so.cache1.1\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) { parseCache(b) })
}

func TestFindMapping(t *testing.T) {
	maps := "7ffd0000-7ffd1000 r--p 00000000 00:00 0    [vvar]\n7ffd2000-7ffd4000 r-xp 00000000 00:00 0    [vdso]\n"
	if got := findMapping(maps, "[vdso]"); got != 0x7ffd2000 {
		t.Errorf("vdso at %#x", got)
	}
	if got := findMapping(maps, "[heap]"); got != 0 {
		t.Errorf("heap at %#x", got)
	}
}
