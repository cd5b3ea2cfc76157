package agent

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A number that a launcher leaked must not be taken for the MPI library's: the
// program may use it for a file of its own, which would be missing from the image.
func TestLeaksAreNotHandedOn(t *testing.T) {
	leak, meant, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	defer meant.Close()
	was := atStart
	defer func() { atStart = was }()
	fds := []int{int(leak.Fd()), int(meant.Fd())}
	for _, fd := range fds {
		clearCloexec(t, fd)
	}
	t.Setenv("PMI_FD", strconv.Itoa(fds[1]))
	atStart = fds
	closeLeaks()
	if got := inherited(); !slices.Equal(got, fds[1:]) {
		t.Errorf("handed on %v of %v, where only %d is meant", got, fds, fds[1])
	}
}

func clearCloexec(t *testing.T, fd int) {
	t.Helper()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
}
