package process

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// socketPeers notes which unix sockets of the program are connected to each
// other. Where the kernel cannot tell (no unix_diag) they stay unknown.
func (c *collector) socketPeers() {
	for i := range c.st.Files {
		if s := c.st.Files[i].Socket; s != nil && s.Domain == unix.AF_UNIX {
			peers, err := unixPeers()
			if err != nil {
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

// unixPeers asks the kernel for all connected unix sockets (sock_diag(7)).
func unixPeers() (map[uint64]uint64, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, unixDiagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("ask sock_diag: %w", err)
	}
	peers := make(map[uint64]uint64)
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil, fmt.Errorf("read sock_diag: %w", err)
		}
		done, err := parseUnixDiag(buf[:n], peers)
		if done || err != nil {
			return peers, err
		}
	}
}

const (
	sockDiagByFamily = 20
	udiagShowPeer    = 4
	unixDiagPeer     = 2
)

// unixDiagRequest is a struct nlmsghdr and a struct unix_diag_req
// (include/uapi/linux/unix_diag.h).
func unixDiagRequest() []byte {
	le := binary.LittleEndian
	b := make([]byte, 16+24)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], sockDiagByFamily)
	le.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b[16] = unix.AF_UNIX
	le.PutUint32(b[20:], ^uint32(0)) // in all states
	le.PutUint32(b[28:], udiagShowPeer)
	return b
}

// parseUnixDiag reads a datagram of answers and tells whether it was the last.
func parseUnixDiag(b []byte, peers map[uint64]uint64) (done bool, err error) {
	le := binary.LittleEndian
	for len(b) >= 16 {
		n := int(le.Uint32(b))
		if n < 16 || n > len(b) {
			return true, fmt.Errorf("malformed answer of sock_diag")
		}
		switch le.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, fmt.Errorf("sock_diag refuses")
		case sockDiagByFamily:
			if n >= 32 {
				parsePeer(uint64(le.Uint32(b[20:])), b[32:n], peers)
			}
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return false, nil
}

// parsePeer looks for the peer among the attributes of socket ino.
func parsePeer(ino uint64, attrs []byte, peers map[uint64]uint64) {
	le := binary.LittleEndian
	for len(attrs) >= 4 {
		n := int(le.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return
		}
		if le.Uint16(attrs[2:]) == unixDiagPeer && n >= 8 {
			peers[ino] = uint64(le.Uint32(attrs[4:]))
		}
		attrs = attrs[min(len(attrs), (n+3)&^3):]
	}
}
