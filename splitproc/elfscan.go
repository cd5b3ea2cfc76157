package splitproc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
)

// object is what the search for libraries needs to know of an ELF file.
type object struct {
	path           string
	needed         []string
	rpath, runpath []string
	static         bool // no dynamic section, or no interpreter and nothing needed
	parent         *object
}

// openObject reads the dynamic section of an x86-64 ELF file.
func openObject(path string, parent *object) (*object, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o := &object{path: path, parent: parent}
	o.needed, _ = f.DynString(elf.DT_NEEDED)
	o.rpath = searchPath(f, elf.DT_RPATH, path)
	o.runpath = searchPath(f, elf.DT_RUNPATH, path)
	o.static = len(o.needed) == 0 && f.Section(".interp") == nil
	return o, nil
}

func searchPath(f *elf.File, tag elf.DynTag, path string) []string {
	vals, _ := f.DynString(tag)
	var dirs []string
	for _, v := range vals {
		v = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path),
			"$LIB", "lib64", "${LIB}", "lib64", "$PLATFORM", "x86_64", "${PLATFORM}", "x86_64").Replace(v)
		dirs = append(dirs, strings.Split(v, ":")...)
	}
	return dirs
}

// definesMPI tells whether a program contains an MPI library.
func definesMPI(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	syms, _ := f.Symbols()
	dynamic, _ := f.DynamicSymbols() // what is left of a stripped program that exports its symbols
	for _, s := range append(syms, dynamic...) {
		if (s.Name == "MPI_Init" || s.Name == "PMPI_Init") && s.Section != elf.SHN_UNDEF {
			return true
		}
	}
	return false
}

// finder resolves library names as ld.so(8) does.
type finder struct {
	env   []string // LD_LIBRARY_PATH
	cache map[string][]string
}

var defaultDirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

func newFinder(ldLibraryPath string) *finder {
	f := &finder{cache: map[string][]string{}}
	if ldLibraryPath != "" {
		f.env = strings.FieldsFunc(ldLibraryPath, func(r rune) bool { return r == ':' || r == ';' })
	}
	if b, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		f.cache = parseCache(b)
	}
	return f
}

// find returns the path of a library that object o needs, "" if there is none.
func (f *finder) find(name string, o *object) string {
	if strings.Contains(name, "/") {
		return usable(name)
	}
	var dirs []string
	if o != nil && len(o.runpath) == 0 {
		for p := o; p != nil; p = p.parent {
			dirs = append(dirs, p.rpath...)
		}
	}
	dirs = append(dirs, f.env...)
	if o != nil {
		dirs = append(dirs, o.runpath...)
	}
	for _, d := range dirs {
		if p := usable(filepath.Join(d, name)); p != "" {
			return p
		}
	}
	for _, p := range f.cache[name] {
		if usable(p) != "" {
			return p
		}
	}
	for _, d := range defaultDirs {
		if p := usable(filepath.Join(d, name)); p != "" {
			return p
		}
	}
	return ""
}

// usable returns path if it is an ELF file for this machine.
func usable(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var h [20]byte
	if _, err := f.ReadAt(h[:], 0); err != nil || string(h[:4]) != elf.ELFMAG ||
		h[elf.EI_CLASS] != byte(elf.ELFCLASS64) || elf.Machine(binary.LittleEndian.Uint16(h[18:])) != elf.EM_X86_64 {
		return ""
	}
	return path
}

// parseCache reads the "glibc-ld.so.cache1.1" format (glibc, sysdeps/generic/
// dl-cache.h), which may follow the older one.
func parseCache(b []byte) map[string][]string {
	const magic, header, entry = "glibc-ld.so.cache1.1", 48, 24
	out := map[string][]string{}
	at := bytes.Index(b, []byte(magic))
	if at < 0 || len(b)-at < header {
		return out
	}
	b = b[at:]
	n := int(binary.LittleEndian.Uint32(b[20:]))
	text := func(off uint32) string {
		if uint64(off) >= uint64(len(b)) {
			return ""
		}
		s := b[off:]
		if i := bytes.IndexByte(s, 0); i >= 0 {
			return string(s[:i])
		}
		return ""
	}
	for i := 0; i < n && header+(i+1)*entry <= len(b); i++ {
		e := b[header+i*entry:]
		key, val := text(binary.LittleEndian.Uint32(e[4:])), text(binary.LittleEndian.Uint32(e[8:]))
		if key != "" && val != "" {
			out[key] = append(out[key], val)
		}
	}
	return out
}
