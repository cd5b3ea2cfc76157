package process

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"mana/sockdiag"
)

// socketPeers notes which unix sockets of the program are connected to each
// other. Where the kernel cannot tell (no unix_diag) they stay unknown.
func (c *collector) socketPeers() {
	for i := range c.st.Files {
		if s := c.st.Files[i].Socket; s != nil && s.Domain == unix.AF_UNIX {
			peers := make(map[uint64]uint64)
			if err := sockdiag.Dump(unixDiagRequest(), func(b []byte) { parseUnixDiag(b, peers) }); err != nil {
				return
			}
			for j := range c.st.Files {
				if f := &c.st.Files[j]; f.Socket != nil {
					f.Socket.PeerIno = peers[f.Inode]
				}
			}
			return
		}
	}
}

const (
	udiagShowPeer = 4
	unixDiagPeer  = 2
)

// unixDiagRequest is a struct unix_diag_req (include/uapi/linux/unix_diag.h).
func unixDiagRequest() []byte {
	le := binary.LittleEndian
	b := make([]byte, 24)
	b[0] = unix.AF_UNIX
	le.PutUint32(b[4:], ^uint32(0)) // in all states
	le.PutUint32(b[12:], udiagShowPeer)
	return b
}

// parseUnixDiag looks for the peer among the attributes after a struct
// unix_diag_msg.
func parseUnixDiag(b []byte, peers map[uint64]uint64) {
	const msgLen, ino = 16, 4
	if len(b) < msgLen {
		return
	}
	le := binary.LittleEndian
	for attrs := b[msgLen:]; len(attrs) >= 4; {
		n := int(le.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return
		}
		if le.Uint16(attrs[2:]) == unixDiagPeer && n >= 8 {
			peers[uint64(le.Uint32(b[ino:]))] = uint64(le.Uint32(attrs[4:]))
		}
		attrs = attrs[min(len(attrs), (n+3)&^3):]
	}
}
