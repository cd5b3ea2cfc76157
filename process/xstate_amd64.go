package process

import (
	"encoding/binary"
	"fmt"
)

// adaptXState fits a saved XSAVE area in standard format to the size that this
// kernel and CPU use. Components that only the larger format has must be unused.
func adaptXState(saved []byte, size int) ([]byte, error) {
	const headerEnd = 576 // legacy area and XSAVE header, Intel SDM vol. 1, 13.4
	if len(saved) < headerEnd || size < headerEnd {
		return nil, fmt.Errorf("vector registers of %d bytes", len(saved))
	}
	if len(saved) > size && !allZero(saved[size:]) {
		return nil, fmt.Errorf("vector registers need %d bytes, this CPU has %d (components in use: %#x)",
			len(saved), size, binary.LittleEndian.Uint64(saved[512:]))
	}
	out := make([]byte, size)
	copy(out, saved)
	return out, nil
}
