// Package image is the file format of a checkpoint image and the one place that
// reads and writes it.
//
// An image is, in this order:
//
//	page 0      header: magic, version, codec, where the other parts are
//	data        the contents of memory pages and files, page-aligned
//	metadata    JSON that describes the process; the format's user defines it
//	index       one entry per chunk of data: position, stored length, CRC-32C
//	trailer     magic and the length of the whole file
//
// Positions of data are logical: data starts at DataStart, and a chunk is
// ChunkSize logical bytes. In an uncompressed image logical and file positions
// are the same, so its pages can be mapped straight from the file; in a
// compressed one the index tells where the frame of each chunk is.
//
// An image is written under a temporary name, synced and renamed: whatever has
// the final name is complete.
package image
