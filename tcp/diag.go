package tcp

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"mana/sockdiag"
)

// mate is what the kernel tells of a socket that is not ours.
type mate struct {
	state  int
	unread int // bytes; a FIN is not counted
	unsent int
	inode  uint32 // 0 if no descriptor refers to it: not accepted yet, or closed
}

// lookUp finds the socket of this network namespace whose view of a connection
// is e, nil if there is none.
func lookUp(e End) (*mate, error) {
	b, err := sockdiag.Find(inetDiagRequest(e))
	if b == nil || err != nil {
		return nil, err
	}
	m, err := parseInetDiag(b)
	if err != nil || m.state == listen {
		return nil, err // a listener stands in where there is no connection (inet_lookup)
	}
	return m, nil
}

const listen = 10 // TCP_LISTEN

// inetDiagRequest is a struct inet_diag_req_v2 (include/uapi/linux/inet_diag.h)
// for one socket, whatever its cookie.
func inetDiagRequest(e End) []byte {
	const sport, dport, src, dst, iface, cookie, size = 8, 10, 12, 28, 44, 48, 56
	b := make([]byte, size)
	b[0], b[1] = unix.AF_INET, unix.IPPROTO_TCP
	if e.Local.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0)) // in all states
	binary.BigEndian.PutUint16(b[sport:], e.Local.Port())
	binary.BigEndian.PutUint16(b[dport:], e.Remote.Port())
	copy(b[src:], e.Local.Addr().AsSlice())
	copy(b[dst:], e.Remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(b[iface:], zoneID(e.Local.Addr().Zone()))
	binary.NativeEndian.PutUint64(b[cookie:], ^uint64(0)) // INET_DIAG_NOCOOKIE
	return b
}

// parseInetDiag reads a struct inet_diag_msg.
func parseInetDiag(b []byte) (*mate, error) {
	const state, rqueue, wqueue, inode, size = 1, 56, 60, 68, 72
	if len(b) < size {
		return nil, errors.New("malformed answer of inet_diag")
	}
	ne := binary.NativeEndian
	m := &mate{state: int(b[state]), unread: int(ne.Uint32(b[rqueue:])), unsent: int(ne.Uint32(b[wqueue:])), inode: ne.Uint32(b[inode:])}
	if m.state == closeWait && m.unread > 0 {
		m.unread-- // the FIN
	}
	return m, nil
}
