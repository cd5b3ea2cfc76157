package fsuse

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// span is a function's code.
type span struct{ addr, len uint64 }

// Encodings of pointers in exception frames (LSB Core, 10.5.1).
const (
	encAbs, encU4, encU8, encS4, encS8 = 0x00, 0x03, 0x04, 0x0b, 0x0c
	encPCRel                           = 0x10
)

var errFrames = errors.New("malformed exception frames")

// parseFrames lists the code that the frame descriptions in b are about; b is
// a .eh_frame section at the given address (LSB Core, 10.6).
func parseFrames(b []byte, addr uint64) ([]span, error) {
	var spans []span
	encodings := map[uint64]byte{} // of the CIEs, by their place
	for at := uint64(0); at+4 <= uint64(len(b)); {
		start := at
		body, skip, err := entry(b[at:])
		if err != nil {
			return nil, fmt.Errorf("%w at %#x", err, addr+start)
		}
		if body == nil {
			break
		}
		at += skip
		id := uint64(binary.LittleEndian.Uint32(body))
		if id == 0 {
			enc, err := cieEncoding(body[4:])
			if err != nil {
				return nil, fmt.Errorf("%w at %#x", err, addr+start)
			}
			encodings[start] = enc
		} else {
			enc, ok := encodings[at-id]
			if !ok {
				return nil, fmt.Errorf("%w: no CIE for the entry at %#x", errFrames, addr+start)
			}
			s, err := fdeSpan(body[4:], addr+at+4, enc)
			if err != nil {
				return nil, fmt.Errorf("%w at %#x", err, addr+start)
			}
			spans = append(spans, s)
		}
		at += uint64(len(body))
	}
	return spans, nil
}

// entry is the CIE or FDE at the start of b, and the length of what goes before
// it; nil at the end of the section.
func entry(b []byte) (body []byte, skip uint64, err error) {
	n := uint64(binary.LittleEndian.Uint32(b))
	skip = 4
	if n == 0 {
		return nil, skip, nil
	}
	if n == 0xffffffff {
		if len(b) < 12 {
			return nil, 0, errFrames
		}
		n, skip = binary.LittleEndian.Uint64(b[4:]), 12
	}
	if n < 4 || n > uint64(len(b))-skip {
		return nil, 0, fmt.Errorf("%w: an entry of %d bytes", errFrames, n)
	}
	return b[skip : skip+n], skip, nil
}

// cieEncoding is how the FDEs of a CIE write addresses.
func cieEncoding(b []byte) (byte, error) {
	if len(b) < 2 {
		return 0, errFrames
	}
	version, b := b[0], b[1:]
	end := 0
	for end < len(b) && b[end] != 0 {
		end++
	}
	if end == len(b) {
		return 0, errFrames
	}
	augmentation, b := string(b[:end]), b[end+1:]
	if augmentation == "" {
		return encAbs, nil
	}
	if augmentation[0] != 'z' {
		return 0, fmt.Errorf("%w: augmentation %q", errFrames, augmentation)
	}
	b = skipLEB(skipLEB(b)) // code and data alignment
	if version == 1 {
		b = skip(b, 1)
	} else {
		b = skipLEB(b) // return register
	}
	return addressEncoding(augmentation[1:], skipLEB(b))
}

// addressEncoding finds R's value among the augmentation data.
func addressEncoding(augmentation string, b []byte) (byte, error) {
	for _, c := range augmentation {
		if len(b) == 0 && c != 'S' && c != 'B' {
			return 0, errFrames
		}
		switch c {
		case 'R':
			return b[0], nil
		case 'L':
			b = b[1:]
		case 'P':
			b = skip(b, 1+encodedSize(b[0]))
		case 'S', 'B':
		default:
			return 0, fmt.Errorf("%w: augmentation %q", errFrames, augmentation)
		}
	}
	return encAbs, nil
}

func fdeSpan(b []byte, addr uint64, enc byte) (span, error) {
	if enc&0x70 != 0 && enc&0x70 != encPCRel {
		return span{}, fmt.Errorf("%w: pointer encoding %#x", errFrames, enc)
	}
	size := encodedSize(enc)
	if len(b) < 2*size {
		return span{}, errFrames
	}
	begin, length := encoded(b, enc), encoded(b[size:], enc)
	if enc&0x70 == encPCRel {
		begin += addr
	}
	return span{begin, length}, nil
}

func encodedSize(enc byte) int {
	if k := enc & 0x0f; k == encU4 || k == encS4 {
		return 4
	}
	return 8
}

func encoded(b []byte, enc byte) uint64 {
	switch enc & 0x0f {
	case encU4:
		return uint64(binary.LittleEndian.Uint32(b))
	case encS4:
		return uint64(int64(int32(binary.LittleEndian.Uint32(b))))
	}
	return binary.LittleEndian.Uint64(b)
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

func skipLEB(b []byte) []byte {
	for i, c := range b {
		if c&0x80 == 0 {
			return b[i+1:]
		}
	}
	return nil
}
