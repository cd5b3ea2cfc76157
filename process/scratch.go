package process

import (
	"golang.org/x/sys/unix"

	"mana/task"
)

const (
	// scratchAddr is far from where the kernel puts anything by itself, so that
	// our memory never merges with a mapping of the program.
	scratchAddr = 0x2ffe00000000
	scratchSize = 64 << 10
)

// mapScratch lends the remote calls some memory in the process.
func (f *Frozen) mapScratch() error {
	leader := f.threads[0]
	a, err := leader.Mmap(scratchAddr, scratchSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, -1, 0)
	if err != nil {
		return err
	}
	f.own = task.Range{Addr: a, Len: scratchSize}
	leader.SetScratch(a, scratchSize)
	for _, t := range f.threads[1:] {
		t.Inherit(leader.Task)
	}
	return nil
}

func (f *Frozen) unmapScratch() error {
	if f.own.Len == 0 {
		return nil
	}
	err := f.threads[0].Munmap(f.own.Addr, f.own.Len)
	f.own = task.Range{}
	return err
}
