package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Extent is a piece of data: Len bytes that belong at the logical position Off.
// They are at address Addr of the source's memory, or in Data if that is set.
type Extent struct {
	Addr uint64
	Len  int64
	Off  int64
	Data []byte
}

// Source is what an image is made of.
type Source interface {
	// Extents lists all data, page-aligned, without gaps from DataStart on.
	Extents() ([]Extent, error)
	// WriteExtents stores extents without Data in the file of the given name,
	// which is also open as f. The fastest way is its own business.
	WriteExtents(f *os.File, name string, es []Extent) error
	// ReadMemory reads the source's memory. It may be called from several
	// goroutines, and while WriteExtents is at work.
	ReadMemory(addr uint64, b []byte) error
	// Quiet tells that the memory does not change while it is written.
	Quiet() bool
	// Metadata describes the source; called after Extents.
	Metadata() ([]byte, error)
}

// WriteOptions change how an image is written.
type WriteOptions struct {
	// NoSync leaves out the fsync, for tests and measurements.
	NoSync bool
}

// Result tells about a written image.
type Result struct {
	Path     string
	Size     int64  // bytes of the file
	Data     int64  // bytes of memory and file contents in it
	Checksum string // SHA-256 of metadata and index, which in turn covers the data
}

// Write makes the image of src at path. On any error nothing is left behind,
// and what had that name before is still there.
func Write(src Source, path string, o WriteOptions) (*Result, error) {
	res, err := write(src, path, o)
	if err != nil {
		return nil, fmt.Errorf("write checkpoint image %s: %w", path, explain(err))
	}
	return res, nil
}

func write(src Source, path string, o WriteOptions) (*Result, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	es, err := src.Extents()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	temp := path + ".temp"
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f, src: src, extents: es}
	res, err := w.run()
	if err == nil && !o.NoSync {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return nil, err
	}
	if !o.NoSync {
		if err := SyncDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	res.Path = path
	return res, nil
}

// SyncDir makes a rename or a new name in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err // EINVAL: a file system without fsync of directories
	}
	return nil
}

// explain adds what to do about the usual causes.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("the file system is full: %w", err)
	case errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("the disk quota is used up: %w", err)
	case errors.Is(err, unix.EFBIG):
		return fmt.Errorf("larger than the file size limit (ulimit -f) or the file system allows: %w", err)
	}
	return err
}

// writer writes one image.
type writer struct {
	f       *os.File
	src     Source
	extents []Extent
}

func (w *writer) run() (*Result, error) {
	end, err := layoutEnd(w.extents)
	if err != nil {
		return nil, err
	}
	index, err := w.data(end)
	if err != nil {
		return nil, err
	}
	meta, err := w.src.Metadata()
	if err != nil {
		return nil, err
	}
	return w.finish(end, end, meta, index)
}

// layoutEnd checks that extents are contiguous and returns where they end.
func layoutEnd(es []Extent) (int64, error) {
	end := int64(DataStart)
	for _, e := range es {
		if e.Off != end || e.Len <= 0 || e.Len%PageSize != 0 || e.Data != nil && int64(len(e.Data)) > e.Len {
			return 0, fmt.Errorf("extent of %d bytes at %#x does not follow %#x", e.Len, e.Off, end)
		}
		end += e.Len
	}
	return end, nil
}

// data stores the data and, at the same time, computes the checksums from the
// source, not from the file: so they also catch what goes wrong on the way. A
// source that changes a little by its own writing is read back from the file.
func (w *writer) data(end int64) ([]entry, error) {
	if err := w.f.Truncate(end); err != nil { // the last page may be padded
		return nil, err
	}
	if !w.src.Quiet() {
		if err := w.store(); err != nil {
			return nil, err
		}
		return checksums(end, w.stored(end))
	}
	var index []entry
	sums := make(chan error, 1)
	go func() {
		var err error
		index, err = checksums(end, (&sourceReader{src: w.src, extents: w.extents}).next)
		sums <- err
	}()
	err := w.store()
	if e := <-sums; err == nil {
		err = e
	}
	return index, err
}

func (w *writer) store() error {
	var memory []Extent
	for _, e := range w.extents {
		if e.Data == nil {
			memory = append(memory, e)
			continue
		}
		if _, err := w.f.WriteAt(e.Data, e.Off); err != nil {
			return err
		}
	}
	if len(memory) > 0 {
		return w.src.WriteExtents(w.f, w.f.Name(), memory)
	}
	return nil
}

// finish writes everything that follows the data, which ends at fileEnd in the
// file, and then the header.
func (w *writer) finish(end, fileEnd int64, meta []byte, index []entry) (*Result, error) {
	table := encodeIndex(index)
	h := header{
		DataEnd: uint64(end),
		MetaOff: uint64(fileEnd), MetaLen: uint64(len(meta)), MetaSum: checksum(meta),
		IndexOff: uint64(fileEnd) + uint64(len(meta)), Chunks: uint64(len(index)), IndexSum: checksum(table),
	}
	h.FileSize = h.IndexOff + uint64(len(table)) + trailerSize
	tail := append(append(append([]byte{}, meta...), table...), encodeTrailer(h.FileSize)...)
	if _, err := w.f.WriteAt(tail, fileEnd); err != nil {
		return nil, err
	}
	if _, err := w.f.WriteAt(h.encode(), 0); err != nil {
		return nil, err
	}
	return &Result{Size: int64(h.FileSize), Data: end - DataStart, Checksum: digest(meta, table)}, nil
}

func digest(meta, table []byte) string {
	s := sha256.New()
	s.Write(meta)
	s.Write(table)
	return hex.EncodeToString(s.Sum(nil))
}

// stored reads the data of an uncompressed image from front to back.
func (w *writer) stored(end int64) func([]byte) error {
	r := io.NewSectionReader(w.f, DataStart, end-DataStart)
	return func(b []byte) error {
		_, err := io.ReadFull(r, b)
		return err
	}
}

// checksums makes the index of uncompressed data that ends at end; next fills a
// buffer with what follows.
func checksums(end int64, next func([]byte) error) ([]entry, error) {
	index := make([]entry, 0, chunks(uint64(end)))
	buf := make([]byte, ChunkSize)
	for off := int64(DataStart); off < end; off += ChunkSize {
		b := buf[:min(ChunkSize, end-off)]
		if err := next(b); err != nil {
			return nil, err
		}
		index = append(index, entry{Off: uint64(off), Len: uint32(len(b)), Sum: checksum(b)})
	}
	return index, nil
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
