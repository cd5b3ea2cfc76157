package agent

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"

	"mana/splitproc"
)

// mpiState is what an image keeps of an MPI program besides its memory; the
// agent's part of process.State.
type mpiState struct {
	Rank    int    `json:"rank"`
	NRanks  int    `json:"nranks"`
	ABI     string `json:"abi"`               // of the program: mpich, ompi or std
	Library string `json:"library,omitempty"` // the real library at the checkpoint
	Init    uint32 `json:"init"`              // splitproc.InitState
	Control []byte `json:"control,omitempty"` // the control page, zlib; of the process that uses MPI
}

// sharesPage is the mpiState of a process that has the page mapped, but does
// not use MPI.
var sharesPage = json.RawMessage(`{}`)

// save describes the program for its image. The program must be frozen.
func (m *mpiProgram) save() (json.RawMessage, error) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(m.ctl.Bytes())
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the control page: %w", err)
	}
	return json.Marshal(mpiState{Rank: m.rank, NRanks: m.nranks, ABI: m.ctl.ABI(), Library: m.ctl.Library(),
		Init: uint32(m.ctl.State()), Control: z.Bytes()})
}

// parseMPIState reads what save wrote.
func parseMPIState(raw json.RawMessage) (*mpiState, error) {
	var s mpiState
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("the image's description of its MPI program: %w", err)
	}
	return &s, nil
}

// controlPage makes a control page for the restarted program: as it was saved,
// but with nothing of a checkpoint or of the old lower half in it, and with the
// threads' new numbers.
func (s *mpiState) controlPage(tids map[int]int) (*splitproc.Control, error) {
	z, err := zlib.NewReader(bytes.NewReader(s.Control))
	if err != nil {
		return nil, fmt.Errorf("saved control page: %w", err)
	}
	saved, err := io.ReadAll(io.LimitReader(z, splitproc.CtlSize+1))
	if err != nil {
		return nil, fmt.Errorf("saved control page: %w", err)
	}
	ctl, err := splitproc.NewControl()
	if err != nil {
		return nil, err
	}
	if err := ctl.Load(saved); err != nil {
		ctl.Close()
		return nil, err
	}
	ctl.Pending, ctl.Tokens, ctl.Lock = 0, 0, 0
	ctl.Intr++ // a saved thread that waits for it to change must find it changed
	ctl.Req, ctl.Rep = splitproc.ReqNone, 0
	ctl.CodeLock, ctl.CodeState = 0, 0 // the lower half's
	ctl.LowerEntry, ctl.LowerSP, ctl.LowerTable = 0, 0, 0
	ctl.ZoneCursor = splitproc.ZoneLo
	clear(ctl.LowerFDs[:])
	ctl.Restarts++
	for i := range ctl.NClocks {
		ctl.Clocks[i].Target = 0
	}
	ctl.EachThread(func(t *splitproc.Thread) {
		t.LowerTP = 0
		if now, ok := tids[int(t.TID)]; ok {
			t.TID = uint32(now)
		} else {
			atomic.StoreUint32(&t.TID, 0) // it had ended before the checkpoint
		}
	})
	if now, ok := tids[int(ctl.MainTID)]; ok {
		ctl.MainTID = uint32(now)
	}
	ctl.Owner = uint32(tids[int(ctl.Owner)]) // 0 if it has ended
	return ctl, nil
}
