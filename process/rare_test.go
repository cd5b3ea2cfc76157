package process

import (
	"fmt"
	"slices"
	"testing"

	"mana/task"
)

func TestRareState(t *testing.T) {
	p, has := start(t, compile(t, "rare"))
	im, st, _ := checkpoint(t, p.Process.Pid, Options{})
	guards := slices.ContainsFunc(st.VMAs, func(v VMA) bool { return len(v.Guards) == 1 && v.Guards[0].Len == 8192 })
	locked := slices.ContainsFunc(st.VMAs, func(v VMA) bool { return v.Has("lo") })
	if guards != (has[0] == "1") || locked != (has[2] == "1") {
		t.Errorf("guards %v, locked %v; program has %v", guards, locked, has)
	}
	if (st.Membarrier != 0) != (has[1] == "1") {
		t.Logf("membarrier registrations %#x; program has %s (kernel before 6.3?)", st.Membarrier, has[1])
	}
	p.finish(t)
	v := revive(t, im, st, RestoreOptions{})
	fmt.Fprintln(v.in, "end")
	if got := v.line(t); got != "undisturbed" {
		t.Errorf("rebuilt program: %q, warnings %q", got, v.warnings)
	}
}

// TestOldPagemap compares both ways to find the pages of a program.
func TestOldPagemap(t *testing.T) {
	p, _ := start(t, compile(t, "basic"), "0", "4", "idle")
	f, err := Freeze(p.Process.Pid, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Thaw()
	vmas, err := parseProcMaps(p.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := task.OpenPages(p.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	size := func(rs []task.Range) (n uint64) {
		for _, r := range rs {
			n += r.Len
		}
		return n
	}
	for _, v := range vmas {
		if v.Shared || v.Kind == KindVsyscall || v.Kind == KindVVar || v.Kind == KindVDSO {
			continue
		}
		all := task.Range{Addr: v.Start, Len: v.Len()}
		scan, err := pages.Private(all)
		if err != nil {
			t.Fatal(err)
		}
		table, err := pages.PrivateByTable(all)
		if err != nil {
			t.Fatal(err)
		}
		// The table cannot tell the zero page.
		if size(table) < size(scan) || size(table) > size(scan)+1<<16 {
			t.Errorf("%s: %d bytes by the table, %d by PAGEMAP_SCAN", v.Name, size(table), size(scan))
		}
	}
}
