package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Image is an open image. ReadAt may be called from several goroutines.
type Image struct {
	Path     string
	Metadata []byte
	Size     int64  // of the file
	Checksum string // as Result.Checksum

	f     *os.File
	h     *header
	index []entry
}

// Open checks everything but the data, which Verify and ReadAt check.
func Open(path string) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint image: %w", err)
	}
	im, err := open(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("checkpoint image %s: %w", path, err)
	}
	im.Path = path
	return im, nil
}

func open(f *os.File) (*Image, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrDamaged)
	}
	page, err := part(f, 0, min(uint64(st.Size()), PageSize))
	if err != nil {
		return nil, err
	}
	h, err := decodeHeader(page, uint64(st.Size()))
	if err != nil {
		return nil, err
	}
	end, err := part(f, h.FileSize-trailerSize, trailerSize)
	if err != nil {
		return nil, err
	}
	if string(end) != string(encodeTrailer(h.FileSize)) {
		return nil, fmt.Errorf("%w: its end is missing", ErrDamaged)
	}
	im := &Image{f: f, h: h, Size: st.Size()}
	if im.Metadata, err = part(f, h.MetaOff, h.MetaLen); err != nil {
		return nil, err
	}
	if checksum(im.Metadata) != h.MetaSum {
		return nil, fmt.Errorf("%w: the checksum of its metadata is wrong", ErrDamaged)
	}
	table, err := part(f, h.IndexOff, h.Chunks*entrySize)
	if err != nil {
		return nil, err
	}
	if checksum(table) != h.IndexSum {
		return nil, fmt.Errorf("%w: the checksum of its index is wrong", ErrDamaged)
	}
	im.Checksum = digest(im.Metadata, table)
	im.index, err = decodeIndex(table, h)
	return im, err
}

func part(f *os.File, off, n uint64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := f.ReadAt(b, int64(off)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it is cut off", ErrDamaged)
		}
		return nil, err
	}
	return b, nil
}

// Close closes the file.
func (im *Image) Close() error { return im.f.Close() }

// File is the image's file, to be mapped when Mappable.
func (im *Image) File() *os.File { return im.f }

// Compression is how its data is compressed.
func (im *Image) Compression() Codec { return im.h.Codec }

// Mappable tells whether logical positions are file positions.
func (im *Image) Mappable() bool { return im.h.Codec == None }

// DataEnd is the logical end of the data.
func (im *Image) DataEnd() int64 { return int64(im.h.DataEnd) }

// Verify reads all data and compares the checksums.
func (im *Image) Verify() error {
	buf := make([]byte, 2*ChunkSize)
	for i := range im.index {
		if _, err := im.stored(i, buf); err != nil {
			return err
		}
	}
	return nil
}

// stored reads the stored bytes of a chunk and checks them.
func (im *Image) stored(i int, buf []byte) ([]byte, error) {
	e := im.index[i]
	b := buf[:e.Len]
	if _, err := im.f.ReadAt(b, int64(e.Off)); err != nil {
		return nil, fmt.Errorf("checkpoint image %s: read at %#x: %w", im.Path, e.Off, err)
	}
	if checksum(b) != e.Sum {
		return nil, fmt.Errorf("checkpoint image %s: %w: the checksum of chunk %d (at %#x) is wrong", im.Path, ErrDamaged, i, e.Off)
	}
	return b, nil
}

// chunkBuffers hold one stored chunk each.
var chunkBuffers = sync.Pool{New: func() any {
	b := make([]byte, 2*ChunkSize)
	return &b
}}

// ReadAt reads data at a logical position and checks it.
func (im *Image) ReadAt(b []byte, off int64) (int, error) {
	if off < DataStart || off+int64(len(b)) > im.DataEnd() {
		return 0, fmt.Errorf("checkpoint image %s: %d bytes at %#x lie outside its data", im.Path, len(b), off)
	}
	buf := chunkBuffers.Get().(*[]byte)
	defer chunkBuffers.Put(buf)
	done := 0
	for done < len(b) {
		pos := off + int64(done) - DataStart
		if i := int(pos / ChunkSize); pos%ChunkSize == 0 && im.Mappable() && len(b)-done >= int(im.index[i].Len) {
			c, err := im.stored(i, b[done:]) // whole chunks need no copy
			if err != nil {
				return done, err
			}
			done += len(c)
			continue
		}
		c, err := im.chunk(int(pos/ChunkSize), *buf)
		if err != nil {
			return done, err
		}
		done += copy(b[done:], c[pos%ChunkSize:])
	}
	return done, nil
}

// chunk returns the data of a chunk.
func (im *Image) chunk(i int, buf []byte) ([]byte, error) {
	b, err := im.stored(i, buf)
	if err != nil {
		return nil, err
	}
	n := min(ChunkSize, im.DataEnd()-DataStart-int64(i)*ChunkSize)
	b, err = im.h.Codec.expand(b, int(n))
	if err != nil {
		return nil, fmt.Errorf("checkpoint image %s: %w: chunk %d does not expand (%s): %w", im.Path, ErrDamaged, i, im.h.Codec, err)
	}
	return b, nil
}
