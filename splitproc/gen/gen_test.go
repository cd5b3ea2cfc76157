package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func tables(t *testing.T) *Tables {
	t.Helper()
	tab, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// generate writes all outputs below a directory that also has the
// hand-written headers.
func generate(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHandlesConsistent(t *testing.T) {
	tab := tables(t)
	kindOf := map[int]string{}
	mpichOf := map[string]int{}
	symbolOf := map[string]int{}
	for _, h := range tab.Handles {
		if h.Std <= 0 || h.Std >= 1024 {
			t.Errorf("%s: standard code %#x outside the table", h.Name, h.Std)
		}
		if k := kindOf[h.Std]; k != "" && k != h.Kind {
			t.Errorf("%s: code %#x is a %s and a %s", h.Name, h.Std, k, h.Kind)
		}
		kindOf[h.Std] = h.Kind
		if h.MPICH != nil {
			key := fmt.Sprint(h.Kind, *h.MPICH)
			if c, ok := mpichOf[key]; ok && c != h.Std {
				t.Errorf("%s: MPICH value %#x has two codes, %#x and %#x", h.Name, *h.MPICH, c, h.Std)
			}
			mpichOf[key] = h.Std
		}
		if h.OMPI != "" {
			if c, ok := symbolOf[h.OMPI]; ok && c != h.Std {
				t.Errorf("%s: symbol %s has two codes, %#x and %#x", h.Name, h.OMPI, c, h.Std)
			}
			symbolOf[h.OMPI] = h.Std
			if h.Size == 0 {
				t.Errorf("%s: symbol %s has no size", h.Name, h.OMPI)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	tab := tables(t)
	for _, c := range []struct {
		name  string
		std   int
		mpich int64
		ompi  string
	}{
		{"MPI_DOUBLE", 0x214, 0x4c00080b, "ompi_mpi_double"},
		{"MPI_INT", 0x209, 0x4c000405, "ompi_mpi_int"},
		{"MPI_BYTE", 0x247, 0x4c00010d, "ompi_mpi_byte"},
		{"MPI_COMM_WORLD", 0x101, 0x44000000, "ompi_mpi_comm_world"},
		{"MPI_SUM", 0x21, 0x58000003, "ompi_mpi_op_sum"},
		{"MPI_REQUEST_NULL", 0x180, 0x2c000000, "ompi_request_null"},
	} {
		found := false
		for _, h := range tab.Handles {
			if h.Name == c.name {
				found = true
				if h.Std != c.std || h.MPICH == nil || *h.MPICH != c.mpich || h.OMPI != c.ompi {
					t.Errorf("%s: %+v", c.name, h)
				}
			}
		}
		if !found {
			t.Errorf("%s is missing", c.name)
		}
	}
}

// Within a role every value has one meaning on either side, or the inverse
// would not exist.
func TestRolesInvertible(t *testing.T) {
	tab := tables(t)
	for _, l := range []library{mpich, ompi} {
		for _, r := range roles {
			std, other := map[int]string{}, map[int]string{}
			for _, p := range tab.rolePairs(r, l.other) {
				if std[p.a] != "" || other[p.b] != "" {
					t.Errorf("%s %s: %s collides with %s%s", l.name, r.name, p.name, std[p.a], other[p.b])
				}
				std[p.a], other[p.b] = p.name, p.name
			}
			if len(std) == 0 && r.name != "comm_type" {
				t.Errorf("%s %s: no constants", l.name, r.name)
			}
		}
	}
}

// Parameters that the tables mark for translation have a converter.
func TestEveryTranslationHasConverter(t *testing.T) {
	passed := map[string]bool{"": true, "rank:undefined": true, "const:undefined": true, "callback": true, "status": true,
		"attrval": true, "contents": true, "buffer": true, "argv_null": true, "argvs_null": true, "t_handle": true,
		"fint_handle": true, "pointer to MPI handle (per T_BIND)": true, "rank:proc_null,undefined": true}
	for _, f := range tables(t).Functions {
		for _, p := range f.Params {
			if p.converter() == "" && !passed[p.Xlate] && !strings.HasPrefix(p.Xlate, "const:T_") {
				t.Errorf("MPI_%s %s: nothing converts %q", f.Name, p.Name, p.Xlate)
			}
		}
	}
}

func TestGeneratorDeterministic(t *testing.T) {
	a, b := generate(t), generate(t)
	for name := range outputs {
		x, _ := os.ReadFile(filepath.Join(a, name))
		y, _ := os.ReadFile(filepath.Join(b, name))
		if len(x) == 0 || !bytes.Equal(x, y) {
			t.Errorf("%s: %d bytes, then %d, not equal", name, len(x), len(y))
		}
	}
}

// cc compiles with the flags of the payload; headers come from the source tree.
func cc(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler")
	}
	args = append([]string{"-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-fPIC", "-fvisibility=hidden",
		"-I" + filepath.Join(dir, "stub/gen"), "-I../stub", "-I" + filepath.Join(dir, "adapter/gen")}, args...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func defined(t *testing.T, object string) map[string]elf.Symbol {
	t.Helper()
	f, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]elf.Symbol{}
	for _, s := range syms {
		if s.Section != elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_LOCAL && elf.ST_VISIBILITY(s.Other) == elf.STV_DEFAULT {
			out[s.Name] = s
		}
	}
	return out
}

// Each front end exports what programs bind to in the library it stands for,
// PMPI_X strong and MPI_X weak.
func TestFrontEndsExportEverything(t *testing.T) {
	dir := generate(t)
	for abi, list := range map[string]string{"mpich": "libmpich.so.12", "ompi": "libmpi.so.40", "std": ""} {
		t.Run(abi, func(t *testing.T) {
			object := filepath.Join(dir, abi+".o")
			cc(t, dir, "-c", filepath.Join(dir, "stub/gen/front_"+abi+".c"), "-o", object)
			have := defined(t, object)
			var want []string
			if list != "" {
				b, err := os.ReadFile("testdata/" + list + ".symbols")
				if err != nil {
					t.Fatal(err)
				}
				want = strings.Fields(string(b))
			}
			for _, f := range tables(t).Functions {
				if has(f.In, "abi") {
					want = append(want, "MPI_"+f.Name, "PMPI_"+f.Name)
				}
			}
			for _, name := range want {
				if _, ok := have[name]; !ok {
					t.Errorf("%s is not exported", name)
				}
			}
			for name, s := range have {
				if strings.HasPrefix(name, "MPI_") && elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_BIND(s.Info) != elf.STB_WEAK {
					t.Errorf("%s is not weak", name)
				}
				if strings.HasPrefix(name, "PMPI_") && elf.ST_BIND(s.Info) != elf.STB_GLOBAL {
					t.Errorf("%s is not strong", name)
				}
			}
			if abi == "ompi" {
				for _, h := range tables(t).Handles {
					if h.OMPI != "" && have[h.OMPI].Size != uint64(h.Size) {
						t.Errorf("%s has size %d, programs expect %d", h.OMPI, have[h.OMPI].Size, h.Size)
					}
				}
			}
		})
	}
}

// Libraries without large counts tell sizes beyond INT_MAX by the functions of MPI-3.
func TestLowerSizesWithoutLargeCounts(t *testing.T) {
	for _, name := range []string{"Type_size", "Type_get_extent", "Type_get_true_extent"} {
		var b bytes.Buffer
		all := tables(t)
		writeLower(all, &b, all.function(name))
		if !strings.Contains(b.String(), "native."+name+"_x(") || strings.Contains(b.String(), "native."+name+"(") {
			t.Errorf("lower_%s cannot tell large sizes:\n%s", name, b.String())
		}
	}
}

// The library's own export table, where it is installed, against the list.
func TestListsAgainstInstalledLibraries(t *testing.T) {
	for _, name := range []string{"libmpich.so.12", "libmpi.so.40"} {
		f, err := elf.Open("/usr/lib/x86_64-linux-gnu/" + name)
		if err != nil {
			t.Skip("not installed: ", err)
		}
		defer f.Close()
		syms, err := f.DynamicSymbols()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile("testdata/" + name + ".symbols")
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{}
		for _, s := range strings.Fields(string(b)) {
			listed[s] = true
		}
		for _, s := range syms {
			if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC &&
				(strings.HasPrefix(s.Name, "PMPI_") || strings.HasPrefix(s.Name, "PMPIX_")) && !listed[s.Name] {
				t.Errorf("%s exports %s, which no front end is tested for", name, s.Name)
			}
		}
	}
}

// docs/mpi.md lists exactly the functions that are refused, with their reasons.
func TestRefusedFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/mpi.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "## Refused functions\n")
	list, _, _ = strings.Cut(list, "\n## ")
	listed := map[string]bool{}
	name := regexp.MustCompile("`MPIX?_([A-Z]\\w+)`")
	for _, row := range strings.Split(list, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(cells[1], -1) {
			f := tables(t).function(m[1])
			listed[m[1]] = true
			switch {
			case f == nil:
				t.Errorf("docs/mpi.md: there is no MPI_%s", m[1])
			case refused[m[1]] != strings.TrimSpace(cells[3]):
				t.Errorf("docs/mpi.md: MPI_%s: %q, but the generator says %q", m[1], strings.TrimSpace(cells[3]), refused[m[1]])
			case strings.Trim(cells[2], " `") != refusedClass(f):
				t.Errorf("docs/mpi.md: MPI_%s returns %s", m[1], refusedClass(f))
			}
		}
	}
	for f := range refused {
		if !listed[f] {
			t.Errorf("docs/mpi.md does not list MPI_%s", f)
		}
	}
	extensions, err := os.ReadFile("../stub/abi/mpich.h")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`FRONT_UNSUPPORTED_PAIR\((MPIX_\w+)\)`).FindAllStringSubmatch(string(extensions), -1) {
		if m[1] != "name" && !strings.Contains(list, "`"+m[1]+"`") {
			t.Errorf("docs/mpi.md does not list %s", m[1])
		}
	}
}
