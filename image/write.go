package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	// WriteExtents stores extents without Data, which are in ascending order, in
	// the file of the given name, which is also open as f. The fastest way is its
	// own business. It calls done with the position up to which all is stored.
	WriteExtents(f *os.File, name string, es []Extent, done func(int64)) error
	// ReadMemory reads the source's memory, for an image that is compressed.
	ReadMemory(addr uint64, b []byte) error
	// Metadata describes the source; called after Extents.
	Metadata() ([]byte, error)
}

// WriteOptions change how an image is written.
type WriteOptions struct {
	// Codec compresses the image. An uncompressed one is written, and read at
	// restart, much faster.
	Codec Codec
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
	w := &writer{f: f, src: src, extents: es, sync: !o.NoSync, codec: o.Codec}
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
	sync    bool
	codec   Codec
}

func (w *writer) run() (*Result, error) {
	end, err := layoutEnd(w.extents)
	if err != nil {
		return nil, err
	}
	var index []entry
	fileEnd := end
	if w.codec == None {
		index, err = w.data(end)
	} else {
		index, fileEnd, err = w.compressed(end)
	}
	if err != nil {
		return nil, err
	}
	meta, err := w.src.Metadata()
	if err != nil {
		return nil, err
	}
	return w.finish(end, fileEnd, meta, index)
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

// data stores the data. The checksums are computed from the file, close behind
// the writing: there the data is in the page cache, where it is cheaper to read
// than in the memory of another process, and what is summed is what was written.
func (w *writer) data(end int64) ([]entry, error) {
	if err := w.f.Truncate(end); err != nil { // the last page may be padded
		return nil, err
	}
	marks := make(chan int64, end/ChunkSize+2)
	var index []entry
	sums := make(chan error, 1)
	go func() {
		var err error
		index, err = w.follow(marks, end)
		for range marks { // whatever went wrong, the writer must not block
		}
		sums <- err
	}()
	err := w.store(func(mark int64) {
		select {
		case marks <- mark:
		default: // a later mark says the same and more
		}
	})
	if err == nil {
		marks <- end
	}
	close(marks)
	if e := <-sums; err == nil {
		err = e
	}
	return index, err
}

// store writes first what it has itself, then lets the source write the rest.
func (w *writer) store(done func(int64)) error {
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
		return w.src.WriteExtents(w.f, w.f.Name(), memory, done)
	}
	return nil
}

// finish writes everything that follows the data, which ends at fileEnd in the
// file, and then the header.
func (w *writer) finish(end, fileEnd int64, meta []byte, index []entry) (*Result, error) {
	table := encodeIndex(index)
	h := header{
		Codec: w.codec, DataEnd: uint64(end),
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

// follow makes the index of uncompressed data while marks say how far it is
// written, and starts to move it to the disk so that the final sync is short.
func (w *writer) follow(marks <-chan int64, end int64) ([]entry, error) {
	index := make([]entry, 0, chunks(uint64(end)))
	buf := make([]byte, ChunkSize)
	off, synced := int64(DataStart), int64(0)
	for mark := range marks {
		for off < end && min(off+ChunkSize, end) <= mark {
			b := buf[:min(ChunkSize, end-off)]
			if _, err := w.f.ReadAt(b, off); err != nil {
				return nil, err
			}
			index = append(index, entry{Off: uint64(off), Len: uint32(len(b)), Sum: checksum(b)})
			off += int64(len(b))
		}
		if w.sync && off-synced >= flushSize {
			// Only a hint: that the data arrives is the business of fsync.
			unix.SyncFileRange(int(w.f.Fd()), synced, off-synced, unix.SYNC_FILE_RANGE_WRITE)
			synced = off
		}
	}
	return index, nil
}

// flushSize is how much is handed to the disk at a time.
const flushSize = 64 << 20
