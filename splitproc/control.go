package splitproc

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"mana/shared"
)

// Err is the reason that the program's side left in the page.
func (c *Control) Err() string {
	return cString(c.ErrMsg[:])
}

// ABI is the program's MPI ABI: mpich, ompi or std; empty before its stub ran.
func (c *Control) ABI() string { return cString(c.ProgABI[:]) }

// Library names the real library and its version, once it is loaded.
func (c *Control) Library() string { return cString(c.Lib[:]) }

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// SetErr leaves a reason for the program's side, cut to what fits.
func (c *Control) SetErr(reason string) {
	shared.SetText(c.ErrMsg[:], reason)
}

// State is how far the program's MPI is.
func (c *Control) State() InitState { return InitState(atomic.LoadUint32(&c.Inited)) }

// EachThread calls f for every thread slot in use.
func (c *Control) EachThread(f func(t *Thread)) {
	n := min(atomic.LoadUint32(&c.NThreads), maxThreads)
	for i := range c.Threads[:n] {
		if t := &c.Threads[i]; atomic.LoadUint32(&t.TID) != 0 {
			f(t)
		}
	}
}

// LowerTP is the thread pointer that a thread of the program has in the lower half, 0 for none.
func (c *Control) LowerTP(tid uint32) (tp uint64) {
	c.EachThread(func(t *Thread) {
		if t.TID == tid {
			tp = atomic.LoadUint64(&t.LowerTP)
		}
	})
	return tp
}

// At is the thread's state at this moment.
func (t *Thread) At() ThreadState { return ThreadState(atomic.LoadUint32(&t.State)) }

// LowerFD tells whether a descriptor belongs to the lower half.
func (c *Control) LowerFD(fd int) bool {
	return fd >= 0 && fd < maxFDs && atomic.LoadUint64(&c.LowerFDs[fd/64])>>(fd%64)&1 != 0
}

// MarkLowerFD records that a descriptor belongs to the lower half.
func (c *Control) MarkLowerFD(fd int) {
	if fd >= 0 && fd < maxFDs {
		atomic.OrUint64(&c.LowerFDs[fd/64], 1<<(fd%64))
	}
}

// errLock is how a lock that nobody gives back shows.
var errLock = errors.New("the program holds the lock of its control page")

// WithLock runs f under the lock that the stub holds while it changes the
// clock and thread tables; the stub never holds it across a call.
func (c *Control) WithLock(f func() error) error {
	deadline := time.Now().Add(10 * time.Second)
	for !atomic.CompareAndSwapUint32(&c.Lock, 0, 1) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited 10 s: %w", errLock)
		}
		runtime.Gosched()
	}
	defer atomic.StoreUint32(&c.Lock, 0)
	return f()
}
