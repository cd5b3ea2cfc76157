package process

import (
	"os"
	"reflect"
	"testing"
)

func TestParseMapsLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want VMA
	}{
		{"00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/dbus daemon",
			VMA{Start: 0x400000, End: 0x452000, Prot: 5, Offset: 0x1000, Kind: KindFilePrivate, Name: "/usr/bin/dbus daemon",
				File: &FileID{Path: "/usr/bin/dbus daemon", Dev: 0x802, Inode: 173521}}},
		{"7f0000000000-7f0000001000 rw-s 00000000 00:01 1024 /dev/zero (deleted)",
			VMA{Start: 0x7f0000000000, End: 0x7f0000001000, Prot: 3, Shared: true, Kind: KindSharedAnon,
				Name: "/dev/zero (deleted)", SharedID: "1:1024",
				File: &FileID{Path: "/dev/zero", Dev: 1, Inode: 1024, Deleted: true}}},
		{"7ffc0000-7ffd0000 rw-p 00000000 00:00 0                          [stack]",
			VMA{Start: 0x7ffc0000, End: 0x7ffd0000, Prot: 3, Kind: KindStack, Name: "[stack]"}},
		{"1000-2000 ---p 00000000 00:00 0 ", VMA{Start: 0x1000, End: 0x2000, Kind: KindAnon}},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
			VMA{Start: 0xffffffffff600000, End: 0xffffffffff601000, Prot: 4, Kind: KindVsyscall, Name: "[vsyscall]"}},
		{"1000-2000 r--p 00000000 00:00 0 [vvar_vclock]",
			VMA{Start: 0x1000, End: 0x2000, Prot: 1, Kind: KindVVar, Name: "[vvar_vclock]"}},
		{`1000-2000 rw-s 00000000 fe:00 12 /tmp/a\012b`,
			VMA{Start: 0x1000, End: 0x2000, Prot: 3, Shared: true, Kind: KindFileShared, Name: "/tmp/a\nb", SharedID: "fe00:12",
				File: &FileID{Path: "/tmp/a\nb", Dev: 0xfe00, Inode: 12}}},
	} {
		got, err := parseMapsLine(c.line)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q\n got %+v %+v (%v)\nwant %+v %+v", c.line, got, got.File, err, c.want, c.want.File)
		}
	}
	for _, l := range []string{"", "x", "1000-2000", "2000-1000 rw-p 0 0:0 0", "1000-2000 rw 0 0:0 0", "1000-2000 rw-p 0 00 0"} {
		if v, err := parseMapsLine(l); err == nil {
			t.Errorf("%q accepted as %+v", l, v)
		}
	}
}

func TestParseStat(t *testing.T) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseStat(b)
	if err != nil || number(f[1]) != os.Getpid() || f[3] == "" || number(f[4]) != os.Getppid() {
		t.Errorf("%v %v", f, err)
	}
	odd := "12 (a) b (c) S 1" + string(make([]byte, 0))
	for range 48 {
		odd += " 7"
	}
	if f, err := parseStat([]byte(odd)); err != nil || f[2] != "a) b (c" || f[3] != "S" {
		t.Errorf("%v %v", f, err)
	}
	for _, s := range []string{"", "1 (x", ")(", "1 (x) S 1"} {
		if _, err := parseStat([]byte(s)); err == nil {
			t.Errorf("%q accepted", s)
		}
	}
}

func TestParseTimers(t *testing.T) {
	got, err := parseTimers([]byte("ID: 3\nsignal: 34/00007ffd00000010\nnotify: signal/tid.4321\nClockID: 1\n" +
		"ID: 0\nsignal: 0/0000000000000000\nnotify: none/pid.17\nClockID: 0\n"))
	want := []Timer{
		{ID: 3, Signal: 34, Value: 0x7ffd00000010, Notify: sigevThreadID, NotifyID: 4321, Clock: 1},
		{ID: 0, Notify: sigevNone, NotifyID: 17},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if _, err := parseTimers([]byte("ID: 3\nsignal: x\n")); err == nil {
		t.Error("malformed entry accepted")
	}
}

func TestParseVmFlags(t *testing.T) {
	got := parseVmFlags([]byte("55d0-55d1 r--p 00000000 fe:00 1 /bin/a-b\nSize: 4 kB\nVmFlags: rd mr mw me sd \n" +
		"7f00-7f01 rw-p 00000000 00:00 0 \nVmFlags: rd wr dc wf \n"))
	want := map[uint64][]string{0x55d0: {"rd", "mr", "mw", "me", "sd"}, 0x7f00: {"rd", "wr", "dc", "wf"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseFdinfo(t *testing.T) {
	o := &openFile{info: []byte("pos:\t17\nflags:\t02102001\nmnt_id:\t9\nlock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n" +
		"lock:\t2: POSIX  ADVISORY  READ 359 00:13:11691 10 19\n")}
	if err := o.parseInfo(); err != nil {
		t.Fatal(err)
	}
	want := File{Pos: 17, Flags: 0o102001, CloseOnExec: true, Locks: []Lock{
		{Type: "FLOCK", Write: true, Start: 0, End: -1}, {Type: "POSIX", Start: 10, End: 19}}}
	if !reflect.DeepEqual(o.File, want) {
		t.Errorf("got %+v, want %+v", o.File, want)
	}
	if e, err := parseEpoll("tfd:        3 events:       19 data:     1234567890  pos:0 ino:61 sdev:7"); err != nil ||
		e != (EpollFD{FD: 3, Events: 0x19, Data: 0x1234567890}) {
		t.Errorf("epoll %+v %v", e, err)
	}
	if n, err := parseSpan("(3, 49406829)"); err != nil || n != 3049406829 {
		t.Errorf("time %d %v", n, err)
	}
	w, ok := parseWatch("inotify wd:2 ino:7ef82a sdev:800001 mask:800afff ignored_mask:0 fhandle-bytes:8")
	if !ok || w != (Watch{WD: 2, Inode: 0x7ef82a, Dev: makedev(8, 1), Mask: 0x800afff}) {
		t.Errorf("watch %+v %v", w, ok)
	}
}

// FuzzProcfs: no parser of /proc may panic.
func FuzzProcfs(f *testing.F) {
	for _, name := range []string{"maps", "stat", "status", "timers", "smaps", "fdinfo/0"} {
		b, _ := os.ReadFile("/proc/self/" + name)
		f.Add(b)
	}
	f.Add([]byte("tfd: 1\ninotify wd:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if vmas, err := parseMaps(b); err == nil {
			for _, v := range vmas {
				if v.End <= v.Start {
					t.Errorf("accepted %+v", v)
				}
			}
		}
		parseStat(b)
		parseTimers(b)
		parseVmFlags(b)
		parseEpoll(string(b))
		parseWatch(string(b))
		parseSpan(string(b))
		(&openFile{info: b}).parseInfo()
	})
}
