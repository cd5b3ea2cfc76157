package sockdiag

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a netlink message with a body.
func message(typ uint16, body ...byte) []byte {
	b := make([]byte, headerLen)
	binary.NativeEndian.PutUint32(b, uint32(headerLen+len(body)))
	binary.NativeEndian.PutUint16(b[4:], typ)
	b = append(b, body...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func TestParse(t *testing.T) {
	noSuch := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.ENOENT)+1)
	for _, c := range []struct {
		name  string
		in    []byte
		found string
		done  bool
		err   bool
		is    error
	}{
		{"nothing", nil, "", false, false, nil},
		{"two", append(message(sockDiagType, 'a', 'b', 'c'), message(sockDiagType, 'd')...), "abc,d,", false, false, nil},
		{"last", append(message(sockDiagType, 'a'), message(unix.NLMSG_DONE)...), "a,", true, false, nil},
		{"error", message(unix.NLMSG_ERROR, noSuch...), "", true, true, unix.ENOENT},
		{"short error", message(unix.NLMSG_ERROR), "", true, true, nil},
		{"too long", message(sockDiagType, 'a')[:headerLen], "", true, true, nil},
		{"too short", make([]byte, headerLen), "", true, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := ""
			done, err := parse(c.in, func(b []byte) { found += string(b) + "," })
			if found != c.found || done != c.done || (err != nil) != c.err || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("found %q, done %v, error %v", found, done, err)
			}
		})
	}
}
