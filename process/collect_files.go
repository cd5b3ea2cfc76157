package process

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mana/task"
)

// openFile is a descriptor while it is collected.
type openFile struct {
	File
	info []byte // fdinfo
	uid  uint32 // of the file
	dup  int    // our own copy of the descriptor, -1 until needed
}

// fileReaders read what is particular to a kind of file, once per open file
// description.
var fileReaders = map[FileKind]func(*collector, *openFile) error{
	FileRegular:  (*collector).regular,
	FileMemFD:    (*collector).memfd,
	FilePipe:     (*collector).pipe,
	FileFIFO:     (*collector).pipe,
	FileTTY:      (*collector).tty,
	FileSocket:   (*collector).socket,
	FileEventFD:  (*collector).eventfd,
	FileEpoll:    (*collector).epoll,
	FileTimerFD:  (*collector).timerfd,
	FileSignalFD: (*collector).signalfd,
	FileInotify:  (*collector).inotify,
	FilePIDFD:    (*collector).pidfdTarget,
	FileMQueue:   (*collector).mqueue,
}

// descriptors reads the table of open files.
func (c *collector) descriptors() error {
	open, err := c.openFiles()
	if err != nil {
		return err
	}
	describe(c.pid, open)
	seen := map[int]bool{}
	for _, o := range open {
		if read := fileReaders[o.Kind]; read != nil && !seen[o.Description] {
			if err := read(c, o); err != nil {
				return fmt.Errorf("fd %d (%s): %w", o.FD, o.Link, err)
			}
		}
		seen[o.Description] = true
		if o.dup >= 0 {
			unix.Close(o.dup)
		}
		c.st.Files = append(c.st.Files, o.File)
	}
	c.pipePeers()
	c.socketPeers()
	c.epollMembers()
	return nil
}

func (c *collector) openFiles() ([]*openFile, error) {
	fds, err := descriptors(c.pid)
	if err != nil {
		return nil, err
	}
	var open []*openFile
	for _, fd := range fds {
		if c.f.opts.lowerFD(fd) {
			continue
		}
		o, err := c.openFile(fd)
		if err != nil {
			return nil, fmt.Errorf("fd %d: %w", fd, err)
		}
		open = append(open, o)
	}
	slices.SortFunc(open, func(a, b *openFile) int { return a.FD - b.FD })
	return open, nil
}

func (c *collector) openFile(fd int) (*openFile, error) {
	o := &openFile{File: File{FD: fd}, dup: -1}
	path := "/proc/" + strconv.Itoa(c.pid) + "/fd/" + strconv.Itoa(fd)
	var err error
	if o.Link, err = os.Readlink(path); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	o.Dev, o.Inode, o.Rdev, o.Mode = st.Dev, st.Ino, st.Rdev, st.Mode
	o.Size, o.MtimeNs, o.uid = st.Size, st.Mtim.Nano(), st.Uid
	if o.info, err = readProc(c.pid, "fdinfo/"+strconv.Itoa(fd)); err != nil {
		return nil, err
	}
	if err := o.parseInfo(); err != nil {
		return nil, err
	}
	if o.Flags&unix.O_ASYNC != 0 {
		if o.Owner, err = c.owner(fd); err != nil {
			return nil, err
		}
	}
	o.Kind = fileKind(o.Link, st.Mode, st.Rdev, o.Flags)
	if o.Kind == FileRegular && isMQueue(path) {
		o.Kind = FileMQueue
	}
	if path, cut := strings.CutSuffix(o.Link, " (deleted)"); strings.HasPrefix(o.Link, "/") {
		o.Path, o.Deleted = path, cut && st.Nlink == 0
	}
	return o, nil
}

// owner asks who is sent a signal when something can be read or written, which the
// program has to do itself: the numbers are those of its pid namespace.
func (c *collector) owner(fd int) (*Owner, error) {
	b, err := c.leader().FcntlOut(fd, unix.F_GETOWN_EX, 8) // struct f_owner_ex
	if err != nil {
		return nil, fmt.Errorf("ask for its owner: %w", err)
	}
	sig, err := c.leader().Fcntl(fd, unix.F_GETSIG, 0)
	if err != nil {
		return nil, fmt.Errorf("ask for its signal: %w", err)
	}
	le := binary.LittleEndian
	return &Owner{Type: int(int32(le.Uint32(b))), ID: int(int32(le.Uint32(b[4:]))), Signal: int(sig)}, nil
}

