package splitproc

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"mana/shared"
	"mana/splitproc/fsuse"
	"mana/task"
)

// prefixGS makes an instruction use gs, in the place of the fs prefix.
const prefixGS = 0x65

// useGS makes the code of a file that has been mapped at base use gs where it
// used fs.
func useGS(t *task.Task, f *os.File, base uint64) error {
	sites, err := fsuse.Sites(f)
	if err != nil {
		return fmt.Errorf("find what uses fs: %w", err)
	}
	for _, s := range sites {
		if err := t.WriteMem(base+s.Addr, []byte{prefixGS}); err != nil {
			return err
		}
	}
	return nil
}

// ServeCode answers the lower half's questions about the code that it maps,
// until stop is called; pid tells whose lower half it is at the moment. It needs
// no tracing. An error has been told to the lower half too, which does without
// that library.
func (c *Control) ServeCode(pid func() int, warn func(error)) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			bell := atomic.LoadUint32(&c.Doorbell)
			if err := c.answerCode(pid()); err != nil {
				warn(err)
			}
			select {
			case <-over:
				return
			default:
				c.WaitDoorbell(bell, time.Second)
			}
		}
	}()
	return func() {
		close(over)
		atomic.AddUint32(&c.Doorbell, 1)
		shared.Wake(&c.Doorbell)
		<-done
	}
}

func (c *Control) answerCode(pid int) error {
	if atomic.LoadUint32(&c.CodeState) != codeAsked {
		return nil
	}
	path, err := c.listSites(pid)
	state := uint32(codeListed)
	if err != nil {
		state = codeRefused
		err = fmt.Errorf("%s cannot be used by the MPI library: %w", path, err)
	}
	atomic.StoreUint32(&c.CodeState, state)
	shared.Wake(&c.CodeState)
	return err
}

func (c *Control) listSites(pid int) (path string, err error) {
	c.CodeCount = 0
	link := fmt.Sprintf("/proc/%d/fd/%d", pid, c.CodeFD)
	if path, err = os.Readlink(link); err != nil {
		return link, err
	}
	f, err := os.Open(link)
	if err != nil {
		return path, err
	}
	defer f.Close()
	sites, err := fsuse.Sites(f)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return path, nil // code of another kind, for which nobody can tell
	}
	if err != nil {
		return path, err
	}
	for _, s := range sites {
		off := uint64(s.Off) - c.CodeOff
		if uint64(s.Off) >= c.CodeOff && off >= c.CodeFrom && off < c.CodeLen && c.CodeCount < maxSites {
			c.CodeSites[c.CodeCount] = uint32(off)
			c.CodeCount++
		}
	}
	return path, nil
}
