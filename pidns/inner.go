package pidns

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Enter has to be called before anything else in every process that Run may
// have started. In others it does nothing. In the first stage of the inner
// process it sets up the namespaces and execs the command once more, which
// leaves one thread whose numbers do not matter and moves all later ones out of
// the way of those to be restored.
func Enter() {
	stage, arg := stage()
	if stage == stageJoin {
		joined(arg)
		return
	}
	if stage == "" || os.Getpid() != 1 {
		return
	}
	if stage == stageKeep || stage == stageServe {
		keep(stage, arg)
	}
	if stage == stageRun {
		ownIPC = arg == withIPC
		unix.CloseOnExec(pipeFD)
		os.Unsetenv(variable)
		report("ready")
		return
	}
	o, err := parseOptions(arg)
	if err == nil {
		err = setUp(o)
	}
	if err == nil {
		next := stageRun + ":"
		if o.IPC {
			next += withIPC
		}
		os.Setenv(variable, next)
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	report("failed " + strings.ReplaceAll(err.Error(), "\n", " "))
	os.Exit(1)
}

// withIPC is the argument of stageRun if there is an ipc namespace.
const withIPC = "ipc"

// setUp mounts a /proc that shows the new pid namespace and lets numbers begin
// above the highest.
func setUp(o Options) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Refused where the present /proc is partly covered, as in many containers.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount a new /proc: %w", err)
	}
	if o.IPC { // where there is none, or it may not be covered, queues have their names all the same
		_ = unix.Mount("mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
	b, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return err
	}
	top, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("kernel.pid_max: %w", err)
	}
	first := o.Highest + 1000
	if first > top-1000 {
		first = 300 // below this the kernel does not reuse numbers (RESERVED_PIDS)
	}
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(first)), 0); err != nil {
		return fmt.Errorf("set the next process number: %w", err)
	}
	return nil
}

// Died tells the outer process which signal ended the program: process 1 of a
// namespace cannot end by a signal of its own.
func Died(sig syscall.Signal) {
	if inside {
		report("signal " + strconv.Itoa(int(sig)))
	}
}

func report(line string) { _, _ = unix.Write(reportFD, []byte(line+"\n")) }

// MaySetTIDs tells whether this process may ask for process numbers in its own
// pid namespace: that takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the user
// namespace that owns it (kernel/pid.c).
func MaySetTIDs() bool {
	return capable(unix.CAP_CHECKPOINT_RESTORE, unix.CAP_SYS_ADMIN) && ownsPIDs()
}

// capable tells whether this process has one of the capabilities in its own
// user namespace.
func capable(any ...int) bool {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		v, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		have, _ := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		for _, c := range any {
			if have&(1<<c) != 0 {
				return true
			}
		}
	}
	return false
}

// ownsPIDs tells whether our pid namespace belongs to our user namespace.
func ownsPIDs() bool {
	const getOwner = 0xb701 // NS_GET_USERNS, ioctl_nsfs(2)
	pid, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		return false
	}
	defer pid.Close()
	owner, err := unix.IoctlRetInt(int(pid.Fd()), getOwner)
	if err != nil {
		return false
	}
	defer unix.Close(owner)
	var a, b unix.Stat_t
	return unix.Fstat(owner, &a) == nil && unix.Stat("/proc/self/ns/user", &b) == nil && a.Ino == b.Ino
}
