package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// restoreMemory rebuilds every mapping at its old address, writable, fills
// them, and only then sets protections and the rest.
func (r *Restored) restoreMemory() error {
	files := &openedFiles{r: r, fds: make(map[string]int)}
	for i := range r.State.VMAs {
		v := &r.State.VMAs[i]
		if err := r.mapVMA(v, files); err != nil {
			return fmt.Errorf("%s %#x-%#x %s: %w", v.Kind, v.Start, v.End, v.Name, err)
		}
	}
	if err := files.close(); err != nil {
		return err
	}
	if err := r.fillMemory(); err != nil {
		return err
	}
	for i := range r.State.VMAs {
		v := &r.State.VMAs[i]
		if err := r.finishVMA(v); err != nil {
			return fmt.Errorf("%s %#x-%#x %s: %w", v.Kind, v.Start, v.End, v.Name, err)
		}
	}
	return nil
}

const mapDroppable = 0x08 // MAP_DROPPABLE, include/uapi/linux/mman.h

// mapVMA makes the mapping. Those that get contents are writable for now.
func (r *Restored) mapVMA(v *VMA, files *openedFiles) error {
	prot := v.Prot
	if len(v.Runs) > 0 {
		prot |= unix.PROT_READ | unix.PROT_WRITE
	}
	flags := unix.MAP_FIXED_NOREPLACE
	if v.Has("nr") {
		flags |= unix.MAP_NORESERVE
	}
	fd, off := -1, uint64(0)
	switch v.Kind {
	case KindVDSO, KindVVar, KindVsyscall:
		return nil
	case KindAnon, KindStack:
		flags |= unix.MAP_ANONYMOUS
	case KindFilePrivate, KindFileShared:
		if v.Kind == KindFileShared && v.File != nil && v.File.Deleted {
			return r.mapShared(v, prot, flags)
		}
		n, err := files.open(v)
		switch {
		case err == nil:
			fd, off = n, v.Offset
		case v.Kind == KindFilePrivate && v.Whole:
			r.opt.Warn("the mapping of %s at %#x becomes anonymous memory: %v", v.Name, v.Start, err)
			flags |= unix.MAP_ANONYMOUS
			prot |= unix.PROT_WRITE
		default:
			return err
		}
	case KindSharedAnon:
		return r.mapShared(v, prot, flags)
	default:
		return errors.New("unknown kind of mapping")
	}
	flags |= mapType(v)
	_, err := r.main.Mmap(v.Start, v.Len(), prot, flags, fd, off)
	return err
}

// mapShared maps memory that is shared but has no name: anonymous, or of a file
// that was deleted.
func (r *Restored) mapShared(v *VMA, prot, flags int) error {
	if done, err := r.attach(v, prot); done || err != nil {
		return err
	}
	fd, err := r.sharedObject(v)
	if err != nil {
		return err
	}
	off := v.Offset
	if fd < 0 {
		flags |= unix.MAP_ANONYMOUS
		off = 0
	}
	_, err = r.main.Mmap(v.Start, v.Len(), prot, flags|mapType(v), fd, off)
	return err
}

func mapType(v *VMA) int {
	flags := unix.MAP_PRIVATE
	switch {
	case v.Shared:
		flags = unix.MAP_SHARED
	case v.Has("dp"):
		flags = mapDroppable
	}
	if v.Has("gd") || v.Kind == KindStack {
		flags |= unix.MAP_GROWSDOWN
	}
	return flags
}

// sharedObject returns the descriptor of the shared memory object behind the
// mapping, or -1 if nothing else refers to it, so that an anonymous shared
// mapping will do.
func (r *Restored) sharedObject(v *VMA) (int, error) {
	if fd, ok := r.shared[v.SharedID]; ok {
		return fd, nil
	}
	users, size := 0, uint64(0)
	for _, st := range r.states() {
		for i := range st.VMAs {
			if o := &st.VMAs[i]; o.Shared && o.SharedID == v.SharedID {
				users++
				size = max(size, o.Offset+o.Len())
			}
		}
	}
	if users < 2 || v.SharedID == "" {
		return -1, nil
	}
	fd, err := r.take("memory " + v.SharedID)
	if err == nil && fd < 0 {
		if fd, err = r.newMemfd("shared", int64(size)); err == nil {
			err = r.offer("memory "+v.SharedID, fd)
		}
	}
	if err == nil {
		r.shared[v.SharedID] = fd
	}
	return fd, err
}

// newMemfd makes a memfd of the given size above fdBase.
func (r *Restored) newMemfd(name string, size int64) (int, error) {
	const allowSealing = 2 // MFD_ALLOW_SEALING
	fd, err := r.main.MemfdCreate(name, allowSealing)
	if err != nil {
		return -1, fmt.Errorf("create memfd %s: %w", name, err)
	}
	if err := r.main.Ftruncate(fd, size); err != nil {
		return -1, fmt.Errorf("size memfd %s: %w", name, err)
	}
	return r.lift(fd)
}

