package splitproc

import (
	"os"
	"path/filepath"
	"testing"
)

// A script gets the stub that its interpreter needs: what it executes in its
// place would otherwise bring the real MPI library into the upper half.
func TestPlanOfScripts(t *testing.T) {
	dir := t.TempDir()
	mpi := filepath.Join(dir, "libmpich.so.12")
	prog := filepath.Join(dir, "prog")
	compile(t, mpi, "int MPI_Init(void){return 0;}", "-shared", "-fPIC", "-Wl,-soname,libmpich.so.12")
	compile(t, prog, "int MPI_Init(void); int main(){return MPI_Init();}", mpi, "-Wl,-rpath,"+dir)
	for name, first := range map[string]string{
		"input": "#!" + prog + "\n", "argument": "#! " + prog + " -in\nrun 100\n", "second": "#!" + filepath.Join(dir, "input") + "\n",
	} {
		script := filepath.Join(dir, name)
		if err := os.WriteFile(script, []byte(first), 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "second" {
			if err := os.WriteFile(filepath.Join(dir, "input"), []byte("#!"+prog+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := MakePlan(script, nil); err != nil || p.ABI != MPICH || p.Program != script {
			t.Errorf("%q: plan %+v, %v", first, p, err)
		}
	}
}

func TestInterpreterOfOddFiles(t *testing.T) {
	dir := t.TempDir()
	loop := filepath.Join(dir, "loop")
	for name, text := range map[string]string{"empty": "", "short": "#", "bare": "#!", "blank": "#!   \nx", "text": "hello", "zeros": "#!\x00\x00"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if p, err := MakePlan(path, nil); err != nil || p.ABI != NoMPI {
			t.Errorf("%s: plan %+v, %v", name, p, err)
		}
	}
	if err := os.WriteFile(loop, []byte("#!"+loop+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := MakePlan(loop, nil); err != nil || p.ABI != NoMPI {
		t.Errorf("a script that interprets itself: plan %+v, %v", p, err)
	}
}
