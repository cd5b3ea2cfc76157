package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// commit writes one image of a generation of the computation 7-1-e, and its manifest.
func commit(t *testing.T, dir string, gen int, content string) *Manifest {
	t.Helper()
	return commitTo(t, dir, "7-1-e", gen, 1, content)
}

func commitTo(t *testing.T, dir, computation string, gen, keep int, content string) *Manifest {
	t.Helper()
	file, name := ImageNames(0, gen, "a.out", "u"+computation)
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{Computation: computation, Generation: gen, Created: time.Now(), Agents: 1,
		Images: []Image{{Rank: 0, Dir: dir, File: file, Name: name, Size: int64(len(content))}}}
	if err := m.Write(); err != nil {
		t.Fatal(err)
	}
	kept, dropped, err := m.Prune(keep)
	if err := errors.Join(err, Publish(dir, file, name), DropOthers(dir, file, kept), Alone(dir, name)); err != nil {
		t.Fatal(err)
	}
	for _, d := range dropped {
		if err := d.Sweep(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// choose is the generation that from stands for.
func choose(t *testing.T, dir, from string) *Choice {
	t.Helper()
	c, err := Choose(dir, from)
	if err != nil {
		t.Fatalf("Choose(%q): %v", from, err)
	}
	return c
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	for gen := 1; gen <= 5; gen++ {
		commitTo(t, dir, "c-1-a", gen, 3, strings.Repeat("x", gen))
	}
	for gen := 1; gen <= 5; gen++ {
		c, err := Choose(dir, strconv.Itoa(gen))
		if (err == nil) != (gen >= 3) {
			t.Errorf("generation %d: %v", gen, err)
		}
		if err == nil && (c.Images[0].Size != int64(gen) || c.Last() != 5) {
			t.Errorf("generation %d: %+v, last %d", gen, c.Manifest, c.Last())
		}
		if _, err := os.Stat(filepath.Join(dir, GenDir(0, gen))); (err == nil) != (gen >= 3) {
			t.Errorf("directory of generation %d: %v", gen, err)
		}
	}
	if c := choose(t, dir, ""); c.Generation != 5 || c.Skipped != nil || !strings.Contains(c.Hint(), "--from 4") {
		t.Errorf("latest is %d, skipped %v, hint %q", c.Generation, c.Skipped, c.Hint())
	}
	// Without its newest image the next older generation is the latest.
	os.Remove(filepath.Join(dir, choose(t, dir, "5").Images[0].File))
	os.Remove(filepath.Join(dir, choose(t, dir, "4").Images[0].Name))
	if c := choose(t, dir, "latest"); c.Generation != 4 || c.Skipped == nil {
		t.Errorf("latest complete is %d, skipped %v", c.Generation, c.Skipped)
	}
	if _, err := Choose(dir, "5"); err == nil || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "--from 4") {
		t.Errorf("generation 5 without its image: %v", err)
	}
	for _, bad := range []string{"0", "-1", "x", "c-1-b:4", "c-1-a:9", ":"} {
		if _, err := Choose(dir, bad); err == nil {
			t.Errorf("Choose(%q) succeeded", bad)
		}
	}
}

func TestKeepAll(t *testing.T) {
	dir := t.TempDir()
	for gen := 1; gen <= 4; gen++ {
		commitTo(t, dir, "c-1-a", gen, 0, "x")
	}
	if c := choose(t, dir, "1"); c.Generation != 1 {
		t.Errorf("generation %d", c.Generation)
	}
}

// A second launch into the same directory leaves the first one's generations
// and takes over the published name.
func TestSeries(t *testing.T) {
	dir := t.TempDir()
	commitTo(t, dir, "c-1-a", 1, 2, "a1")
	commitTo(t, dir, "c-1-a", 2, 2, "a2")
	commitTo(t, dir, "c-2-b", 1, 1, "b1")
	commitTo(t, dir, "c-2-b", 2, 1, "b2")
	for from, want := range map[string]string{"": "b2", "latest": "b2", "2": "b2", "c-1-a": "a2", "c-1-a:1": "a1", "c-1-a:latest": "a2", "c-2-b:2": "b2"} {
		c := choose(t, dir, from)
		if b, err := os.ReadFile(c.Path(c.Images[0])); string(b) != want {
			t.Errorf("--from %q leads to %q (%v), want %q", from, b, err, want)
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "ckpt_rank_0", "ckpt_*.dmtcp"))
	if len(names) != 1 || !strings.Contains(names[0], "uc-2-b") {
		t.Errorf("published: %v", names)
	}
	os.RemoveAll(filepath.Join(dir, "ckpt_rank_0", ".gen-00002"))
	os.Remove(names[0])
	if _, err := Choose(dir, ""); err == nil || !strings.Contains(err.Error(), "--from c-1-a") {
		t.Errorf("newest series without images: %v", err)
	}
}

// A manifest that cannot be read is told of, and never leads to another job's
// images without a word.
func TestUnreadableManifest(t *testing.T) {
	dir := t.TempDir()
	commitTo(t, dir, "c-1-a", 1, 2, "a1")
	commitTo(t, dir, "c-1-a", 2, 2, "a2")
	garble := func(computation string, gen int) {
		if err := os.WriteFile(filepath.Join(dir, FileName(computation, gen)), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	garble("c-1-a", 2)
	if c := choose(t, dir, ""); c.Generation != 1 || c.Skipped == nil || c.Last() != 2 {
		t.Errorf("the newest of the series: generation %d, skipped %v, last %d", c.Generation, c.Skipped, c.Last())
	}
	commitTo(t, dir, "c-1-a", 3, 3, "a3")
	if c := choose(t, dir, ""); c.Generation != 3 || c.Skipped != nil {
		t.Errorf("an older one: generation %d, skipped %v", c.Generation, c.Skipped)
	}
	os.Remove(filepath.Join(dir, FileName("c-1-a", 2)))
	garble("c-2-b", 1)
	if _, err := Choose(dir, ""); err == nil || !strings.Contains(err.Error(), "--from c-1-a") {
		t.Errorf("the only one of another series: %v", err)
	}
	if c := choose(t, dir, "c-1-a"); c.Generation != 3 {
		t.Errorf("a series by name: %d", c.Generation)
	}
}

// What only its name holds is not taken away.
func TestAloneSpares(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "ckpt_rank_0", "ckpt_other.dmtcp")
	os.Mkdir(filepath.Dir(foreign), 0o700)
	os.WriteFile(foreign, []byte("x"), 0o600)
	commit(t, dir, 1, "one")
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	commit(t, dir, 1, "one")
	commit(t, dir, 2, "two!")
	m, err := Choose(dir, "")
	if err != nil || m.Generation != 2 {
		t.Fatalf("Choose: %+v, %v", m, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, m.Images[0].Name)); string(b) != "two!" {
		t.Errorf("stable name holds %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, GenDir(0, 1))); !errors.Is(err, os.ErrNotExist) {
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
	file, name := ImageNames(0, 2, "a.out", "u7-1-e")
	if err := os.Mkdir(filepath.Join(dir, GenDir(0, 2)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("two!"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &Manifest{Computation: "7-1-e", Generation: 2, Created: time.Now(),
		Images: []Image{{Rank: 0, Dir: dir, File: file, Name: name, Size: 4}}}
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
	m, err := Choose(moved, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Path(m.Images[0]); !strings.HasPrefix(got, moved) {
		t.Errorf("Path = %s, want it below %s", got, moved)
	}
}

func TestIncomplete(t *testing.T) {
	dir := t.TempDir()
	if _, err := Choose(dir, ""); !errors.Is(err, ErrNone) {
		t.Errorf("empty directory: %v", err)
	}
	if _, err := Choose(dir+"/none", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	m := commit(t, dir, 1, "one")
	own := filepath.Join(dir, m.Images[0].File)
	if err := os.Truncate(own, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Choose(dir, ""); err == nil || !strings.Contains(err.Error(), "1 bytes, was written with 3") {
		t.Errorf("short image: %v", err)
	}
	os.Remove(own)
	os.Remove(filepath.Join(dir, m.Images[0].Name))
	if _, err := Choose(dir, ""); err == nil || !strings.Contains(err.Error(), "missing") {
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
