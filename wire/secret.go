package wire

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SecretEnv carries the secret to the processes that a coordinator's owner
// starts, for the case that they do not share his home directory.
const SecretEnv = "MANA_SECRET"

// NewSecret returns 32 random bytes in hexadecimal.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// secretDir is where one user's coordinators leave their secrets. It is
// below the home directory because that is what the nodes of a job share.
func secretDir() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the secret's directory: %w", err)
	}
	return filepath.Join(home, ".mana"), nil
}

// LockPort excludes other launches of this user on this machine, until unlock
// is called, from the decision whether to start a coordinator on the port.
func LockPort(port int) (unlock func(), err error) {
	dir, err := secretDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock port %d: %w", port, err)
	}
	path := filepath.Join(dir, ".lock-"+secretName(LocalName(), port))
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { unix.Close(fd) }, nil
}

// StoreSecret writes the secret of the coordinator at this host and port,
// by rename so that a client never reads half of one, and returns its path.
func StoreSecret(port int, secret string) (string, error) {
	dir, err := secretDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("store secret: %w", err)
	}
	path := filepath.Join(dir, secretName(LocalName(), port))
	tmp, err := os.CreateTemp(dir, ".secret-")
	if err != nil {
		return "", fmt.Errorf("store secret: %w", err)
	}
	_, err = tmp.WriteString(secret + "\n")
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return "", fmt.Errorf("store secret: %w", err)
	}
	return path, nil
}

// Secrets lists the secrets that may open the coordinator at host:port: the
// one in the environment, then the ones in the files that this user's
// coordinators left under any name of that host.
func Secrets(host string, port int) []string {
	var found []string
	if s := os.Getenv(SecretEnv); s != "" {
		found = append(found, s)
	}
	dir, err := secretDir()
	if err != nil {
		return found
	}
	for _, name := range hostNames(host) {
		b, err := os.ReadFile(filepath.Join(dir, secretName(name, port)))
		if s := strings.TrimSpace(string(b)); err == nil && s != "" && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found
}

func secretName(host string, port int) string { return host + ":" + strconv.Itoa(port) }

// LocalName is this machine's own name, by which its coordinators' secrets
// are filed.
func LocalName() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsRune(name, '/') {
		return "localhost"
	}
	return name
}

// hostNames lists the names under which a secret of host may be filed: a
// coordinator files it under its own host name, but a client may call that
// machine localhost, 127.0.0.1, by a short or long name or by an address.
func hostNames(host string) []string {
	local := LocalName()
	if host == "" || host == "localhost" || host == local {
		return []string{local}
	}
	names := []string{filepath.Base(host)}
	add := func(n string) {
		if n = filepath.Base(n); n != "." && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	short, _, _ := strings.Cut(host, ".")
	if net.ParseIP(host) == nil {
		add(short)
	}
	addrs, _ := net.LookupHost(host)
	for _, a := range addrs {
		if isLocal(a) {
			add(local)
			continue
		}
		back, _ := net.LookupAddr(a)
		for _, n := range back {
			n = strings.TrimSuffix(n, ".")
			add(n)
			short, _, _ := strings.Cut(n, ".")
			add(short)
		}
	}
	return names
}

// isLocal reports whether addr is one of this machine's own.
func isLocal(addr string) bool {
	ip := net.ParseIP(addr)
	if ip == nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs()
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}

// IsLocalHost reports whether host is a name or address of this machine.
func IsLocalHost(host string) bool {
	if host == "" || host == LocalName() {
		return true
	}
	addrs, err := net.LookupHost(host)
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if isLocal(a) {
			return true
		}
	}
	return false
}
