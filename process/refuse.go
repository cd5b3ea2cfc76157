package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"mana/task"
)

// ErrUnsupported is wrapped by every error that says what in a program cannot be
// checkpointed.
var ErrUnsupported = errors.New("cannot be checkpointed")

func refuse(pid int, format string, args ...any) error {
	return fmt.Errorf("process %d %s: %w", pid, fmt.Sprintf(format, args...), ErrUnsupported)
}

// precheck finds, without stopping anything, what stands against a checkpoint.
func precheck(pid int, o *Options) error {
	st, err := status(pid, "")
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	if strings.HasPrefix(st["State"], "Z") {
		return refuse(pid, "has lost its main thread or has ended (zombie)")
	}
	if t, _ := task.TracerPID(pid); t != 0 {
		return refuse(pid, "is traced by process %d (a debugger?)", t)
	}
	n := number(st["Seccomp_filters"])
	if _, counted := st["Seccomp_filters"]; !counted && st["Seccomp"] == "2" && o.SeccompFilters == 0 {
		n = 1 // before Linux 5.9
	}
	if n > o.SeccompFilters {
		return refuse(pid, "has installed a seccomp filter of its own")
	}
	if st["Seccomp"] == "1" {
		return refuse(pid, "is in seccomp strict mode")
	}
	if parent := number(st["PPid"]); task.SameDescriptors(pid, parent) {
		return refuse(pid, "shares its table of descriptors with its parent, %d (CLONE_FILES)", parent)
	}
	if err := checkChildren(pid, o); err != nil {
		return err
	}
	return checkObjects(pid, o)
}

// checkChildren refuses a program that has started others, unless these are
// checkpointed too.
func checkChildren(pid int, o *Options) error {
	if o.Children {
		return nil
	}
	tids, err := tasks(pid)
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	for _, tid := range tids {
		b, _ := readProc(pid, "task/"+strconv.Itoa(tid)+"/children")
		for _, c := range strings.Fields(string(b)) {
			comm, _ := os.ReadFile("/proc/" + c + "/comm")
			return refuse(pid, "has a child process %s (%s)",
				c, strings.TrimSpace(string(comm)))
		}
	}
	return nil
}

// foreign are kernel objects whose state cannot be read or rebuilt.
var foreign = []struct{ prefix, what string }{
	{"anon_inode:[io_uring]", "an io_uring"},
	{"anon_inode:[perf_event]", "a perf event"},
	{"anon_inode:[userfaultfd]", "a userfaultfd"},
	{"anon_inode:bpf", "a bpf object"},
	{"anon_inode:[fanotify]", "a fanotify group"},
	{"anon_inode:kvm", "a KVM machine"},
	{"anon_inode:[landlock", "a landlock ruleset"},
	{"anon_inode:seccomp", "a seccomp notification"},
	{"/dev/infiniband/", "an RDMA device"},
	{"/dev/nvidia", "an NVIDIA GPU"},
	{"/dev/kfd", "an AMD GPU"},
	{"/dev/dri/", "a GPU"},
	{"/dev/fuse", "a FUSE connection"},
	{"/[aio]", "an asynchronous I/O context"},
	{"/secretmem", "secret memory"},
	{"anon_inode:[perf", "a perf event"},
}

func foreignObject(name string) string {
	for _, f := range foreign {
		if strings.HasPrefix(name, f.prefix) {
			return f.what
		}
	}
	return ""
}

// checkObjects looks for mappings and descriptors that cannot be saved.
func checkObjects(pid int, o *Options) error {
	maps, err := readProc(pid, "maps")
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	vmas, err := parseMaps(maps)
	if err != nil {
		return err
	}
	for _, v := range vmas {
		if what := foreignObject(v.Name); what != "" && !o.excluded(v.Start) {
			return refuse(pid, "has mapped %s (%s)", what, v.Name)
		}
	}
	fds, err := descriptors(pid)
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	for _, fd := range fds {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		if what := foreignObject(link); what != "" && !o.lowerFD(fd) {
			return refuse(pid, "has %s open (fd %d, %s)", what, fd, link)
		}
	}
	return nil
}