// parseInfo reads the lines of fdinfo that all files have.
func (o *openFile) parseInfo() error {
	f := fields(o.info)
	pos, e1 := strconv.ParseInt(f["pos"], 10, 64)
	flags, e2 := strconv.ParseUint(f["flags"], 8, 32)
	if e1 != nil || e2 != nil {
		return fmt.Errorf("malformed fdinfo %q", o.info)
	}
	o.Pos, o.Flags = pos, int(flags)&^unix.O_CLOEXEC
	o.CloseOnExec = flags&unix.O_CLOEXEC != 0
	for _, l := range strings.Split(string(o.info), "\n") {
		if v, ok := strings.CutPrefix(l, "lock:"); ok {
			if k, ok := parseLock(v); ok {
				o.Locks = append(o.Locks, k)
			}
		}
	}
	return nil
}

// parseLock reads "\t1: FLOCK  ADVISORY  WRITE 1234 fe:00:99 0 EOF".
func parseLock(s string) (Lock, bool) {
	f := strings.Fields(s)
	if len(f) < 8 {
		return Lock{}, false
	}
	start, err := strconv.ParseInt(f[6], 10, 64)
	k := Lock{Type: f[1], Write: f[3] == "WRITE", Start: start, End: -1}
	if f[7] != "EOF" {
		k.End, _ = strconv.ParseInt(f[7], 10, 64)
	}
	return k, err == nil
}

var anonKinds = map[string]FileKind{"[eventfd]": FileEventFD, "[eventpoll]": FileEpoll, "[timerfd]": FileTimerFD,
	"[signalfd]": FileSignalFD, "inotify": FileInotify, "[pidfd]": FilePIDFD}

// fileKind tells the kind of a file from the link in /proc/PID/fd and its mode.
func fileKind(link string, mode uint32, rdev uint64, flags int) FileKind {
	if flags&unix.O_PATH != 0 {
		return FilePath
	}
	if a, ok := strings.CutPrefix(link, "anon_inode:"); ok {
		if k, ok := anonKinds[a]; ok {
			return k
		}
		return FileOther
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		if strings.HasPrefix(link, "/memfd:") {
			return FileMemFD
		}
		return FileRegular
	case unix.S_IFDIR:
		return FileDir
	case unix.S_IFIFO:
		if strings.HasPrefix(link, "pipe:") {
			return FilePipe
		}
		return FileFIFO
	case unix.S_IFSOCK:
		return FileSocket
	case unix.S_IFCHR:
		if ttyMajor(unix.Major(rdev)) {
			return FileTTY
		}
		return FileChar
	}
	if strings.HasPrefix(link, "pidfd:") || strings.HasPrefix(link, "/pidfd") {
		return FilePIDFD
	}
	return FileOther
}

// ttyMajor: 4 and 5 are consoles and /dev/tty, 136 to 143 pseudo-terminals.
func ttyMajor(major uint32) bool { return major == 4 || major == 5 || major >= 136 && major <= 143 }

// describe numbers the open file descriptions: descriptors get the same number
// if they share one.
func describe(pid int, open []*openFile) {
	order := slices.Clone(open)
	compare := func(a, b *openFile) int {
		if a.FD == b.FD {
			return 0
		}
		if k := strings.Compare(a.Link, b.Link); k != 0 {
			return k
		}
		if k, err := task.CompareFiles(pid, a.FD, pid, b.FD); err == nil {
			return k
		}
		return a.FD - b.FD // kcmp is not permitted: take them as different
	}
	slices.SortStableFunc(order, compare)
	for i, o := range order {
		o.Description = o.FD
		if i > 0 && order[i-1].FD != o.FD && compare(order[i-1], o) == 0 {
			o.Description = order[i-1].Description
		}
	}
	first := map[int]int{} // the lowest descriptor names the description
	for _, o := range open {
		if _, ok := first[o.Description]; !ok {
			first[o.Description] = o.FD
		}
		o.Description = first[o.Description]
	}
}

// copyOf returns our own descriptor of the same open file description.
func (c *collector) copyOf(o *openFile) (int, error) {
	if o.dup >= 0 {
		return o.dup, nil
	}
	p, err := unix.PidfdOpen(c.pid, 0)
	if err != nil {
		return -1, fmt.Errorf("open a pidfd: %w", err)
	}
	defer unix.Close(p)
	if o.dup, err = unix.PidfdGetfd(p, o.FD, 0); err != nil {
		return -1, fmt.Errorf("copy the descriptor: %w", err)
	}
	return o.dup, nil
}
