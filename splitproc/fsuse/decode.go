package fsuse

// insn is what has to be known of an instruction: how long it is, and where
// the last prefix is that makes its memory operand relative to fs.
type insn struct {
	len  int
	fs   int  // offset of the prefix; -1: none
	bare bool // has no operand in memory for certain
}

// longest is the most bytes that an instruction can have (Intel SDM vol. 2, 2.3.11).
const longest = 15

// Operands of an opcode, beside registers.
type operands uint8

const (
	none    operands = 0
	modRM   operands = 1 << iota // a ModRM byte, with SIB and displacement
	imm8                         // an immediate or relative address of 1 byte
	imm16                        // … of 2 bytes
	immZ                         // … of 4 bytes, or 2 with an operand-size prefix
	imm32                        // … of 4 bytes whatever the prefixes
	immV                         // … as immZ, but 8 bytes with REX.W
	invalid operands = 0xff
)

// maps of opcodes by their escape bytes (Intel SDM vol. 2, appendix A).
const (
	map1 = iota
	map0F
	map0F38
	map0F3A
)

// oneByte are the opcodes without an escape byte, in 64-bit mode.
var oneByte = func() (t [256]operands) {
	for op := range t {
		switch {
		case op < 0x40:
			t[op] = [8]operands{modRM, modRM, modRM, modRM, imm8, immZ, invalid, invalid}[op&7]
		case op >= 0x70 && op < 0x80, op >= 0xb0 && op < 0xb8:
			t[op] = imm8
		case op >= 0x84 && op < 0x90, op >= 0xd0 && op < 0xd4, op >= 0xd8 && op < 0xe0:
			t[op] = modRM
		case op >= 0xb8 && op < 0xc0:
			t[op] = immV
		case op >= 0xe0 && op < 0xe8:
			t[op] = imm8
		}
	}
	for op, o := range map[int]operands{
		0x60: invalid, 0x61: invalid, 0x63: modRM, 0x68: immZ, 0x69: modRM | immZ, 0x6a: imm8, 0x6b: modRM | imm8,
		0x80: modRM | imm8, 0x81: modRM | immZ, 0x82: invalid, 0x83: modRM | imm8, 0x9a: invalid, 0xa8: imm8, 0xa9: immZ,
		0xc0: modRM | imm8, 0xc1: modRM | imm8, 0xc2: imm16, 0xc6: modRM | imm8, 0xc7: modRM | immZ, 0xc8: imm16 | imm8,
		0xca: imm16, 0xcd: imm8, 0xce: invalid, 0xd4: invalid, 0xd5: invalid, 0xd6: invalid,
		0xe8: imm32, 0xe9: imm32, 0xea: invalid, 0xeb: imm8, 0xf6: modRM, 0xf7: modRM, 0xfe: modRM, 0xff: modRM,
	} {
		t[op] = o
	}
	return t
}()

// twoByte are the opcodes behind 0F; VEX and EVEX use the same operands.
var twoByte = func() (t [256]operands) {
	for op := range t {
		t[op] = modRM
		switch {
		case op >= 0x30 && op < 0x38, op >= 0xc8 && op < 0xd0:
			t[op] = none
		case op >= 0x70 && op < 0x74, op >= 0xc4 && op < 0xc7:
			t[op] = modRM | imm8
		case op >= 0x80 && op < 0x90:
			t[op] = imm32
		}
	}
	for _, op := range []int{0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e, 0x77, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa} {
		t[op] = none
	}
	for _, op := range []int{0x0f, 0xa4, 0xac, 0xba, 0xc2} {
		t[op] = modRM | imm8
	}
	for _, op := range []int{0x04, 0x0a, 0x0c, 0x24, 0x25, 0x26, 0x27, 0x36, 0x39, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x7a, 0x7b, 0xa6, 0xa7} {
		t[op] = invalid
	}
	return t
}()

// decoder walks over one instruction; the first byte that is not there, or
// that begins nothing known, makes it fail.
type decoder struct {
	code   []byte
	at     int
	failed bool
	op16   bool // operand-size prefix
	addr32 bool // address-size prefix
	wide   bool // REX.W
	repne  bool // F2
	bare   bool
}

func (d *decoder) next() byte {
	if d.at >= len(d.code) || d.at >= longest {
		d.failed = true
		return 0
	}
	d.at++
	return d.code[d.at-1]
}

