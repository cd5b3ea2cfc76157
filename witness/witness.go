// Package witness tells whether a signal that this process received went to its
// program too, as those of a terminal, of a launcher that signals a process
// group and of a batch system that signals all processes of a job do: passed on,
// they would arrive twice.
//
// The witness is a child that stands still before its first instruction, next
// to the program in the process tree and in this process' group: what is sent
// to many stays pending in it.
package witness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"mana/task"
)

// Witness is one for the process that made it.
type Witness struct {
	tracer *task.Tracer
	task   atomic.Pointer[task.Task] // nil if there is none
}

// A sender signals this process and the witness one after the other. It is given
// looks glances at the witness: on a busy machine, where the sender waits for its
// turn, the naps between them last longer too.
const (
	looks = 40
	nap   = 5 * time.Millisecond
)

// New makes a witness that is not there yet, to be traced by tracer.
func New(tracer *task.Tracer) *Witness { return &Witness{tracer: tracer} }

// Start starts it. Without it every signal counts as sent to this process alone.
func (w *Witness) Start() error {
	return w.tracer.Do(func() error {
		t, err := task.SpawnTraced("/proc/self/exe", []string{"mana: signal witness"}, nil,
			task.Attr{DieWithParent: true, Files: []uintptr{}})
		if err != nil {
			return fmt.Errorf("start a witness of signals: %w", err)
		}
		w.task.Store(t)
		return nil
	})
}

// Stop ends it.
func (w *Witness) Stop() {
	t := w.task.Swap(nil)
	if t == nil {
		return
	}
	w.tracer.Do(func() error {
		t.Kill()
		return t.Reap(time.Second)
	})
}

// Is reports whether pid is the witness, which is no part of the program.
func (w *Witness) Is(pid int) bool {
	t := w.task.Load()
	return t != nil && t.TID == pid
}

// Sort passes on to out what was sent to this process alone.
func (w *Witness) Sort(in <-chan os.Signal, out chan<- syscall.Signal) {
	for s := range in {
		if sig := s.(syscall.Signal); !w.saw(sig) {
			out <- sig
		}
	}
}

// saw reports whether the signal went to others too, and makes the witness
// forget it.
func (w *Witness) saw(sig syscall.Signal) bool {
	t := w.task.Load()
	if t == nil {
		return false
	}
	for n := 0; pendingIn(t.TID)>>(sig-1)&1 == 0; n++ {
		if n == looks {
			return false
		}
		time.Sleep(nap)
	}
	if err := w.tracer.Do(func() error { return t.TakeSignal(sig) }); err != nil {
		w.Stop() // one that cannot forget would swallow the next signal
	}
	return true
}

// pendingIn is the set of signals that are pending for a process.
func pendingIn(pid int) (set uint64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
			set, _ = strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	return set
}
