package process

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"
)

// ownVDSO returns the contents of this process' vdso.
func ownVDSO(t *testing.T) []byte {
	t.Helper()
	v, _, err := findVDSO(os.Getpid())
	if err != nil || v.Len == 0 {
		t.Fatalf("find the vdso: %+v, %v", v, err)
	}
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, v.Len)
	if _, err := f.ReadAt(b, int64(v.Addr)); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVDSOSymbols(t *testing.T) {
	syms, err := vdsoSymbols(ownVDSO(t))
	if err != nil {
		t.Fatal(err)
	}
	if syms["__vdso_clock_gettime"] == 0 {
		t.Fatalf("no __vdso_clock_gettime in %v", syms)
	}
	if !sameVdso(syms, syms) {
		t.Error("a vdso differs from itself")
	}
	if sameVdso(syms, map[string]uint64{"__vdso_clock_gettime": 1}) {
		t.Error("a different vdso passes as the same")
	}
}

func TestPatchVDSO(t *testing.T) {
	saved := map[string]uint64{"__vdso_time": 16, "__vdso_getcpu": 64}
	out, err := patchVdso(make([]byte, 96), saved, map[string]uint64{"__vdso_time": 0x30}, 0x7000)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint64(out[18:]); got != 0x7030 {
		t.Errorf("the jump leads to %#x", got)
	}
	if want := []byte{0xb8, 0x35, 0x01, 0, 0, 0x0f, 0x05, 0xc3}; !bytes.Equal(out[64:72], want) {
		t.Errorf("getcpu became % x", out[64:72])
	}
	if _, err := patchVdso(make([]byte, 96), map[string]uint64{"__vdso_new": 0}, nil, 0); err == nil {
		t.Error("an unknown function without a substitute was accepted")
	}
	if _, err := patchVdso(make([]byte, 20), saved, nil, 0); err == nil {
		t.Error("a symbol at the very end was accepted")
	}
}

func FuzzVDSOSymbols(f *testing.F) {
	f.Add([]byte("\x7fELF"))
	f.Add(huskELF())
	f.Fuzz(func(t *testing.T, b []byte) {
		syms, err := vdsoSymbols(b)
		for name, off := range syms {
			if err != nil || off >= uint64(len(b)) {
				t.Errorf("%s at %d of %d bytes, %v", name, off, len(b), err)
			}
		}
	})
}

func TestHuskELF(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(huskELF()))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_EXEC || len(f.Progs) != 2 {
		t.Errorf("type %v, %d segments", f.Type, len(f.Progs))
	}
}

func TestAdaptXState(t *testing.T) {
	x := make([]byte, 2688)
	x[600] = 7
	if got, err := adaptXState(x, 832); err != nil || len(got) != 832 || got[600] != 7 {
		t.Errorf("shrink: %d bytes, %v", len(got), err)
	}
	if got, err := adaptXState(x, 11008); err != nil || len(got) != 11008 {
		t.Errorf("grow: %d bytes, %v", len(got), err)
	}
	x[2000] = 1
	if _, err := adaptXState(x, 832); err == nil {
		t.Error("registers in use were cut off")
	}
}

func TestParseCPUFeatures(t *testing.T) {
	got := parseCPUFeatures("processor\t: 0\nflags\t\t: fpu avx2 sse4_1 zzz\nprocessor: 1\nflags : rtm\n")
	if len(got) != 2 || missing([]string{"avx2", "avx512f"}, got)[0] != "avx512f" {
		t.Errorf("got %v", got)
	}
}
