package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	// PageSize is the alignment of all data in an image.
	PageSize = 4096
	// DataStart is the logical position of the first byte of data.
	DataStart = PageSize
	// ChunkSize is how much data has one checksum, and one frame if compressed.
	ChunkSize = 1 << 20

	version      = 1
	magic        = "MANAIMG1"
	trailerMagic = "MANAEND1"
	trailerSize  = 16
	entrySize    = 16
	headerSize   = 96 // used bytes of page 0
)

// ErrDamaged is wrapped by every error that means the file is no intact image.
var ErrDamaged = errors.New("not an intact checkpoint image")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// header is page 0.
type header struct {
	Codec    Codec
	DataEnd  uint64 // logical end of data
	MetaOff  uint64
	MetaLen  uint64
	MetaSum  uint32
	IndexOff uint64
	Chunks   uint64
	IndexSum uint32
	FileSize uint64
}

func (h *header) encode() []byte {
	b := make([]byte, PageSize)
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], uint32(h.Codec))
	le.PutUint64(b[16:], h.DataEnd)
	le.PutUint64(b[24:], h.MetaOff)
	le.PutUint64(b[32:], h.MetaLen)
	le.PutUint32(b[40:], h.MetaSum)
	le.PutUint32(b[44:], h.IndexSum)
	le.PutUint64(b[48:], h.IndexOff)
	le.PutUint64(b[56:], h.Chunks)
	le.PutUint64(b[64:], h.FileSize)
	le.PutUint32(b[headerSize-4:], checksum(b[:headerSize-4]))
	return b
}

// decodeHeader checks page 0 and that the parts it names lie inside a file of
// the given size.
func decodeHeader(b []byte, size uint64) (*header, error) {
	le := binary.LittleEndian
	if len(b) < headerSize || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: no %s at its start", ErrDamaged, magic)
	}
	if v := le.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("%w: format version %d, this program knows %d", ErrDamaged, v, version)
	}
	if le.Uint32(b[headerSize-4:]) != checksum(b[:headerSize-4]) {
		return nil, fmt.Errorf("%w: the checksum of its header is wrong", ErrDamaged)
	}
	h := &header{
		Codec:    Codec(le.Uint32(b[12:])),
		DataEnd:  le.Uint64(b[16:]),
		MetaOff:  le.Uint64(b[24:]),
		MetaLen:  le.Uint64(b[32:]),
		MetaSum:  le.Uint32(b[40:]),
		IndexSum: le.Uint32(b[44:]),
		IndexOff: le.Uint64(b[48:]),
		Chunks:   le.Uint64(b[56:]),
		FileSize: le.Uint64(b[64:]),
	}
	if h.FileSize != size {
		return nil, fmt.Errorf("%w: %d bytes long instead of %d", ErrDamaged, size, h.FileSize)
	}
	if !h.sane() {
		return nil, fmt.Errorf("%w: its header contradicts itself", ErrDamaged)
	}
	return h, nil
}

func (h *header) sane() bool {
	inside := func(off, n uint64) bool { return off >= DataStart && off <= h.FileSize && n <= h.FileSize-off }
	return h.DataEnd >= DataStart && h.DataEnd < 1<<62 && h.Codec.known() &&
		h.Chunks == chunks(h.DataEnd) && h.Chunks < 1<<40 &&
		inside(h.MetaOff, h.MetaLen) && inside(h.IndexOff, h.Chunks*entrySize) &&
		(h.Codec != None || h.DataEnd <= h.FileSize)
}

// chunks is the number of chunks of data that ends at the logical position end.
func chunks(end uint64) uint64 { return (end - DataStart + ChunkSize - 1) / ChunkSize }

// entry is one line of the index.
type entry struct {
	Off uint64 // position in the file
	Len uint32 // stored length
	Sum uint32 // of the stored bytes
}

func encodeIndex(es []entry) []byte {
	b := make([]byte, 0, len(es)*entrySize)
	for _, e := range es {
		b = binary.LittleEndian.AppendUint64(b, e.Off)
		b = binary.LittleEndian.AppendUint32(b, e.Len)
		b = binary.LittleEndian.AppendUint32(b, e.Sum)
	}
	return b
}

func decodeIndex(b []byte, h *header) ([]entry, error) {
	es := make([]entry, len(b)/entrySize)
	for i := range es {
		p := b[i*entrySize:]
		es[i] = entry{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint32(p[8:]), binary.LittleEndian.Uint32(p[12:])}
		e := es[i]
		if e.Off < DataStart || e.Off > h.FileSize || uint64(e.Len) > h.FileSize-e.Off || e.Len > 2*ChunkSize {
			return nil, fmt.Errorf("%w: chunk %d lies outside the file", ErrDamaged, i)
		}
	}
	return es, nil
}

func encodeTrailer(size uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte(trailerMagic), size)
}
