package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// commit writes one image of a generation and its manifest.
func commit(t *testing.T, dir string, gen int, content string) *Manifest {
	t.Helper()
	file, name := ImageNames(-1, gen, "a.out", "7-1-f")
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{Computation: "7-1-e", Generation: gen, Created: time.Now(), Agents: 1,
		Images: []Image{{Rank: -1, Dir: dir, File: file, Name: name, Size: int64(len(content))}}}
	if err := m.Write(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Publish(dir, file, name), DropOthers(dir, file, gen)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	commit(t, dir, 1, "one")
	commit(t, dir, 2, "two!")
	m, err := Newest(dir)
	if err != nil || m.Generation != 2 {
		t.Fatalf("Newest: %+v, %v", m, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, m.Images[0].Name)); string(b) != "two!" {
		t.Errorf("stable name holds %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".gen-00001")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("generation 1 is still there: %v", err)
	}
	got, im, err := Of(filepath.Join(dir, m.Images[0].Name))
	if err != nil || got.Generation != 2 || im.Size != 4 {
		t.Errorf("Of: %+v %+v %v", got, im, err)
	}
}

// Between the commit and the new link the stable name is an old image: what
// counts is what the manifest says.
func TestCrashBeforeTheLink(t *testing.T) {
	dir := t.TempDir()
	commit(t, dir, 1, "one")
	file, name := ImageNames(-1, 2, "a.out", "7-1-f")
	if err := os.Mkdir(filepath.Join(dir, GenDir(-1, 2)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("two!"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{Computation: "7-1-e", Generation: 2, Created: time.Now(),
		Images: []Image{{Rank: -1, Dir: dir, File: file, Name: name, Size: 4}}}
	if err := m.Write(); err != nil {
		t.Fatal(err)
	}
	got, im, err := Of(filepath.Join(dir, name))
	if err != nil || got.Generation != 2 || got.Path(im) != filepath.Join(dir, file) {
		t.Errorf("Of: %+v, %+v, %v", got, im, err)
	}
}

func TestMovedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[1]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	commit(t, dir, 3, "xyz")
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	m, err := Newest(moved)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Path(m.Images[0]); !strings.HasPrefix(got, moved) {
		t.Errorf("Path = %s, want it below %s", got, moved)
	}
}

func TestIncomplete(t *testing.T) {
	dir := t.TempDir()
	if _, err := Newest(dir); !errors.Is(err, ErrNone) {
		t.Errorf("empty directory: %v", err)
	}
	if _, err := Newest(dir + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	m := commit(t, dir, 1, "one")
	own := filepath.Join(dir, m.Images[0].File)
	if err := os.Truncate(own, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Newest(dir); err == nil || !strings.Contains(err.Error(), "1 bytes, was written with 3") {
		t.Errorf("short image: %v", err)
	}
	os.Remove(own)
	os.Remove(filepath.Join(dir, m.Images[0].Name))
	if _, err := Newest(dir); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no image: %v", err)
	}
}

func TestParseRejects(t *testing.T) {
	for _, s := range []string{"", "[]", `{"version":2}`,
		`{"version":1,"images":[{"dir":"/d","file":"../../etc/passwd","name":"x"}]}`,
		`{"version":1,"images":[{"dir":"d","file":"x","name":"x"}]}`} {
		if _, err := Parse([]byte(s)); err == nil {
			t.Errorf("Parse(%q) succeeded", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"images":[{"rank":0,"dir":"/d","file":"f","name":"n"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err == nil {
			m.Dirs()
		}
	})
}