// decode reads the instruction at the start of code; ok is false if there is none.
func decode(code []byte) (in insn, ok bool) {
	d := decoder{code: code}
	fs := d.prefixes()
	d.body()
	if d.at > longest || d.at > len(code) {
		d.failed = true
	}
	return insn{d.at, fs, d.bare}, !d.failed
}

// prefixes goes over the legacy prefixes and REX. The last segment prefix counts.
func (d *decoder) prefixes() (fs int) {
	fs = -1
	for {
		b := d.next()
		if d.failed {
			return fs
		}
		switch b {
		case 0x64:
			fs = d.at - 1
		case 0x65:
			fs = -1
		case 0x66:
			d.op16 = true
		case 0x67:
			d.addr32 = true
		case 0xf2:
			d.repne = true
		case 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26:
		default:
			d.at--
			if b&0xf0 == 0x40 {
				d.at++
				d.wide = b&8 != 0
			}
			return fs
		}
	}
}

func (d *decoder) body() {
	switch op := d.next(); {
	case op == 0x0f:
		d.escaped()
	case op == 0xc5:
		d.next()
		d.vector(map0F, true)
	case op == 0xc4:
		b := d.next()
		d.next()
		d.vector(int(b&0x1f), true)
	case op == 0x62:
		b := d.next()
		d.next()
		d.next()
		d.vector(int(b&7), false)
	case op == 0x8f && d.at < len(d.code) && d.code[d.at]&0x1f >= 8:
		d.xop()
	case op >= 0xa0 && op < 0xa4: // a full address
		d.at += 8
		if d.addr32 {
			d.at -= 4
		}
	default:
		o := oneByte[op]
		if op&0xfe == 0xf6 && d.at < len(d.code) && d.code[d.at]&0x30 == 0 { // TEST has an immediate, its neighbours do not
			o |= map[byte]operands{0xf6: imm8, 0xf7: immZ}[op]
		}
		d.bare = o&modRM == 0 && !implicit(op)
		d.operands(o)
	}
}

// implicit tells whether an opcode without ModRM addresses memory: by string instructions and XLAT.
func implicit(op byte) bool { return op&0xfc == 0x6c || op&0xf0 == 0xa0 || op == 0xd7 }

func (d *decoder) escaped() {
	switch op := d.next(); op {
	case 0x38:
		d.next()
		d.operands(modRM)
	case 0x3a:
		d.next()
		d.operands(modRM | imm8)
	case 0x78: // EXTRQ and INSERTQ with two immediates
		d.operands(modRM)
		if d.op16 || d.repne {
			d.at += 2
		}
	default:
		d.operands(twoByte[op])
	}
}

// vector reads what follows a VEX or EVEX prefix.
func (d *decoder) vector(opcodes int, vex bool) {
	op := d.next()
	switch {
	case opcodes == map0F && op == 0x77 && vex:
	case opcodes == map0F && (twoByte[op] == none || twoByte[op] == imm32):
		d.operands(modRM) // opcode masks: KMOV and the like
	case opcodes == map0F:
		d.operands(twoByte[op])
	case opcodes == map0F3A:
		d.operands(modRM | imm8)
	case opcodes == map0F38, !vex && (opcodes == 5 || opcodes == 6):
		d.operands(modRM)
	default:
		d.failed = true
	}
}

// xop reads what follows AMD's prefix 8F (AMD APM vol. 3, 1.2.8).
func (d *decoder) xop() {
	b := d.next()
	d.next()
	d.next()
	switch b & 0x1f {
	case 8:
		d.operands(modRM | imm8)
	case 9:
		d.operands(modRM)
	case 10:
		d.operands(modRM | imm32)
	default:
		d.failed = true
	}
}

func (d *decoder) operands(o operands) {
	if o == invalid {
		d.failed = true
		return
	}
	if o&modRM != 0 {
		d.memory(d.next())
	}
	z := 4
	if d.op16 && !d.wide {
		z = 2
	}
	for _, i := range []struct {
		kind operands
		len  int
	}{{imm8, 1}, {imm16, 2}, {immZ, z}, {imm32, 4}} {
		if o&i.kind != 0 {
			d.at += i.len
		}
	}
	if o&immV != 0 {
		if d.wide {
			z = 8
		}
		d.at += z
	}
}

// memory goes over the SIB byte and the displacement that a ModRM byte announces.
func (d *decoder) memory(modrm byte) {
	mod, rm := modrm>>6, modrm&7
	if mod == 3 {
		return
	}
	base := rm
	if rm == 4 {
		base = d.next() & 7
	}
	switch {
	case mod == 1:
		d.at++
	case mod == 2, base == 5:
		d.at += 4
	}
}
