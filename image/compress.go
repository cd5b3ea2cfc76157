package image

import (
	"io"
	"runtime"
)

// frame is one compressed chunk on its way to the file.
type frame struct {
	b   []byte
	err error
}

// compressed stores the data as frames and returns the index and where in the
// file they end. Chunks are compressed by all processors and written in order.
func (w *writer) compressed(end int64) ([]entry, int64, error) {
	stop := make(chan struct{})
	defer close(stop)
	frames := w.frames(end, stop)
	var index []entry
	off := int64(DataStart)
	for ready := range frames {
		f := <-ready
		if f.err != nil {
			return nil, 0, f.err
		}
		if _, err := w.f.WriteAt(f.b, off); err != nil {
			return nil, 0, err
		}
		index = append(index, entry{Off: uint64(off), Len: uint32(len(f.b)), Sum: checksum(f.b)})
		off += int64(len(f.b))
	}
	return index, off, nil
}

// frames reads the source and gives each chunk to a goroutine; the channel of
// channels keeps their order and bounds how many are under way.
func (w *writer) frames(end int64, stop <-chan struct{}) <-chan chan frame {
	out := make(chan chan frame, runtime.GOMAXPROCS(0))
	go func() {
		defer close(out)
		r := &sourceReader{src: w.src, extents: w.extents}
		for off := int64(DataStart); off < end; off += ChunkSize {
			b := make([]byte, min(ChunkSize, end-off))
			err := r.next(b)
			ready := make(chan frame, 1)
			select {
			case out <- ready:
			case <-stop:
				return
			}
			if err != nil {
				ready <- frame{err: err}
				return
			}
			go func() {
				c, err := w.codec.compress(b)
				ready <- frame{c, err}
			}()
		}
	}()
	return out
}

// sourceReader reads the data of a source from front to back.
type sourceReader struct {
	src     Source
	extents []Extent
	done    int64 // of the first extent
}

// next fills b with the bytes that follow.
func (r *sourceReader) next(b []byte) error {
	for len(b) > 0 {
		if len(r.extents) == 0 {
			return io.ErrUnexpectedEOF
		}
		e := r.extents[0]
		n := min(int64(len(b)), e.Len-r.done)
		if err := r.read(e, b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if r.done += n; r.done == e.Len {
			r.extents, r.done = r.extents[1:], 0
		}
	}
	return nil
}

func (r *sourceReader) read(e Extent, b []byte) error {
	if e.Data == nil {
		return r.src.ReadMemory(e.Addr+uint64(r.done), b)
	}
	n := 0
	if r.done < int64(len(e.Data)) {
		n = copy(b, e.Data[r.done:])
	}
	clear(b[n:])
	return nil
}
