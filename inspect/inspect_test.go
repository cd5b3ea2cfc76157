package inspect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mana/image"
	"mana/manifest"
	"mana/process"
)

// source is a process of which nothing but a page was saved.
type source struct{ process.State }

func (s source) Extents() ([]image.Extent, error) {
	return []image.Extent{{Len: image.PageSize, Off: image.DataStart, Data: bytes.Repeat([]byte{7}, image.PageSize)}}, nil
}
func (s source) WriteExtents(_ *os.File, _ string, _ []image.Extent, done func(int64)) error {
	done(image.DataStart + image.PageSize)
	return nil
}
func (s source) ReadMemory(uint64, []byte) error { return nil }
func (s source) Metadata() ([]byte, error)       { return json.Marshal(s.State) }

// commit writes a generation of one image and its manifest.
func commit(t *testing.T, dir, computation string, gen int) string {
	t.Helper()
	state := process.State{PID: 7, Argv: []string{"./a.out", "x"}, Hostname: "n1",
		VMAs: []process.VMA{
			{Start: 0x1000, End: 0x5000, Kind: process.KindAnon, Name: "[heap]", Runs: []process.Run{{Addr: 0x1000, Len: 0x1000, Offset: image.DataStart}}},
			{Start: 0x8000, End: 0x9000, Kind: process.KindAnon}},
		Threads: []process.Thread{{TID: 7, Comm: "a.out"}}, Files: []process.File{{FD: 3, Kind: process.FileRegular, Link: "/tmp/out", Pos: 9}},
		MPI: json.RawMessage(`{"rank":0,"nranks":1,"abi":"ompi","library":"Open MPI v4.1.4, package: x\\nmore"}`)}
	file, name := manifest.ImageNames(0, gen, "a.out", computation)
	r, err := image.Write(source{state}, filepath.Join(dir, file), image.WriteOptions{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	m := manifest.Manifest{Computation: computation, Generation: gen, Created: time.Now(), Ranks: 1, Images: []manifest.Image{
		{Rank: 0, Prog: "a.out", Host: "n1", Dir: dir, File: file, Name: name, Size: r.Size, Sum: r.Checksum}}}
	if err := m.Write(); err != nil {
		t.Fatal(err)
	}
	return r.Path
}

// ask is the report about a path, and whether it was an error.
func ask(t *testing.T, o options, path string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	err := o.one(path, &b)
	return b.String(), err
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	commit(t, dir, "c-1-a", 4)
	commit(t, dir, "c-2-b", 1)
	newest := commit(t, dir, "c-2-b", 2)
	text, err := ask(t, options{}, dir)
	if err != nil || strings.Index(text, "c-2-b (newest)") > strings.Index(text, "c-1-a") || !strings.Contains(text, "./a.out x") ||
		!strings.Contains(text, "1 rank on n1, built for Open MPI, ran on Open MPI v4.1.4\n") || strings.Count(text, "the one that a restart takes") != 1 {
		t.Errorf("%v\n%s", err, text)
	}
	text, err = ask(t, options{JSON: true}, dir)
	var d directory
	if jerr := json.Unmarshal([]byte(text), &d); jerr != nil || err != nil || len(d.Series) != 2 || len(d.Series[0].Generations) != 2 ||
		!d.Series[0].Generations[0].Default || d.Series[0].Generations[0].Number != 2 || d.Schema != 1 {
		t.Errorf("%v %v %s", err, jerr, text)
	}
	// Damage within the data is seen only by reading it.
	b, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	b[image.DataStart+5] ^= 1
	if err := os.WriteFile(newest, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ask(t, options{}, dir); err != nil || strings.Contains(text, "INCOMPLETE") {
		t.Errorf("without --verify: %v\n%s", err, text)
	}
	if text, err := ask(t, options{Verify: true}, dir); err != nil || !strings.Contains(text, "INCOMPLETE") || !strings.Contains(text, "not an intact") {
		t.Errorf("with --verify: %v\n%s", err, text)
	}
	for _, p := range []string{filepath.Join(dir, manifest.GenDir(0, 1)), filepath.Dir(newest)} {
		if err := os.RemoveAll(p); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := ask(t, options{}, dir); err == nil || !strings.Contains(text, "no such file") {
		t.Errorf("without the images: %v\n%s", err, text)
	}
	if _, err := ask(t, options{}, t.TempDir()); err == nil {
		t.Error("an empty directory is no error")
	}
}

func TestImage(t *testing.T) {
	path := commit(t, t.TempDir(), "c-1-a", 1)
	text, err := ask(t, options{Verify: true}, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"./a.out x", "rank 0 of 1, built for Open MPI", "threads: 1: 7 (a.out)", "/tmp/out at 9", "none"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var r imageReport
	text, err = ask(t, options{JSON: true}, path)
	if jerr := json.Unmarshal([]byte(text), &r); jerr != nil || err != nil {
		t.Fatal(jerr, err)
	}
	if len(r.Memory) != 2 || r.Memory[0] != (memory{"heap", 1, 0x4000, 0x1000}) || r.Memory[1].Mapped != 0x1000 {
		t.Errorf("memory %+v", r.Memory)
	}
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, options{}, path); err == nil {
		t.Error("text is taken for an image")
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 29: "1.5 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}
