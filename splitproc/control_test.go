package splitproc

import (
	"maps"
	"testing"
	"time"
	"unsafe"

	"mana/shared/layout"
)

// The agent and the stub see the same page: were an offset to differ, the
// agent would read nonsense and checkpoints would hang.
func TestLayoutMatchesHeader(t *testing.T) {
	var p Page
	want := layout.Offsets("mana_ctl", map[string]uintptr{
		"doorbell": unsafe.Offsetof(p.Doorbell), "req_tid": unsafe.Offsetof(p.ReqTID), "rep": unsafe.Offsetof(p.Rep),
		"pending": unsafe.Offsetof(p.Pending), "intr": unsafe.Offsetof(p.Intr), "tokens": unsafe.Offsetof(p.Tokens),
		"inited": unsafe.Offsetof(p.Inited), "main_tid": unsafe.Offsetof(p.MainTID), "nranks": unsafe.Offsetof(p.NRanks),
		"nthreads": unsafe.Offsetof(p.NThreads), "restarts": unsafe.Offsetof(p.Restarts),
		"fn_drain": unsafe.Offsetof(p.FnDrain), "fn_restart": unsafe.Offsetof(p.FnRestart), "call_stack": unsafe.Offsetof(p.CallStack),
		"lower_entry": unsafe.Offsetof(p.LowerEntry), "lower_table": unsafe.Offsetof(p.LowerTable),
		"zone_cursor": unsafe.Offsetof(p.ZoneCursor), "lower_tls_self": unsafe.Offsetof(p.LowerTLSSelf),
		"errmsg": unsafe.Offsetof(p.ErrMsg), "lib": unsafe.Offsetof(p.Lib), "prog_abi": unsafe.Offsetof(p.ProgABI), "owner": unsafe.Offsetof(p.Owner),
		"lower_fds": unsafe.Offsetof(p.LowerFDs), "threads": unsafe.Offsetof(p.Threads), "clocks": unsafe.Offsetof(p.Clocks),
	})
	maps.Copy(want, map[string]uint64{
		"sizeof(struct mana_ctl)": uint64(unsafe.Sizeof(p)), "sizeof(struct mana_thread)": uint64(unsafe.Sizeof(Thread{})),
		"sizeof(struct mana_clock)": uint64(unsafe.Sizeof(Clock{})), "MANA_CTL_ADDR": CtlAddr, "MANA_ZONE_LO": ZoneLo, "MANA_ZONE_HI": ZoneHi,
	})
	layout.Compare(t, "stub", "#include \"control.h\"\n#undef mana_ctl", want)
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
