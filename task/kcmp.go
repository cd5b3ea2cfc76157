package task

import "golang.org/x/sys/unix"

// CompareFiles orders two descriptors, each of a process, by their open file
// description: 0 means that they share one (kcmp(2), KCMP_FILE).
func CompareFiles(pidA, a, pidB, b int) (int, error) {
	const kcmpFile = 0
	r, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(pidA), uintptr(pidB), kcmpFile, uintptr(a), uintptr(b), 0)
	if e != 0 {
		return 0, e
	}
	return map[uintptr]int{0: 0, 1: -1, 2: 1}[r], nil
}

// SameDescriptors tells whether two processes share their table of descriptors
// (kcmp(2), KCMP_FILES); false where the kernel does not say.
func SameDescriptors(pidA, pidB int) bool {
	const kcmpFiles = 2
	r, _, e := unix.Syscall6(unix.SYS_KCMP, uintptr(pidA), uintptr(pidB), kcmpFiles, 0, 0, 0)
	return e == 0 && r == 0
}
