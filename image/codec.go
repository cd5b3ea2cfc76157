package image

import "fmt"

// Codec says how the chunks of an image are compressed.
type Codec uint32

// Codecs. Their numbers are part of the format.
const (
	None Codec = iota
)

func (c Codec) known() bool { return c == None }

func (c Codec) String() string {
	if c == None {
		return "none"
	}
	return fmt.Sprintf("codec %d", uint32(c))
}
