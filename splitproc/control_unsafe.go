package splitproc

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"mana/shared"
	"mana/task"
)

// Addresses shared with stub/control.h.
const (
	CtlAddr = 0x2fff00000000
	CtlSize = 4 << 20
	ZoneLo  = 0x300000000000
	ZoneHi  = 0x400000000000

	controlName = "mana-control"

	ctlMagic   = 0x414e414d
	ctlVersion = 1
	maxThreads = 2048
	maxClocks  = 32768
	maxFDs     = 65536
	maxSites   = 65536
)

// ThreadState is where a thread of the program is (enum mana_thread_state).
type ThreadState uint32

const (
	Out    ThreadState = iota // in the program's own code
	In                        // in an MPI call
	Wait                      // in an interruptible point-to-point wait
	Coll                      // in a collective of the real library
	Parked                    // in the gate: may be frozen
	Held                      // waits for a peer in the real library outside of a collective
)

// InitState is how far the program's MPI is (enum mana_init_state).
type InitState uint32

const (
	NotInited InitState = iota
	Initing
	Inited
	Finalized
)

// What a clock slot holds (enum mana_clock_kind).
const (
	ClockFree  = 0
	ClockComm  = 1
	ClockGroup = 2
)

// TokensColl in Page.Tokens makes them good for collectives too.
const TokensColl = 1 << 31

// What becomes of code that the lower half maps (enum mana_code_state).
const (
	codeIdle    = 0
	codeAsked   = 1
	codeListed  = 2
	codeRefused = 3
)

// Requests of a program (enum mana_request).
const (
	ReqNone  = 0
	ReqLower = 1
)

// Page is the control page as stub/control.h lays it out; a test compares the
// two. Words that the program writes are read with atomic loads.
type Page struct {
	Magic, Version   uint32
	Doorbell         uint32
	Req, ReqTID, Rep uint32
	Pending          uint32
	Intr             uint32
	Tokens           uint32
	Lock             uint32
	Inited           uint32
	MainTID          uint32
	Rank, NRanks     int32
	ThreadLevel      int32
	NThreads         uint32
	NClocks          uint32
	Restarts         uint32
	FnDrain          uint64
	FnRestart        uint64
	CallStack        uint64
	LowerEntry       uint64
	LowerSP          uint64
	LowerTable       uint64
	ZoneCursor       uint64
	LowerTLSSelf     int64
	ErrMsg           [512]byte
	Lib              [64]byte
	ProgABI          [16]byte
	FnEntered        uint64
	Path             [64]byte
	Owner            uint32
	_                uint32
	CodeLock         uint32
	CodeState        uint32
	CodeFD           int32
	CodeCount        uint32
	CodeOff, CodeLen uint64
	CodeFrom         uint64
	Spare            [17]uint64
	LowerFDs         [maxFDs / 64]uint64
	Threads          [maxThreads]Thread
	Clocks           [maxClocks]Clock
	CodeSites        [maxSites]uint32
}

// Thread is one slot of the thread table.
type Thread struct {
	TID     uint32
	State   uint32
	LowerTP uint64
	Calls   uint64
	Spare   [5]uint64
}

// Clock is one slot of the clock table.
type Clock struct {
	GID      uint64
	Count    uint64
	Target   uint64
	Kind     uint32 // ClockFree, ClockComm or ClockGroup
	NMembers uint32
	Members  uint64 // address of int32 world ranks in the program
}

// Control is the agent's side of a control page.
type Control struct {
	*Page
	mem *shared.Memory
}

// NewControl makes an empty control page.
func NewControl() (*Control, error) {
	mem, err := shared.New(controlName, CtlSize)
	if err != nil {
		return nil, err
	}
	c := &Control{Page: (*Page)(unsafe.Pointer(&mem.Bytes[0])), mem: mem}
	c.Magic, c.Version = ctlMagic, ctlVersion
	shared.SetText(c.Path[:], mem.Path())
	c.ZoneCursor = ZoneLo
	return c, nil
}

// MapInto maps the page into a task that is stopped at its exec or in the gate.
func (c *Control) MapInto(t *task.Task) error { return c.mem.MapInto(t, CtlAddr) }

// Close unmaps the page here; the program keeps its own mapping.
func (c *Control) Close() {
	c.mem.Close()
	c.Page = nil
}

const clocksOffset = unsafe.Offsetof(Page{}.Clocks)

// Bytes is a copy of the page up to the last clock in use.
func (c *Control) Bytes() []byte {
	n := clocksOffset + uintptr(min(c.NClocks, maxClocks))*unsafe.Sizeof(Clock{})
	return append([]byte(nil), c.mem.Bytes[:n]...)
}

// Load fills the page with what Bytes returned.
func (c *Control) Load(b []byte) error {
	if len(b) < int(clocksOffset) || len(b) > len(c.mem.Bytes) {
		return fmt.Errorf("saved control page has %d bytes", len(b))
	}
	if m, v := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]); m != ctlMagic || v != ctlVersion {
		return fmt.Errorf("saved control page has magic %#x version %d, not %#x version %d", m, v, ctlMagic, ctlVersion)
	}
	copy(c.mem.Bytes, b)
	shared.SetText(c.Path[:], c.mem.Path())
	return nil
}

// WakeIntr bumps the interrupt word and wakes every parked thread.
func (c *Control) WakeIntr() {
	atomic.AddUint32(&c.Intr, 1)
	shared.Wake(&c.Intr)
}

// Reply answers the program's request.
func (c *Control) Reply(rep uint32) {
	atomic.StoreUint32(&c.Rep, rep)
	shared.Wake(&c.Rep)
}

// WaitDoorbell waits until the doorbell differs from last, or for the timeout,
// and returns its value.
func (c *Control) WaitDoorbell(last uint32, timeout time.Duration) uint32 {
	return shared.Wait(&c.Doorbell, last, timeout)
}
