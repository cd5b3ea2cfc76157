package image

import (
	"bytes"
	"errors"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// memory is a Source whose addresses are positions in a byte slice.
type memory struct {
	bytes   []byte
	extents []Extent
	meta    string
	err     error
}

func (m *memory) Extents() ([]Extent, error) { return m.extents, nil }
func (m *memory) ReadMemory(a uint64, b []byte) error {
	copy(b, m.bytes[a:])
	return nil
}
func (m *memory) Metadata() ([]byte, error) { return []byte(m.meta), nil }

func (m *memory) WriteExtents(f *os.File, _ string, es []Extent, done func(int64)) error {
	for _, e := range es {
		if _, err := f.WriteAt(m.bytes[e.Addr:e.Addr+uint64(e.Len)], e.Off); err != nil {
			return err
		}
		done(e.Off + e.Len)
	}
	return m.err
}

func sample() *memory {
	m := &memory{bytes: make([]byte, 3<<20), meta: `{"pid":1}`}
	rand.New(rand.NewSource(1)).Read(m.bytes)
	clear(m.bytes[1<<20:]) // one half compresses, one does not
	m.extents = []Extent{
		{Addr: 4096, Len: 8192, Off: DataStart},
		{Data: []byte("contents of a deleted file"), Len: 4096, Off: DataStart + 8192},
		{Addr: 65536, Len: 2 << 20, Off: DataStart + 12288},
	}
	return m
}

// want is the data of sample as an image has it.
func (m *memory) want() []byte {
	var b []byte
	for _, e := range m.extents {
		if e.Data != nil {
			b = append(b, append(append([]byte{}, e.Data...), make([]byte, int(e.Len)-len(e.Data))...)...)
		} else {
			b = append(b, m.bytes[e.Addr:e.Addr+uint64(e.Len)]...)
		}
	}
	return b
}

func TestWriteAndRead(t *testing.T) {
	for c := range Codec(len(codecNames)) {
		t.Run(c.String(), func(t *testing.T) { writeAndRead(t, c) })
	}
}

func writeAndRead(t *testing.T, c Codec) {
	m := sample()
	path := filepath.Join(t.TempDir(), "deep", "er", "x.dmtcp")
	res, err := Write(m, path, WriteOptions{Codec: c})
	if err != nil {
		t.Fatal(err)
	}
	im, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if string(im.Metadata) != m.meta || im.Checksum != res.Checksum || im.Size != res.Size {
		t.Errorf("metadata %q, checksum %s, size %d; written %+v", im.Metadata, im.Checksum, im.Size, res)
	}
	if err := im.Verify(); err != nil {
		t.Error(err)
	}
	got := make([]byte, im.DataEnd()-DataStart)
	if _, err := im.ReadAt(got, DataStart); err != nil || !bytes.Equal(got, m.want()) {
		t.Errorf("data differ (%v)", err)
	}
	if _, err := im.ReadAt(got[:100], im.DataEnd()-50); err == nil {
		t.Error("read beyond the data")
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	if st, _ := os.Stat(filepath.Dir(path)); st.Mode().Perm() != 0o700 {
		t.Errorf("directory mode %v", st.Mode())
	}
}

func TestFailedWriteLeavesOldImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.dmtcp")
	if _, err := Write(sample(), path, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	bad := sample()
	bad.err = unix.ENOSPC
	_, err := Write(bad, path, WriteOptions{})
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if im, err := Open(path); err != nil {
		t.Error(err)
	} else {
		im.Close()
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// TestDamage changes every part of an image and expects it to be noticed.
func TestDamage(t *testing.T) {
	for c := range Codec(len(codecNames)) {
		t.Run(c.String(), func(t *testing.T) { damage(t, c) })
	}
}

func damage(t *testing.T, c Codec) {
	path := filepath.Join(t.TempDir(), "x.dmtcp")
	res, err := Write(sample(), path, WriteOptions{Codec: c})
	if err != nil {
		t.Fatal(err)
	}
	good, _ := os.ReadFile(path)
	check := func(name string, b []byte) {
		t.Helper()
		os.WriteFile(path, b, 0o600)
		im, err := Open(path)
		if err == nil {
			err = im.Verify()
			im.Close()
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, off := range []int64{0, 9, 13, 20, 70, DataStart, DataStart + 1<<18, res.Size - 70, res.Size - 20, res.Size - 1} {
		b := bytes.Clone(good)
		b[off] ^= 0x10
		check("flipped bit", b)
	}
	for _, n := range []int64{0, 1, 95, 4096, res.Size / 2, res.Size - 1} {
		check("cut", good[:n])
	}
	check("longer", append(bytes.Clone(good), 0))
}

func FuzzDecodeHeader(f *testing.F) {
	h := header{DataEnd: DataStart + 100, MetaOff: 8192, MetaLen: 10, IndexOff: 8202, Chunks: 1, FileSize: 9000}
	f.Add(h.encode(), uint64(9000))
	f.Fuzz(func(t *testing.T, b []byte, size uint64) {
		if h, err := decodeHeader(b, size); err == nil && !h.sane() {
			t.Errorf("accepted %+v", h)
		}
	})
}
