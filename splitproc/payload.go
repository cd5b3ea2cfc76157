package splitproc

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

//go:generate ./build-payload

//go:embed payload
var payload embed.FS

// sonameRoom is the SONAME with which build-payload links the stubs; the one
// that a program wants is written over it.
const sonameRoom = "libmana_soname_to_be_replaced_at_extraction.so"

func payloadFile(name string) ([]byte, error) {
	b, err := payload.ReadFile("payload/" + name)
	if err != nil {
		return nil, fmt.Errorf("this build of mana lacks its MPI part %s", name)
	}
	return b, nil
}

// stubFile extracts the stub for a plan and returns its path.
func stubFile(p *Plan) (string, error) {
	b, err := payloadFile("stub-" + string(p.ABI) + ".so")
	if err != nil {
		return "", err
	}
	if b, err = setSONAME(b, p.SONAME); err != nil {
		return "", err
	}
	return Extract(p.SONAME, b, 0o400)
}

// adapterFile extracts the lower half's program for a library ABI.
func adapterFile(abi ABI) (string, error) {
	b, err := payloadFile("lower-" + string(abi))
	if err != nil {
		return "", err
	}
	return Extract("lower-"+string(abi), b, 0o500)
}

// setSONAME returns a copy of a stub with another SONAME.
func setSONAME(b []byte, soname string) ([]byte, error) {
	at := bytes.Index(b, []byte(sonameRoom+"\x00"))
	if at < 0 || len(soname) > len(sonameRoom) {
		return nil, fmt.Errorf("cannot give the stub the name %s", soname)
	}
	b = bytes.Clone(b)
	n := copy(b[at:], soname)
	clear(b[at+n : at+len(sonameRoom)])
	return b, nil
}

// Extract puts data into the user's cache, in a directory named by its
// contents, and returns its path.
func Extract(name string, data []byte, mode os.FileMode) (string, error) {
	sum := sha256.Sum256(data)
	var errs []error
	for _, base := range cacheDirs() {
		dir := filepath.Join(base, hex.EncodeToString(sum[:8]))
		if err := privateDir(base); err != nil {
			errs = append(errs, err)
			continue
		}
		path, err := extractInto(dir, name, data, mode)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("no place for %s: %w", name, errors.Join(errs...))
}

// cacheDirs are the places to try. ld.so splits LD_PRELOAD at blanks and colons.
func cacheDirs() []string {
	var dirs []string
	add := func(dir string) {
		if filepath.IsAbs(dir) && !strings.ContainsAny(dir, " :;\t\n") {
			dirs = append(dirs, dir)
		}
	}
	if c, err := os.UserCacheDir(); err == nil {
		add(filepath.Join(c, "mana"))
	}
	own := fmt.Sprintf("mana-%d", os.Getuid())
	add(filepath.Join(os.TempDir(), own))
	add(filepath.Join("/tmp", own))
	add(filepath.Join("/dev/shm", own))
	return dirs
}

// privateDir makes sure of a directory that only we can write and from which
// code may be mapped.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s is not a directory of user %d alone", dir, os.Geteuid())
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	if fs.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("%s is mounted noexec", dir)
	}
	return nil
}

func extractInto(dir, name string, data []byte, mode os.FileMode) (string, error) {
	path := filepath.Join(dir, name)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
		return path, nil
	}
	if err := privateDir(dir); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(dir, "."+name+"-")
	if err != nil {
		return "", fmt.Errorf("extract %s: %w", name, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = publish(tmp.Name(), path, data)
	}
	if err != nil {
		return "", fmt.Errorf("extract %s: %w", name, err)
	}
	return path, nil
}

// publish gives a file its final name. Another rank of this node may have done
// so meanwhile: its file stays, because programs map it already, and a mapped
// file that is replaced could not be mapped again at a restart.
func publish(tmp, path string, data []byte) error {
	if os.Link(tmp, path) == nil {
		return nil
	}
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, data) {
		return nil
	}
	return os.Rename(tmp, path) // a damaged file, or no hard links here
}
