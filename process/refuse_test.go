package process

import (
	"errors"
	"strings"
	"testing"
)

// What could not come back is refused, in words, before anything is stopped.
func TestPrecheck(t *testing.T) {
	path := compile(t, "refused")
	for _, c := range []struct{ why, words string }{
		{"nothing", ""},
		{"descriptors", "shares its table of descriptors"},
		{"child", "has a child process"},
		{"filter", "seccomp filter of its own"},
		{"userfaultfd", "a userfaultfd"},
		{"io_uring", "an io_uring"},
	} {
		t.Run(c.why, func(t *testing.T) {
			_, told := start(t, path, c.why)
			if told[1] != "0" {
				t.Skip("the kernel does not permit it here")
			}
			err := precheck(number(told[0]), &Options{})
			if c.words == "" && err != nil || c.words != "" && (!errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("%v; wanted: %s", err, c.words)
			}
		})
	}
}
