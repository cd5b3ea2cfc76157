package task

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Tracer runs closures on one locked OS thread, the only thread from which the
// tasks it seized can be controlled.
//
// A child that was started with Attr.DieWithParent dies when the thread that
// started it ends, which is what Close does: keep such a Tracer for as long as
// the child shall live.
type Tracer struct {
	work chan func()
	done chan struct{}
}

// NewTracer starts the thread.
func NewTracer() *Tracer {
	t := &Tracer{work: make(chan func()), done: make(chan struct{})}
	go t.run()
	return t
}

func (t *Tracer) run() {
	// Never unlocked: the thread ends with the goroutine, and the kernel then
	// detaches whatever it still traces.
	runtime.LockOSThread()
	defer close(t.done)
	// Sleeps of microseconds shall not be rounded up to 50 µs.
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	for f := range t.work {
		f()
	}
}

// Do runs f on the tracer's thread and returns its error. It must not be
// called from within f, nor after Close.
func (t *Tracer) Do(f func() error) error {
	var err error
	ran := make(chan struct{})
	t.work <- func() {
		defer close(ran)
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("internal error while controlling a task: %v", r)
			}
		}()
		err = f()
	}
	<-ran
	return err
}

// Close ends the thread; tasks that are still attached are detached by the
// kernel.
func (t *Tracer) Close() {
	close(t.work)
	<-t.done
}
