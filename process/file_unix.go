package process

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"mana/sockdiag"
)

// socketPeers notes which unix sockets of the program are connected to each
// other, and what is shut down. Where the kernel cannot tell (no unix_diag) it
// stays unknown.
func (c *collector) socketPeers() {
	for i := range c.st.Files {
		if s := c.st.Files[i].Socket; s != nil && s.Domain == unix.AF_UNIX {
			known := make(map[uint64]unixState)
			if err := sockdiag.Dump(unixDiagRequest(), func(b []byte) { parseUnixDiag(b, known) }); err != nil {
				return
			}
			for j := range c.st.Files {
				if f := &c.st.Files[j]; f.Socket != nil {
					f.Socket.PeerIno, f.Socket.Shut = known[f.Inode].peer, known[f.Inode].shut
				}
			}
			return
		}
	}
}

// unixState is what unix_diag tells of a socket.
type unixState struct {
	peer uint64 // inode
	shut int
}

const (
	udiagShowPeer    = 4
	unixDiagPeer     = 2
	unixDiagShutdown = 6
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

// parseUnixDiag reads the attributes after a struct unix_diag_msg.
func parseUnixDiag(b []byte, known map[uint64]unixState) {
	const msgLen, ino = 16, 4
	if len(b) < msgLen {
		return
	}
	le := binary.LittleEndian
	var s unixState
	for attrs := b[msgLen:]; len(attrs) >= 4; {
		n := int(le.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return
		}
		switch kind := le.Uint16(attrs[2:]); {
		case kind == unixDiagPeer && n >= 8:
			s.peer = uint64(le.Uint32(attrs[4:]))
		case kind == unixDiagShutdown && n >= 5:
			s.shut = int(attrs[4])
		}
		attrs = attrs[min(len(attrs), (n+3)&^3):]
	}
	known[uint64(le.Uint32(b[ino:]))] = s
}
