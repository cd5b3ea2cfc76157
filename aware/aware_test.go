package aware

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"mana/shared/layout"
)

// compile builds a C source with gcc, or skips the test.
func compile(t *testing.T, src string, args ...string) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "t.c"), filepath.Join(dir, "t")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, append(args, "-o", bin, file)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// The agent and the library see the same board: were an offset to differ, a
// program's wish would never be served.
func TestLayoutMatchesHeader(t *testing.T) {
	var b board
	want := layout.Offsets("mana_board", map[string]uintptr{
		"doorbell": unsafe.Offsetof(b.Doorbell), "wanted": unsafe.Offsetof(b.Wanted), "disabled": unsafe.Offsetof(b.Disabled),
		"turn": unsafe.Offsetof(b.Turn), "pending": unsafe.Offsetof(b.Pending), "served": unsafe.Offsetof(b.Served),
		"good": unsafe.Offsetof(b.Good), "begun": unsafe.Offsetof(b.Begun), "generation": unsafe.Offsetof(b.Generation),
		"taken": unsafe.Offsetof(b.Taken), "life": unsafe.Offsetof(b.Life), "dir": unsafe.Offsetof(b.Dir),
		"image": unsafe.Offsetof(b.Image), "upid": unsafe.Offsetof(b.UPID),
	})
	maps.Copy(want, map[string]uint64{
		"sizeof(struct mana_board)": uint64(unsafe.Sizeof(b)), "MANA_BOARD_ADDR": Addr, "MANA_BOARD_SIZE": Size, "MANA_BOARD_MAGIC": magic,
	})
	layout.Compare(t, "lib", `#include "board.h"`, want)
}

// Only programs that refer to a function get the library.
func TestAsks(t *testing.T) {
	for _, tt := range []struct {
		what, src string
		args      []string
		want      bool
	}{
		{"weak", "int dmtcp_is_enabled(void) __attribute__((weak)); int main(void) { return dmtcp_is_enabled ? dmtcp_is_enabled() : 0; }", []string{"-fPIC"}, true},
		{"not at all", "int main(void) { return 0; }", nil, false},
		{"its own", "int dmtcp_is_enabled(void) { return 0; } int main(void) { return dmtcp_is_enabled(); }", []string{"-rdynamic"}, false},
		{"static", "int dmtcp_is_enabled(void) __attribute__((weak)); int main(void) { return dmtcp_is_enabled ? 1 : 0; }", []string{"-static"}, false},
	} {
		if got := Asks(compile(t, tt.src, tt.args...)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
	if Asks("/nonexistent") {
		t.Error("a program that is not there asks")
	}
}

// Who waited for a checkpoint sees a new life, and none of its wishes is left over.
func TestRevive(t *testing.T) {
	old, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	old.b.Wanted, old.b.Turn, old.b.Life, old.b.Taken = 5, 9, 2, 3
	raw, err := old.Save()
	if err != nil {
		t.Fatal(err)
	}
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 2 { // of two processes that share one
		if err := b.Revive(raw, 7); err != nil {
			t.Fatal(err)
		}
	}
	if b.b.Life != 3 || b.b.Taken != 4 || b.b.Generation != 7 || b.b.Served != 5 || b.b.Wanted != 5 || b.b.Turn == old.b.Turn {
		t.Errorf("revived: %+v", *b.b)
	}
	if err := b.Revive([]byte("{"), 7); err == nil {
		t.Error("a damaged record is accepted")
	}
}
