package process

import (
	"fmt"

	"mana/task"

	"golang.org/x/sys/unix"
)

// restoreVDSO gives the process a vdso of the running kernel: at the old place
// if its functions lie where the program expects them, else anywhere, with
// jumps to it in the saved one.
func (r *Restored) restoreVDSO() error {
	v := &r.State.VDSO
	if v.Range.Len == 0 {
		return nil
	}
	saved, err := vdsoSymbols(v.Image)
	if err != nil {
		return err
	}
	lo := v.Range.Addr
	if v.VVar.Len > 0 {
		lo = min(lo, v.VVar.Addr)
	}
	fresh, vvar, err := r.freshVDSO(lo)
	if err != nil {
		return err
	}
	image := make([]byte, fresh.Len)
	if err := r.main.ReadMem(fresh.Addr, image); err != nil {
		return err
	}
	now, err := vdsoSymbols(image)
	if err != nil {
		return err
	}
	if fresh.Addr == v.Range.Addr && fresh.Len == v.Range.Len && sameVdso(saved, now) {
		return nil
	}
	if fresh, err = r.moveVDSO(fresh, vvar); err != nil {
		return err
	}
	return r.layJumps(saved, now, fresh.Addr)
}

// freshVDSO maps a vdso, at lo if possible, or finds the sealed one that could
// not be removed.
func (r *Restored) freshVDSO(lo uint64) (vdso, vvar task.Range, err error) {
	if vdso, vvar, err = findVDSO(r.main.TID); err != nil || vdso.Len > 0 {
		return
	}
	if err = r.main.MapVDSO(lo); err != nil {
		return
	}
	if vdso, vvar, err = findVDSO(r.main.TID); err == nil && vdso.Len == 0 {
		err = fmt.Errorf("no vdso in process %d after mapping one", r.main.TID)
	}
	return
}

func findVDSO(tid int) (vdso, vvar task.Range, err error) {
	maps, err := parseProcMaps(tid)
	if err != nil {
		return
	}
	for _, m := range maps {
		switch m.Kind {
		case KindVDSO:
			vdso = task.Range{Addr: m.Start, Len: m.Len()}
		case KindVVar:
			if vvar.Len == 0 {
				vvar.Addr = m.Start
			}
			vvar.Len = m.End - vvar.Addr
		}
	}
	return
}

// moveVDSO takes the fresh vdso and its data out of the way of the program's
// memory by mapping it again where nothing was.
func (r *Restored) moveVDSO(vdso, vvar task.Range) (task.Range, error) {
	lo, hi := min(vdso.Addr, vvar.Addr), max(vdso.Addr+vdso.Len, vvar.Addr+vvar.Len)
	if vvar.Len == 0 {
		lo, hi = vdso.Addr, vdso.Addr+vdso.Len
	}
	own, err := parseProcMaps(r.main.TID)
	if err != nil {
		return vdso, err
	}
	if !r.overlapsSaved(lo, hi) {
		return vdso, nil
	}
	to, err := r.freeRange(hi-lo, own)
	if err != nil {
		return vdso, err
	}
	if err := r.main.Munmap(lo, hi-lo); err != nil {
		return vdso, err
	}
	if err := r.main.MapVDSO(to); err != nil {
		return vdso, err
	}
	moved, _, err := findVDSO(r.main.TID)
	return moved, err
}

func (r *Restored) overlapsSaved(lo, hi uint64) bool {
	for i := range r.State.VMAs {
		if v := &r.State.VMAs[i]; v.Start < hi && lo < v.End {
			return true
		}
	}
	return false
}

func (r *Restored) layJumps(saved, now map[string]uint64, base uint64) error {
	v := &r.State.VDSO
	image, err := patchVdso(v.Image, saved, now, base)
	if err != nil {
		return err
	}
	if _, err := r.main.Mmap(v.Range.Addr, v.Range.Len, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED_NOREPLACE, -1, 0); err != nil {
		return err
	}
	if err := r.main.WriteMem(v.Range.Addr, image); err != nil {
		return err
	}
	return r.main.Mprotect(v.Range.Addr, v.Range.Len, unix.PROT_READ|unix.PROT_EXEC)
}
