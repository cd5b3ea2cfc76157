package fsuse

import (
	"encoding/hex"
	"strings"
	"testing"
)

// An instruction taken for longer or shorter than it is would make the next
// ones come out wrong, and a byte of them be changed.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, code string
		len, fs    int
	}{
		{"nop", "90", 1, -1},
		{"push", "55", 1, -1},
		{"mov %fs:0x28,%rax", "64488b042528000000", 9, 0},
		{"mov %fs:(%rax),%r11", "644c8b18", 4, 0},
		{"data16 before fs", "66666664488b042500000000", 12, 3},
		{"gs after fs wins", "64658b00", 4, -1},
		{"fs after gs wins", "65648b00", 4, 1},
		{"movabs", "48b80102030405060708", 10, -1},
		{"mov imm32", "b801020304", 5, -1},
		{"mov imm16", "66b80102", 4, -1},
		{"mov imm32 with both prefixes", "6648c7c001020304", 8, -1},
		{"movw imm16 to memory", "66c70010ff", 5, -1},
		{"cmpl imm8 at fs", "64833c251800000000", 9, 0},
		{"moffs", "48a10102030405060708", 10, -1},
		{"moffs with 32-bit address", "67a101020304", 6, -1},
		{"rip-relative with imm8", "80350102030405", 7, -1},
		{"rip-relative with imm32", "c7050102030405060708", 10, -1},
		{"sib with disp32 and no base", "8b042501020304", 7, -1},
		{"sib with disp8", "8b442404", 4, -1},
		{"test imm8", "f6c001", 3, -1},
		{"test imm32", "f7c001020304", 6, -1},
		{"not", "f7d0", 2, -1},
		{"call", "e801020304", 5, -1},
		{"jmp short", "eb10", 2, -1},
		{"jne near", "0f8501020304", 6, -1},
		{"enter", "c8100001", 4, -1},
		{"syscall", "0f05", 2, -1},
		{"endbr64", "f30f1efa", 4, -1},
		{"nopw at cs", "662e0f1f840000000000", 10, -1},
		{"lock cmpxchg", "f0480fb10f", 5, -1},
		{"pshufb", "660f3800c1", 5, -1},
		{"palignr", "660f3a0fc108", 6, -1},
		{"extrq", "660f78c00102", 6, -1},
		{"3dnow", "0f0fc19e", 4, -1},
		{"vzeroupper", "c5f877", 3, -1},
		{"vmovdqu", "c5fe6f4620", 5, -1},
		{"vpshufd", "c5f970c1ff", 5, -1},
		{"vpermq", "c4e3fd00c14e", 6, -1},
		{"vfmadd", "c4e2f1b8c2", 5, -1},
		{"kmovw", "c5f892c8", 4, -1},
		{"vmovdqu64 with disp8", "62f1fe486f4601", 7, -1},
		{"vpternlogd", "62f3754825c2ff", 7, -1},
		{"vaddph", "62f5744858c2", 6, -1},
		{"vfrczps", "8fe97880c1", 5, -1},
		{"vprotb", "8fe878c0c103", 6, -1},
		{"pop to memory", "8f00", 2, -1},
		{"vmovaps at fs", "64c5f82800", 5, 0},
	} {
		code, err := hex.DecodeString(c.code)
		if err != nil {
			t.Fatal(c.name, err)
		}
		in, ok := decode(append(code, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc))
		if !ok || in.len != c.len || in.fs != c.fs {
			t.Errorf("%s (%s): %+v %v, not length %d with fs at %d", c.name, c.code, in, ok, c.len, c.fs)
		}
		if _, ok := decode(code[:len(code)-1]); ok {
			t.Errorf("%s (%s): decoded without its last byte", c.name, c.code)
		}
	}
	for _, code := range []string{"06", "ea", "62", "c5", "0f04", "c4e0f8770000", strings.Repeat("66", 16) + "90"} {
		b, _ := hex.DecodeString(code)
		if in, ok := decode(b); ok {
			t.Errorf("%s: decoded as %+v", code, in)
		}
	}
}
