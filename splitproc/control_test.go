package splitproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// The agent and the stub see the same page: were an offset to differ, the
// agent would read nonsense and checkpoints would hang.
func TestLayoutMatchesHeader(t *testing.T) {
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no C compiler")
	}
	var p Page
	offsets := map[string]uintptr{
		"doorbell": unsafe.Offsetof(p.Doorbell), "req_tid": unsafe.Offsetof(p.ReqTID), "rep": unsafe.Offsetof(p.Rep),
		"pending": unsafe.Offsetof(p.Pending), "intr": unsafe.Offsetof(p.Intr), "tokens": unsafe.Offsetof(p.Tokens),
		"inited": unsafe.Offsetof(p.Inited), "main_tid": unsafe.Offsetof(p.MainTID), "nranks": unsafe.Offsetof(p.NRanks),
		"nthreads": unsafe.Offsetof(p.NThreads), "restarts": unsafe.Offsetof(p.Restarts),
		"fn_drain": unsafe.Offsetof(p.FnDrain), "fn_restart": unsafe.Offsetof(p.FnRestart), "call_stack": unsafe.Offsetof(p.CallStack),
		"lower_entry": unsafe.Offsetof(p.LowerEntry), "lower_table": unsafe.Offsetof(p.LowerTable),
		"zone_cursor": unsafe.Offsetof(p.ZoneCursor), "lower_tls_self": unsafe.Offsetof(p.LowerTLSSelf),
		"errmsg": unsafe.Offsetof(p.ErrMsg), "lib": unsafe.Offsetof(p.Lib), "prog_abi": unsafe.Offsetof(p.ProgABI), "owner": unsafe.Offsetof(p.Owner),
		"lower_fds": unsafe.Offsetof(p.LowerFDs), "threads": unsafe.Offsetof(p.Threads), "clocks": unsafe.Offsetof(p.Clocks),
	}
	var src, want strings.Builder
	src.WriteString("#include <stdio.h>\n#include <stddef.h>\n#include \"control.h\"\n#undef mana_ctl\nint main(void){\n")
	for name, off := range offsets {
		fmt.Fprintf(&src, "printf(\"%s %%zu\\n\", offsetof(struct mana_ctl, %s));\n", name, name)
		fmt.Fprintf(&want, "%s %d\n", name, off)
	}
	src.WriteString(`printf("%zu %zu %zu %lx %lx %lx\n", sizeof(struct mana_ctl), sizeof(struct mana_thread), sizeof(struct mana_clock),
	MANA_CTL_ADDR, MANA_ZONE_LO, MANA_ZONE_HI); return 0; }`)
	fmt.Fprintf(&want, "%d %d %d %x %x %x\n", unsafe.Sizeof(p), unsafe.Sizeof(Thread{}), unsafe.Sizeof(Clock{}),
		uint64(CtlAddr), uint64(ZoneLo), uint64(ZoneHi))
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "layout.c"), filepath.Join(dir, "layout")
	if err := os.WriteFile(file, []byte(src.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-I", "stub", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("C says\n%sGo says\n%s", got, want.String())
	}
}

// A saved page comes back as it was, and a foreign one is refused.
func TestSaveAndLoad(t *testing.T) {
	c, err := NewControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.NClocks, c.Rank, c.NRanks = 2, 3, 4
	c.Clocks[1] = Clock{GID: 7, Count: 9, Kind: 1}
	c.MarkLowerFD(70)
	d, err := NewControl()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	saved := c.Bytes()
	if err := d.Load(saved); err != nil {
		t.Fatal(err)
	}
	if d.Clocks[1] != c.Clocks[1] || d.Rank != 3 || !d.LowerFD(70) || d.LowerFD(71) {
		t.Errorf("loaded page differs: %+v rank %d", d.Clocks[1], d.Rank)
	}
	saved[0] ^= 1
	if d.Load(saved) == nil || d.Load(saved[:100]) == nil {
		t.Error("a foreign page was accepted")
	}
}

func TestDoorbell(t *testing.T) {
	c, err := NewControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v := c.WaitDoorbell(0, time.Millisecond); v != 0 {
		t.Errorf("doorbell %d without a ring", v)
	}
	if v := c.WaitDoorbell(5, time.Minute); v != 0 {
		t.Errorf("doorbell %d", v)
	}
}
