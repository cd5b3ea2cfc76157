package aware

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"mana/shared"
	"mana/task"
)

// Where the board lies in a program (lib/board.h).
const (
	Addr = 0x2ffd00000000
	Size = 8192

	magic = 0x57414e4d
	name  = "mana-board"
)

// board is the memory as lib/board.h lays it out; a test compares the two.
type board struct {
	Magic      uint32
	Doorbell   uint32
	Wanted     uint32
	Disabled   uint32
	Turn       uint32
	Pending    uint32
	Served     uint32
	Good       uint32
	Begun      uint32
	Generation uint32
	Taken      uint32
	Life       uint32
	Dir        [4096]byte
	Image      [2048]byte
	UPID       [128]byte
}

// Board is the agent's side of the memory through which it and its program
// speak of checkpoints.
type Board struct {
	b   *board
	mem *shared.Memory
}

// New makes a board.
func New() (*Board, error) {
	mem, err := shared.New(name, Size)
	if err != nil {
		return nil, err
	}
	b := &Board{b: (*board)(unsafe.Pointer(&mem.Bytes[0])), mem: mem}
	b.b.Magic = magic
	return b, nil
}

// Close unmaps the board here.
func (b *Board) Close() { b.mem.Close() }

// MapInto maps the board into a stopped task.
func (b *Board) MapInto(t *task.Task) error { return b.mem.MapInto(t, Addr) }

// Mapped tells whether a process has a board.
func Mapped(pid int) bool { return shared.Mapped(pid, name) }

// Tell says what the program can ask for: the directory and path of its image, its id.
func (b *Board) Tell(dir, image, upid string) {
	shared.SetText(b.b.Dir[:], dir)
	shared.SetText(b.b.Image[:], image)
	shared.SetText(b.b.UPID[:], upid)
}

// Wait waits until the program wants something, or for the timeout. It takes
// and returns the doorbell's value.
func (b *Board) Wait(last uint32, timeout time.Duration) uint32 {
	return shared.Wait(&b.b.Doorbell, last, timeout)
}

// Wanted is how many checkpoints the program has asked for so far.
func (b *Board) Wanted() uint32 { return atomic.LoadUint32(&b.b.Wanted) }

// Disabled tells whether the program forbids checkpoints at the moment.
func (b *Board) Disabled() bool { return atomic.LoadUint32(&b.b.Disabled) != 0 }

// Announce says that a checkpoint is coming: from now on it cannot be forbidden any more.
func (b *Board) Announce() {
	atomic.StoreUint32(&b.b.Pending, 1)
	b.turn()
}

// Taken says that the program has been copied, or will not be.
func (b *Board) Taken() {
	atomic.StoreUint32(&b.b.Pending, 0)
	b.turn()
}

// End says how a checkpoint ended that serves all wishes up to wanted; generation 0: it failed.
func (b *Board) End(wanted uint32, generation int) {
	if generation > 0 {
		b.b.Taken++
		atomic.StoreUint32(&b.b.Generation, uint32(generation))
		atomic.StoreUint32(&b.b.Good, wanted)
	}
	atomic.StoreUint32(&b.b.Served, wanted)
	b.Taken()
}

// LetMove lets calls come back that wait for the checkpoint under way: what
// the program does next is needed for it to be taken.
func (b *Board) LetMove() {
	if n := b.Wanted(); atomic.LoadUint32(&b.b.Begun) != n {
		atomic.StoreUint32(&b.b.Begun, n)
		b.turn()
	}
}

func (b *Board) turn() {
	atomic.AddUint32(&b.b.Turn, 1)
	shared.Wake(&b.b.Turn)
}

// saved is what an image keeps of a board.
type saved struct {
	Turn, Wanted, Taken, Life uint32
}

// Save returns what an image keeps of the board.
func (b *Board) Save() (json.RawMessage, error) {
	return json.Marshal(saved{Turn: b.b.Turn, Wanted: b.Wanted(), Taken: b.b.Taken, Life: b.b.Life})
}

// Revive continues what the image of a process in a generation has kept: whoever
// waits for a checkpoint there sees that it has been restarted. Processes that
// had boards of their own have one from now on.
func (b *Board) Revive(image json.RawMessage, generation int) error {
	var s saved
	if err := json.Unmarshal(image, &s); err != nil {
		return fmt.Errorf("read what the image says of the program's board: %w", err)
	}
	b.b.Turn, b.b.Life = max(b.b.Turn, s.Turn+1), max(b.b.Life, s.Life+1)
	b.b.Wanted, b.b.Taken = max(b.b.Wanted, s.Wanted), max(b.b.Taken, s.Taken+1)
	b.b.Served, b.b.Good, b.b.Begun, b.b.Generation = b.b.Wanted, b.b.Wanted, b.b.Wanted, uint32(generation)
	return nil
}
