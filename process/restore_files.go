package process

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// opener rebuilds one open file description of its kind and returns a
// descriptor of it above fdBase, or errLeft.
type opener func(*Restored, *File) (int, error)

// Set in init because openers refer to Restored's methods, which refer to it.
var openers map[FileKind]opener

func init() {
	openers = map[FileKind]opener{
		FileRegular:  (*Restored).openRegularOrStdio,
		FileDir:      (*Restored).openPath,
		FileChar:     (*Restored).openPath,
		FilePath:     (*Restored).openPath,
		FileFIFO:     (*Restored).openFIFO,
		FilePipe:     (*Restored).openPipe,
		FileTTY:      (*Restored).openTTY,
		FileEventFD:  (*Restored).openEventFD,
		FileTimerFD:  (*Restored).openTimerFD,
		FileSignalFD: (*Restored).openSignalFD,
		FileEpoll:    (*Restored).openEpoll,
		FileInotify:  (*Restored).openInotify,
		FileMemFD:    (*Restored).openMemFD,
		FileSocket:   (*Restored).openSocket,
		FilePIDFD:    (*Restored).openPIDFD,
		FileMQueue:   (*Restored).openMQueue,
	}
}

// restoreFiles rebuilds the descriptor table. What came with the husk is first
// moved out of the way.
func (r *Restored) restoreFiles() error {
	r.fdBase = r.fam.sockFD + 1
	for i := range r.State.Files {
		r.fdBase = max(r.fdBase, r.State.Files[i].FD+1)
	}
	if err := r.moveAside(); err != nil {
		return err
	}
	if err := r.main.CloseRange(0, uint32(r.fdBase-1)); err != nil {
		return fmt.Errorf("close inherited descriptors: %w", err)
	}
	byDescription := make(map[int]int)
	for i := range r.State.Files {
		f := &r.State.Files[i]
		if err := r.restoreFile(f, byDescription); err != nil {
			return fmt.Errorf("fd %d (%s): %w", f.FD, f.Link, err)
		}
	}
	for i := range r.State.Files {
		if err := r.finishFile(&r.State.Files[i]); err != nil {
			return err
		}
	}
	return nil
}

// moveAside moves what came with the husk above fdBase.
func (r *Restored) moveAside() error {
	for fd := range 3 {
		n, err := r.main.Fcntl(fd, unix.F_DUPFD, uint64(r.fdBase))
		if err != nil {
			return fmt.Errorf("move fd %d: %w", fd, err)
		}
		r.stdioFDs[fd] = int(n)
	}
	sock, err := r.main.Fcntl(r.fam.sockFD, unix.F_DUPFD, uint64(r.fdBase))
	if err != nil {
		return fmt.Errorf("move fd %d: %w", r.fam.sockFD, err)
	}
	r.sock = int(sock)
	for _, fd := range r.keep {
		n, err := r.main.Fcntl(fd, unix.F_DUPFD, uint64(r.fdBase))
		if err != nil {
			return fmt.Errorf("keep fd %d of the launcher: %w", fd, err)
		}
		r.kept[fd] = int(n)
	}
	return nil
}

// restoreFile puts a descriptor in its place, sharing the description with an
// earlier one if the program did.
func (r *Restored) restoreFile(f *File, byDescription map[int]int) error {
	if from, ok := byDescription[f.Description]; ok {
		if from < 0 {
			return nil // left closed, and said so
		}
		return r.place(from, f)
	}
	fd, err := r.take(f.Shared)
	if open := openers[f.Kind]; fd < 0 && err == nil && open != nil {
		if fd, err = open(r, f); err == nil && fd >= 0 {
			err = r.offer(f.Shared, fd)
		}
	}
	if err != nil {
		return err
	}
	if fd < 0 {
		r.opt.Warn("fd %d (%s) cannot be restored and is closed", f.FD, f.Link)
		byDescription[f.Description] = -1
		return nil
	}
	if err := r.place(fd, f); err != nil {
		return err
	}
	byDescription[f.Description] = f.FD
	return r.main.Close(fd)
}

func (r *Restored) place(from int, f *File) error {
	flags := 0
	if f.CloseOnExec {
		flags = unix.O_CLOEXEC
	}
	return r.main.Dup3(from, f.FD, flags)
}

// lift moves a descriptor above fdBase, out of the way of the program's.
func (r *Restored) lift(fd int) (int, error) {
	if fd >= r.fdBase {
		return fd, nil
	}
	n, err := r.main.Fcntl(fd, unix.F_DUPFD_CLOEXEC, uint64(r.fdBase))
	if err != nil {
		return -1, fmt.Errorf("duplicate fd %d: %w", fd, err)
	}
	return int(n), r.main.Close(fd)
}

// finishFile sets what needs all descriptors in place: epoll registrations,
// locks, and the owner to signal.
func (r *Restored) finishFile(f *File) error {
	if !r.isOpen(f.FD) {
		return nil
	}
	for _, e := range f.Epoll {
		err := r.main.EpollCtl(f.FD, unix.EPOLL_CTL_ADD, e.FD, e.Events, e.Data)
		if err != nil && !errors.Is(err, unix.EEXIST) { // another process shares the set
			r.opt.Warn("fd %d is no longer in the epoll set %d: %v", e.FD, f.FD, err)
		}
	}
	for _, l := range f.Locks {
		if err := r.lock(f, l); err != nil {
			r.opt.Warn("the %s lock on %s is not taken again: %v", l.Type, f.Path, err)
		}
	}
	if f.Owner != nil {
		return r.setOwner(f)
	}
	return nil
}

func (r *Restored) isOpen(fd int) bool {
	_, err := r.main.Fcntl(fd, unix.F_GETFD, 0)
	return err == nil
}

// closeOwn closes what the rebuilding needed itself and puts the descriptors
// to keep back under their numbers; one whose number the program owns stays
// above the program's.
func (r *Restored) closeOwn() error {
	var high []int
	for fd, n := range r.kept {
		if slices.ContainsFunc(r.State.Files, func(f File) bool { return f.FD == fd }) {
			high = append(high, n)
			continue
		}
		if err := r.main.Dup3(n, fd, 0); err != nil {
			return fmt.Errorf("keep fd %d of the launcher: %w", fd, err)
		}
		r.kept[fd] = fd
	}
	slices.Sort(high)
	from := r.fdBase
	for _, n := range high {
		if n > from {
			if err := r.main.CloseRange(uint32(from), uint32(n-1)); err != nil {
				return fmt.Errorf("close descriptors from %d: %w", from, err)
			}
		}
		from = n + 1
	}
	if err := r.main.CloseRange(uint32(from), ^uint32(0)); err != nil {
		return fmt.Errorf("close descriptors from %d: %w", from, err)
	}
	return nil
}

// Kept maps each descriptor of Saved.Keep to its number in the
// rebuilt process.
func (r *Restored) Kept() map[int]int { return r.kept }
