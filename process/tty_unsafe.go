package process

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// termiosBytes is the structure as the kernel has it.
func termiosBytes(t *unix.Termios) []byte {
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(t)), unsafe.Sizeof(*t)))
}

// termiosOf is its inverse; settings too short to be any are empty ones.
func termiosOf(b []byte) *unix.Termios {
	t := new(unix.Termios)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(t)), unsafe.Sizeof(*t)), b)
	return t
}

func winsizeBytes(w *unix.Winsize) []byte {
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(w)), unsafe.Sizeof(*w)))
}

func winsizeOf(b []byte) *unix.Winsize {
	w := new(unix.Winsize)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(w)), unsafe.Sizeof(*w)), b)
	return w
}