// openedFiles keeps the descriptors through which files are mapped.
type openedFiles struct {
	r   *Restored
	fds map[string]int
}

// open returns a descriptor of the file behind v, opened in the husk.
func (o *openedFiles) open(v *VMA) (int, error) {
	if v.File == nil {
		return -1, errors.New("no file recorded")
	}
	key := fmt.Sprint(v.Kind, v.Has("mw"), v.File.Path)
	if fd, ok := o.fds[key]; ok {
		return fd, nil
	}
	if err := o.check(v); err != nil {
		return -1, err
	}
	mode := unix.O_RDONLY
	if v.Kind == KindFileShared && (v.Has("mw") || v.Prot&unix.PROT_WRITE != 0) {
		mode = unix.O_RDWR
	}
	fd, err := o.r.main.Openat(v.File.Path, mode, 0)
	if err != nil {
		return -1, err
	}
	if fd, err = o.r.lift(fd); err == nil {
		o.fds[key] = fd
	}
	return fd, err
}

// check makes sure that mapping the file gives what the program had. A private
// mapping needs the very same bytes; a shared one whose contents were saved
// only needs a file, which is made if there is none.
func (o *openedFiles) check(v *VMA) error {
	if v.Kind == KindFilePrivate {
		return sameFile(v.File)
	}
	if fi, err := os.Stat(v.File.Path); err == nil && !v.File.Deleted {
		if fi.Mode().IsRegular() && fi.Size() < v.File.Size && len(v.Runs) > 0 {
			return os.Truncate(v.File.Path, v.File.Size)
		}
		return nil
	} else if len(v.Runs) == 0 {
		return fmt.Errorf("the file mapped there is gone: %s", v.File.Path)
	}
	f, err := os.OpenFile(v.File.Path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(v.File.Size)
}

func (o *openedFiles) close() error {
	for _, fd := range o.fds {
		if err := o.r.main.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

const madvGuardInstall = 102 // include/uapi/asm-generic/mman-common.h, Linux 6.13

// advice are the VmFlags that madvise sets.
var advice = map[string]int{
	"sr": unix.MADV_SEQUENTIAL, "rr": unix.MADV_RANDOM, "dc": unix.MADV_DONTFORK, "dd": unix.MADV_DONTDUMP,
	"mg": unix.MADV_MERGEABLE, "hg": unix.MADV_HUGEPAGE, "nh": unix.MADV_NOHUGEPAGE, "wf": unix.MADV_WIPEONFORK,
}

// finishVMA sets what would have been in the way of filling.
func (r *Restored) finishVMA(v *VMA) error {
	switch v.Kind {
	case KindVDSO, KindVVar, KindVsyscall:
		return nil
	}
	for _, f := range v.Flags {
		a, ok := advice[f]
		if !ok || v.Has("dp") && f != "hg" && f != "nh" {
			continue // MAP_DROPPABLE implies wf and dd and refuses to hear of them
		}
		if err := r.main.Madvise(v.Start, v.Len(), a); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	for _, g := range v.Guards {
		if err := r.main.Madvise(g.Addr, g.Len, madvGuardInstall); err != nil {
			r.opt.Warn("the guard pages at %#x are lost: %v", g.Addr, err)
		}
	}
	if v.Has("lo") {
		onFault := 0
		if v.Has("lf") {
			onFault = 1 // MLOCK_ONFAULT
		}
		if err := r.main.Mlock2(v.Start, v.Len(), onFault); err != nil {
			r.opt.Warn("memory at %#x is not locked: %v", v.Start, err)
		}
	}
	if len(v.Runs) > 0 && v.Prot&(unix.PROT_READ|unix.PROT_WRITE) != unix.PROT_READ|unix.PROT_WRITE || v.Kind == KindFilePrivate && v.Whole {
		return r.main.Mprotect(v.Start, v.Len(), v.Prot)
	}
	return nil
}

// restoreLayout sets the addresses that /proc shows and brk uses (struct
// prctl_mm_map, include/uapi/linux/prctl.h).
func (r *Restored) restoreLayout() error {
	m := r.State.MM
	auxv := r.main.Scratch().Addr + pageSize
	if err := r.main.WriteMem(auxv, m.Auxv); err != nil {
		return err
	}
	err := r.main.SetMMMap(encodeMM(m, auxv))
	if errors.Is(err, unix.EINVAL) {
		// The kernel wants the data segment below the break; a static PIE's is
		// not. Nothing but /proc/PID/stat uses it.
		m.StartData, m.EndData = pageSize*16, pageSize*16
		err = r.main.SetMMMap(encodeMM(m, auxv))
	}
	return err
}

func encodeMM(m MM, auxv uint64) []byte {
	var b []byte
	for _, v := range []uint64{m.StartCode, m.EndCode, m.StartData, m.EndData, m.StartBrk, m.Brk, m.StartStack,
		m.ArgStart, m.ArgEnd, m.EnvStart, m.EnvEnd, auxv} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Auxv)))
	return binary.LittleEndian.AppendUint32(b, ^uint32(0)) // exe_fd: leave the link alone
}
