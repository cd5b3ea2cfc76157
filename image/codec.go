package image

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Codec says how the chunks of an image are compressed: each is one frame of
// its own, a complete stream of that format.
type Codec uint32

// Codecs. Their numbers are part of the format.
const (
	None Codec = iota
	Gzip
	Zstd
	XZ
)

var codecNames = []string{None: "none", Gzip: "gzip", Zstd: "zstd", XZ: "xz"}

func (c Codec) known() bool { return int(c) < len(codecNames) }

func (c Codec) String() string {
	if c.known() {
		return codecNames[c]
	}
	return fmt.Sprintf("codec %d", uint32(c))
}

// ParseCodec is the inverse of String.
func ParseCodec(s string) (Codec, error) {
	for i, n := range codecNames {
		if n == s {
			return Codec(i), nil
		}
	}
	return None, fmt.Errorf("unknown compression %q", s)
}

var (
	// The encoder and decoder of zstd serve all goroutines at once.
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(4*ChunkSize))
	})
)

// compress makes the frame of a chunk.
func (c Codec) compress(b []byte) ([]byte, error) {
	switch c {
	case None:
		return b, nil
	case Zstd:
		e, err := zstdEncoder()
		if err != nil {
			return nil, err
		}
		return e.EncodeAll(b, nil), nil
	}
	var out bytes.Buffer
	w, err := c.writer(&out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (c Codec) writer(out io.Writer) (io.WriteCloser, error) {
	if c == XZ {
		return xz.WriterConfig{DictCap: ChunkSize}.NewWriter(out)
	}
	return gzip.NewWriterLevel(out, gzip.BestSpeed)
}

// expand undoes compress; the chunk must have exactly n bytes.
func (c Codec) expand(frame []byte, n int) ([]byte, error) {
	var b []byte
	var err error
	switch c {
	case None:
		b = frame
	case Zstd:
		var d *zstd.Decoder
		if d, err = zstdDecoder(); err == nil {
			b, err = d.DecodeAll(frame, make([]byte, 0, n))
		}
	default:
		var r io.Reader
		if r, err = c.reader(bytes.NewReader(frame)); err == nil {
			b, err = io.ReadAll(io.LimitReader(r, int64(n)+1))
		}
	}
	if err == nil && len(b) != n {
		err = fmt.Errorf("%d bytes instead of %d", len(b), n)
	}
	return b, err
}

func (c Codec) reader(in io.Reader) (io.Reader, error) {
	if c == XZ {
		return xz.NewReader(in)
	}
	return gzip.NewReader(in)
}
