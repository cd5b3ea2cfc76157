package tcp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockRecv in SO_BUF_LOCK says that the program has fixed the size of the receive
// buffer (SOCK_RCVBUF_LOCK, include/net/sock.h).
const lockRecv = 2

// widen makes room in the receive buffer for so many bytes in all. SO_RCVLOWAT
// makes it larger, within net.ipv4.tcp_rmem, which needs no privilege, and leaves
// it so when set back (tcp_set_rcvlowat, net/ipv4/tcp.c). It is not made smaller
// again: what the peer has been told that there is room for would be dropped.
func widen(fd, room int) error {
	lock, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUF_LOCK) // since Linux 5.14
	if err == nil && lock&lockRecv != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUF_LOCK, lock&^lockRecv); err != nil {
			return fmt.Errorf("free the size of the receive buffer: %w", err)
		}
		defer unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUF_LOCK, lock)
	}
	low, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, room)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, low)
	}
	if err != nil {
		return fmt.Errorf("widen the receive buffer: %w", err)
	}
	return nil
}

// largest is the most that a buffer can hold (net.ipv4.tcp_rmem and tcp_wmem,
// tcp(7)).
func largest(name string) int {
	n := 4 << 20
	if b, err := os.ReadFile("/proc/sys/net/ipv4/" + name); err == nil {
		fmt.Sscan(string(b), new(int), new(int), &n)
	}
	return n
}

// spare is more than what was in flight can need more when it is sent again: the
// last segments may not fit as they did.
const spare = 1 << 20

// canWiden tells whether the receive buffer can be made larger by the spare room.
// SO_RCVLOWAT goes up to half of the largest size.
func canWiden(fd int) bool {
	size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return err == nil && size+spare <= largest("tcp_rmem")/2
}

// announce makes the kernel tell the peer about the room that there is: it looks
// whenever something is read, were it but peeked (tcp_recvmsg_locked).
func announce(fd int) {
	if n, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil && n > 0 {
		unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	}
}
