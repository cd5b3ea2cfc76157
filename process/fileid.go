package process

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// identifyFiles completes the identity of the program and of all mapped files,
// so that a restart can tell whether they are still the same. A file that cannot
// be found under its name counts as deleted: its pages are saved.
func (c *collector) identifyFiles() {
	exe := fmt.Sprintf("/proc/%d/exe", c.pid)
	var st unix.Stat_t
	if unix.Stat(exe, &st) == nil {
		fill(&c.st.Exe, &st)
		c.st.Exe.BuildID = buildID(exe)
	} else if unix.Stat(c.st.Exe.Path, &st) == nil { // it has ended since
		fill(&c.st.Exe, &st)
		c.st.Exe.BuildID = buildID(c.st.Exe.Path)
	}
	known := map[string]*FileID{}
	for i := range c.st.VMAs {
		v := &c.st.VMAs[i]
		if v.Kind != KindFilePrivate && v.Kind != KindFileShared {
			continue
		}
		id := v.File
		if k := known[v.Name]; k != nil && k.Inode == id.Inode {
			*id = *k
			continue
		}
		identify(id)
		known[v.Name] = id
	}
}

// identify looks the file up by its name. The device that maps shows is not
// always the one that stat shows (btrfs, overlays), so the inode decides.
func identify(id *FileID) {
	var st unix.Stat_t
	if id.Deleted || unix.Stat(id.Path, &st) != nil || st.Ino != id.Inode {
		id.Deleted = true
		return
	}
	fill(id, &st)
	id.BuildID = buildID(id.Path)
}

func fill(id *FileID, st *unix.Stat_t) {
	id.Dev, id.Inode, id.Size, id.MtimeNs = st.Dev, st.Ino, st.Size, st.Mtim.Nano()
}

// buildID returns the GNU build id of an ELF file, "" if it has none.
func buildID(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	e, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	s := e.Section(".note.gnu.build-id")
	if s == nil {
		return ""
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 { // name and descriptor size, type, "GNU\0"
		return ""
	}
	return hex.EncodeToString(b[16:])
}
