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

func winsizeBytes(w *unix.Winsize) []byte {
	return slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(w)), unsafe.Sizeof(*w)))
}
