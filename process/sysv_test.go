package process

import (
	"reflect"
	"testing"

	"mana/task"
)

func TestSysVRows(t *testing.T) {
	const table = `       key      shmid perms                  size  cpid  lpid nattch
      9979    1081355   666                  1024 22321 22323      0
-1431655766    1212438  1660               4296704 22353 22366      2
`
	rows := sysvRows([]byte(table))
	if len(rows) != 2 || rows[0]["lpid"] != "22323" || rows[1]["size"] != "4296704" {
		t.Fatalf("%v", rows)
	}
	want := SysVObject{ID: 1212438, Key: -1431655766, Mode: 0o660}
	if got := sysvObject(rows[1], "shmid"); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
	if rows := sysvRows([]byte("key msqid\n")); rows != nil {
		t.Errorf("%v of an empty table", rows)
	}
}

func TestNonZero(t *testing.T) {
	b := make([]byte, 4*pageSize+100)
	b[pageSize], b[2*pageSize+5], b[4*pageSize+99] = 1, 2, 3
	want := []task.Range{{Addr: pageSize, Len: 2 * pageSize}, {Addr: 4 * pageSize, Len: 100}}
	if got := nonZero(b); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, not %+v", got, want)
	}
}

// Of an attachment at 0x10000 the first and the fourth page have been unmapped,
// and another one of the same segment lies elsewhere.
func TestGaps(t *testing.T) {
	part := func(start, pages, page uint64) VMA {
		return VMA{Start: start, End: start + pages*pageSize, Offset: page * pageSize, SharedID: "1:7"}
	}
	r := &Restored{State: &State{VMAs: []VMA{part(0x11000, 1, 1), part(0x12000, 1, 2), part(0x14000, 1, 4), part(0x20000, 5, 0)}}}
	want := []task.Range{{Addr: 0x10000, Len: pageSize}, {Addr: 0x13000, Len: pageSize}, {Addr: 0x15000, Len: pageSize}}
	if got := r.gaps("1:7", 0x10000, 0x16000); !reflect.DeepEqual(got, want) {
		t.Errorf("%#x, not %#x", got, want)
	}
	if got := r.gaps("1:7", 0x20000, 0x25000); got != nil {
		t.Errorf("%#x", got)
	}
}
