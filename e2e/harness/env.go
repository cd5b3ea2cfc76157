// Package harness runs the real product on real programs: it installs the binary
// and compiles the test programs in a directory of its own, starts jobs there as
// an unprivileged user, checkpoints, kills and restarts them, and reports in
// detail when something does not move. Every wait is bounded, and only processes
// that descend from this one are ever signalled.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Account is the unprivileged user that jobs run as when the tests run as root:
// $MANA_E2E_ACCOUNT, so that several runs may go on at a time, or manae2e.
func Account() string {
	if name := os.Getenv("MANA_E2E_ACCOUNT"); name != "" {
		return name
	}
	return "manae2e"
}

// Tools are the names under which the one binary is installed.
var Tools = []string{
	"dmtcp_coordinator", "dmtcp_launch", "dmtcp_restart", "dmtcp_command",
	"mana_coordinator", "mana_launch", "mana_restart", "mana_status", "mana_inspect", "mana_doctor",
}

// Patience bounds every wait for a thing that should happen soon.
var Patience = 60 * time.Second

// Env is an installed product with its compiled test programs.
type Env struct {
	Root   string // of the module
	Dir    string // of everything the tests make
	Bin    string // the installed product; empty if it was not asked for
	cred   *syscall.Credential
	mu     sync.Mutex
	built  map[string]error
	number int
}

// New makes an Env. binary is the product to install, or "" for none.
func New(binary string) (*Env, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	// What else the caller has open is not for the jobs.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("mark inherited descriptors: %w", err)
	}
	if s := os.Getenv("MANA_E2E_TIMEOUT"); s != "" {
		if Patience, err = time.ParseDuration(s); err != nil {
			return nil, fmt.Errorf("MANA_E2E_TIMEOUT: %w", err)
		}
	}
	if err := alone(); err != nil {
		return nil, err
	}
	// Short, because Open MPI puts sockets with long names below TMPDIR.
	dir, err := os.MkdirTemp("/tmp", "manae2e-")
	if err != nil {
		return nil, err
	}
	e := &Env{Root: root, Dir: dir, built: map[string]error{}}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if e.cred, err = account(); err != nil {
			return nil, err
		}
	}
	if binary != "" {
		if err := e.install(binary); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// alone makes sure that no other run works with the same account: each would
// take the other's shared memory for leftovers. The lock ends with this process.
func alone() error {
	path := fmt.Sprintf("/tmp/manae2e-%d-%s.lock", os.Getuid(), filepath.Base(Account()))
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another run of these tests or of the benchmarks is going on (%s): %w", path, err)
	}
	return nil
}

// Close removes everything the Env made.
func (e *Env) Close() error { return os.RemoveAll(e.Dir) }

// install copies the product, since the account may not be able to read the source tree.
func (e *Env) install(binary string) error {
	e.Bin = filepath.Join(e.Dir, "bin")
	if err := os.Mkdir(e.Bin, 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("install the product: %w", err)
	}
	if err := os.WriteFile(filepath.Join(e.Bin, "mana"), data, 0o755); err != nil {
		return err
	}
	for _, tool := range Tools {
		if err := os.Symlink("mana", filepath.Join(e.Bin, tool)); err != nil {
			return err
		}
	}
	return e.installShare("contrib/nersc_cr/cr_functions.sh", "share/mana/nersc_cr")
}

// installShare copies a file of the source tree where make install puts it.
func (e *Env) installShare(file, dir string) error {
	data, err := os.ReadFile(filepath.Join(e.Root, file))
	if err != nil {
		return err
	}
	target := filepath.Join(e.Dir, dir)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(target, filepath.Base(file)), data, 0o644)
}

// Mkdir makes a fresh directory that the account owns.
func (e *Env) Mkdir(prefix string) (string, error) {
	e.mu.Lock()
	e.number++
	dir := filepath.Join(e.Dir, prefix+strconv.Itoa(e.number))
	e.mu.Unlock()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, e.own(dir)
}

// copyTo copies a file into a directory, for the account.
func (e *Env) copyTo(dir, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	target := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(target, data, 0o644); err != nil {
		return err
	}
	return e.own(target)
}

func (e *Env) own(path string) error {
	if e.cred == nil {
		return nil
	}
	return os.Chown(path, int(e.cred.Uid), int(e.cred.Gid))
}

// Uid is the user that jobs run as.
func (e *Env) Uid() uint32 {
	if e.cred == nil {
		return uint32(os.Getuid())
	}
	return e.cred.Uid
}

func account() (*syscall.Credential, error) {
	name := Account()
	u, err := user.Lookup(name)
	if err != nil {
		if out, err := exec.Command("useradd", "--create-home", name).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("useradd %s: %w: %s", name, err, out)
		}
		if u, err = user.Lookup(name); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
