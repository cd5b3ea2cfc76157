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
		n := uint64(binary.LittleEndian.Uint32(b[at:]))
		at += 4
		if n == 0 {
			break
		}
		if n == 0xffffffff {
			if at+8 > uint64(len(b)) {
				return nil, errFrames
			}
			n = binary.LittleEndian.Uint64(b[at:])
			at += 8
		}
		if n < 4 || n > uint64(len(b))-at {
			return nil, fmt.Errorf("%w: an entry of %d bytes at %#x", errFrames, n, addr+start)
		}
		body := b[at : at+n]
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
		at += n
	}
	return spans, nil
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
	b = skipLEB(b) // length of the augmentation data
	for _, c := range augmentation[1:] {
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
