package agent

import (
	"os"
	"reflect"
	"testing"
	"unsafe"

	"mana/drain"
	"mana/splitproc"
)

func newTestProgram(t *testing.T) *mpiProgram {
	t.Helper()
	ctl, err := splitproc.NewControl()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ctl.Close)
	return &mpiProgram{pid: os.Getpid(), rank: 1, nranks: 3, ctl: ctl}
}

// The agent reports the clocks of the program, with the members of group
// clocks read from its memory, and MPI_Init as a clock of its own.
func TestReadClocks(t *testing.T) {
	m := newTestProgram(t)
	members := []int32{0, 2}
	m.ctl.Inited = uint32(splitproc.Inited)
	m.ctl.NClocks = 3
	m.ctl.Clocks[0] = splitproc.Clock{GID: 10, Count: 4, Kind: splitproc.ClockComm}
	m.ctl.Clocks[2] = splitproc.Clock{GID: 12, Count: 5, Kind: splitproc.ClockGroup, NMembers: 2,
		Members: uint64(uintptr(unsafe.Pointer(&members[0])))}
	got, err := m.readClocks()
	if err != nil {
		t.Fatal(err)
	}
	want := []drain.Clock{
		{GID: initGID, Kind: drain.Group, Count: 1, Members: []int{0, 1, 2}},
		{GID: 10, Kind: drain.Comm, Count: 4},
		{GID: 12, Kind: drain.Group, Count: 5, Members: []int{0, 2}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("clocks %+v, want %+v", got, want)
	}
}

// Targets reach the program's clocks; one of a group that the program has yet
// to meet makes it move; one of a communicator that it has freed does not.
func TestTargets(t *testing.T) {
	m := newTestProgram(t)
	m.ctl.Inited = uint32(splitproc.Inited)
	m.ctl.NClocks = 1
	m.ctl.Clocks[0] = splitproc.Clock{GID: 10, Count: 4, Kind: splitproc.ClockComm}
	for _, tc := range []struct {
		name   string
		target drain.Target
		moving bool
	}{
		{"reached", drain.Target{GID: 10, Kind: drain.Comm, Count: 4}, false},
		{"freed communicator", drain.Target{GID: 11, Kind: drain.Comm, Count: 4}, false},
		{"behind", drain.Target{GID: 10, Kind: drain.Comm, Count: 5}, true},
		{"unknown group", drain.Target{GID: 12, Kind: drain.Group, Count: 1}, true},
	} {
		if err := m.setTargets([]drain.Target{tc.target}); err != nil {
			t.Fatal(err)
		}
		if got := m.moving(nil); got != tc.moving {
			t.Errorf("%s: moving = %v", tc.name, got)
		}
		m.release()
	}
	if m.moving(nil) {
		t.Error("still moving after the checkpoint")
	}
}

// A restarted program finds its page without any trace of the checkpoint and
// of the old lower half, and its threads under their new numbers.
func TestControlPageOfARestart(t *testing.T) {
	m := newTestProgram(t)
	m.announce()
	m.ctl.NThreads, m.ctl.MainTID = 2, 100
	m.ctl.Threads[0] = splitproc.Thread{TID: 100, State: uint32(splitproc.Parked), LowerTP: splitproc.ZoneLo}
	m.ctl.Threads[1] = splitproc.Thread{TID: 101}
	m.ctl.MarkLowerFD(7)
	raw, err := m.save()
	if err != nil {
		t.Fatal(err)
	}
	st, err := parseMPIState(raw)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := st.controlPage(map[int]int{100: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	if ctl.Pending != 0 || ctl.LowerFD(7) || ctl.MainTID != 200 || ctl.Restarts != 1 {
		t.Errorf("pending %d, fd 7 lower %v, main thread %d, restarts %d", ctl.Pending, ctl.LowerFD(7), ctl.MainTID, ctl.Restarts)
	}
	if ctl.Threads[0].TID != 200 || ctl.Threads[0].LowerTP != 0 || ctl.Threads[1].TID != 0 {
		t.Errorf("threads %+v", ctl.Threads[:2])
	}
	if st.Rank != 1 || st.NRanks != 3 {
		t.Errorf("state %+v", st)
	}
}
