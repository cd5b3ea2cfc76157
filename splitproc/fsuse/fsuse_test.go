package fsuse

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Libraries that every lower half has, and parts of MPI libraries where there
// are any.
var libraries = []string{
	"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
	"/usr/lib/x86_64-linux-gnu/libucp.so.0", "/usr/lib/x86_64-linux-gnu/libmpi.so.40", "/usr/lib/x86_64-linux-gnu/libopen-pal.so.40",
}

// The disassembler of binutils finds the same instructions: one that is missed
// would read the program's TLS, and a byte too many would break the code.
func TestSitesAsDisassembled(t *testing.T) {
	objdump, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip("no objdump")
	}
	compared := 0
	for _, lib := range libraries {
		f, err := os.Open(lib)
		if err != nil {
			continue
		}
		sites, err := Sites(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", lib, err)
			continue
		}
		want := disassembled(t, objdump, lib)
		for _, s := range sites {
			if !want[s.Addr] {
				t.Errorf("%s: no fs prefix at %#x", lib, s.Addr)
			}
			delete(want, s.Addr)
		}
		for addr := range want {
			t.Errorf("%s: the fs prefix at %#x was not found", lib, addr)
		}
		compared += len(sites)
	}
	if compared < 1000 {
		t.Errorf("only %d sites in %v", compared, libraries)
	}
}

// disassembled are the addresses of all fs prefixes that objdump shows.
func disassembled(t *testing.T, objdump, file string) map[uint64]bool {
	out, err := exec.Command(objdump, "-d", "-w", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint64]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		col := strings.SplitN(lines.Text(), "\t", 3)
		if len(col) < 3 || !strings.Contains(col[2], "%fs:") {
			continue
		}
		addr, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(col[0]), ":"), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range strings.Fields(col[1]) {
			if b == "64" {
				found[addr+uint64(i)] = true
				break
			}
		}
	}
	return found
}

// The offset of a site is where the prefix is in the file.
func TestSiteOffsets(t *testing.T) {
	data, err := os.ReadFile(libraries[0])
	if err != nil {
		t.Skip(err)
	}
	sites, err := Sites(bytes.NewReader(data))
	if err != nil || len(sites) == 0 {
		t.Fatalf("%d sites: %v", len(sites), err)
	}
	for _, s := range sites {
		if data[s.Off] != prefix {
			t.Errorf("byte %#x at %#x", data[s.Off], s.Off)
		}
	}
}

// Code whose functions nobody can tell apart is refused, and data too.
func TestRefused(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no compiler")
	}
	dir := t.TempDir()
	src, lib := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.so")
	if err := os.WriteFile(src, []byte("__thread int x; int *f(void) { return &x; }"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, command string
		sites         bool
	}{
		{"as compiled", "true", true},
		{"without frames", "objcopy -R .eh_frame -R .eh_frame_hdr " + lib, false},
		{"not a library", "echo data > " + lib, false},
	} {
		if out, err := exec.Command(gcc, "-shared", "-fPIC", "-O2", "-ftls-model=initial-exec", "-o", lib, src).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if out, err := exec.Command("sh", "-c", c.command).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		f, err := os.Open(lib)
		if err != nil {
			t.Fatal(err)
		}
		sites, err := Sites(f)
		f.Close()
		if (len(sites) > 0) != c.sites || (err == nil) != c.sites {
			t.Errorf("%s: %d sites, error %v", c.name, len(sites), err)
		}
	}
}

// A function that begins with what is no instruction is an error if an fs
// prefix may hide behind it, and none otherwise.
func TestScan(t *testing.T) {
	for _, c := range []struct {
		code  []byte
		sites int
		fails bool
	}{
		{[]byte{0x64, 0x8b, 0x00, 0xc3}, 1, false},
		{[]byte{0x64, 0x8b, 0x00, 0x06}, 1, false},
		{[]byte{0x06, 0x64, 0x8b, 0x00}, 0, true},
		{[]byte{0xb8, 0x64, 0x00, 0x00, 0x00, 0xc3}, 0, false},
	} {
		sites, err := scan(c.code)
		if len(sites) != c.sites || (err != nil) != c.fails {
			t.Errorf("% x: %v %v", c.code, sites, err)
		}
	}
}

func TestFramesMalformed(t *testing.T) {
	for _, b := range [][]byte{
		{0x10, 0, 0, 0, 1},
		{4, 0, 0, 0, 8, 0, 0, 0},
		{8, 0, 0, 0, 0, 0, 0, 0, 1, 'q', 0, 0},
		{0xff, 0xff, 0xff, 0xff, 1},
	} {
		if spans, err := parseFrames(b, 0); !errors.Is(err, errFrames) {
			t.Errorf("% x: %v %v", b, spans, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x14, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 0x10, 1, 0x1b, 0xc, 7, 8, 0x90, 1, 0, 0,
		0x10, 0, 0, 0, 0x1c, 0, 0, 0, 0, 0x10, 0, 0, 0x26, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { parseFrames(b, 0x1000) })
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0, 0xc3})
	f.Fuzz(func(t *testing.T, code []byte) {
		sites, _ := scan(code)
		for _, s := range sites {
			if s >= len(code) || code[s] != prefix {
				t.Fatalf("site %d in % x", s, code)
			}
		}
	})
}
