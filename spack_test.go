package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// spackStub stands in for Spack: it runs the recipe's directives and phases
// and prints what they ask for.
const spackStub = `
import sys, types
said = []
def directive(name):
    return lambda *a, **k: said.append((name, a))
api = types.ModuleType("spack.package")
for name in ("version", "depends_on", "conflicts", "make"):
    setattr(api, name, directive(name))
api.join_path = lambda *a: "/".join(a)
base = types.ModuleType("spack_repo.builtin.build_systems.makefile")
base.MakefilePackage = object
sys.modules.update({"spack": types.ModuleType("spack"), "spack.package": api, base.__name__: base})
for parent in ("spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems"):
    sys.modules[parent] = types.ModuleType(parent)
scope = {"__file__": sys.argv[1]}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), scope)
package = scope["Mana"]()
package.build({}, "/prefix")
package.install({}, "/prefix")
print(package.git)
for name, args in said:
    print(name, *args)
`

// The recipe builds this very tree by targets that the Makefile has.
func TestSpackRecipe(t *testing.T) {
	recipe, err := filepath.Abs("contrib/spack/spack_repo/mana/packages/mana/package.py")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-c", spackStub, recipe).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"file://" + root + "\n", "make build\n", "make install PREFIX=/prefix\n", "version main\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, target := range []string{"build:", "install:"} {
		if !strings.Contains(read(t, "Makefile"), "\n"+target) {
			t.Errorf("the Makefile has no %s", target)
		}
	}
}
