package process

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// huskELF builds the smallest static executable: one page of code that is
// never run, because its process is stopped at exec and emptied. It serves
// when the saved program's own binary is gone or was changed.
func huskELF() []byte {
	const base = 0x10000000
	code := []byte{0xcc} // int3
	hdr := elf.Header64{
		Ident:     [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
		Phnum:     2,
	}
	hdr.Entry = base + 64 + 2*56
	size := uint64(64 + 2*56 + len(code))
	progs := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base,
			Filesz: size, Memsz: size, Align: 4096},
		{Type: uint32(elf.PT_GNU_STACK), Flags: uint32(elf.PF_R | elf.PF_W), Align: 16},
	}
	var b bytes.Buffer
	// Writing fixed-size structures to a bytes.Buffer cannot fail.
	_ = binary.Write(&b, binary.LittleEndian, hdr)
	_ = binary.Write(&b, binary.LittleEndian, progs)
	b.Write(code)
	return b.Bytes()
}
