package splitproc

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExtract(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	data := bytes.Repeat([]byte("stub"), 10000)
	var wg sync.WaitGroup
	var inodes sync.Map // a program that has mapped the file needs it to stay
	for range 8 {       // ranks of one node start together
		wg.Add(1)
		go func() {
			defer wg.Done()
			path, err := Extract("libx.so.1", data, 0o400)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %d bytes, %v", path, len(got), err)
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Error(err)
			}
			inodes.Store(st.Ino, true)
		}()
	}
	wg.Wait()
	n := 0
	inodes.Range(func(_, _ any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d different files appeared under one name", n)
	}
	var files int
	filepath.WalkDir(cache, func(path string, d os.DirEntry, err error) error {
		info, _ := d.Info()
		switch {
		case path == cache:
		case d.IsDir() && info.Mode().Perm() != 0o700:
			t.Errorf("%s has mode %v", path, info.Mode())
		case !d.IsDir():
			files++
			if info.Mode().Perm() != 0o400 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
		}
		return nil
	})
	if files != 1 {
		t.Errorf("%d files left in the cache, want 1", files)
	}
	other, err := Extract("libx.so.1", append(data, 'x'), 0o400)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(other); len(got) != len(data)+1 {
		t.Errorf("another version of the file has %d bytes", len(got))
	}
}

func TestOthersCacheIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mana")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := privateDir(dir); err == nil {
		t.Error("a directory that others can write was accepted")
	}
}

func TestStubTakesSONAME(t *testing.T) {
	b, err := payloadFile("stub-mpich.so")
	if err != nil {
		t.Skip(err)
	}
	got, err := setSONAME(b, "libmpi_gnu_91.so.12")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := f.DynString(elf.DT_SONAME); len(s) != 1 || s[0] != "libmpi_gnu_91.so.12" {
		t.Errorf("SONAME %v", s)
	}
	if _, err := setSONAME(b, string(make([]byte, 100))); err == nil {
		t.Error("a name that does not fit was accepted")
	}
}
