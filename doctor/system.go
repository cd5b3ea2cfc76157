package doctor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
	"mana/pidns"
	"mana/splitproc"
	"mana/task"
)

// kernel is the kernel's version; 5.9 is the oldest with what the engine asks
// for (close_range, clone3's set_tid without CAP_SYS_ADMIN).
func kernel() finding {
	f := finding{Name: "kernel", Status: ok}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return finding{f.Name, warn, fmt.Sprintf("its version cannot be told: %v", err), ""}
	}
	release := unix.ByteSliceToString(u.Release[:])
	f.Text = fmt.Sprintf("Linux %s on %s", release, runtime.GOARCH)
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err == nil && (major < 5 || major == 5 && minor < 9) {
		f.Status, f.Text, f.Mend = fail, f.Text+" is too old", "use Linux 5.9 or later"
	}
	return f
}

// control tries on a child what a checkpoint does to a program.
func control() []finding {
	trace := finding{"ptrace", ok, "a process may control the programs that it starts", ""}
	filter := finding{"seccomp", ok, "the MPI library can be kept apart from the program by a system call filter", ""}
	layout := finding{"memory layout", ok, "the layout of a process can be set (PR_SET_MM_MAP)", ""}
	pages := finding{"page scan", ok, "changed pages are found quickly (PAGEMAP_SCAN)", ""}
	tracer := task.NewTracer()
	defer tracer.Close()
	err := tracer.Do(func() error {
		return task.MayControl(func(t *task.Task) error {
			if _, err := t.PrctlInOp2(unix.PR_SET_MM, unix.PR_SET_MM_MAP_SIZE, make([]byte, 4)); err != nil {
				layout = finding{layout.Name, fail, fmt.Sprintf("the layout of a process cannot be set, so that nothing can be restarted: %v", err),
					"use a kernel with CONFIG_CHECKPOINT_RESTORE"}
			}
			pages = pageScan(pages, t)
			if err := splitproc.Confine(t); err != nil {
				filter = finding{filter.Name, fail, fmt.Sprintf("MPI programs cannot be started: %v", err),
					"allow the seccomp system call (a kernel with CONFIG_SECCOMP_FILTER; in a container, its profile)"}
			}
			return nil
		})
	})
	if err == nil {
		return []finding{trace, filter, layout, pages}
	}
	text, mend, _ := strings.Cut(err.Error(), ": kernel.yama")
	if mend != "" {
		mend = "kernel.yama" + mend
	} else if errors.Is(err, task.ErrNotPermitted) {
		i := strings.LastIndex(text, ": allow ")
		if i >= 0 {
			text, mend = text[:i], text[i+2:]
		}
	}
	return []finding{{trace.Name, fail, text, mend}}
}

func pageScan(f finding, t *task.Task) finding {
	p, err := task.OpenPages(t.TID)
	if err != nil {
		return finding{f.Name, fail, fmt.Sprintf("a program's pages cannot be told: %v", err), "mount /proc"}
	}
	defer p.Close()
	if _, err := p.Private(task.Range{Addr: 0x10000, Len: 1 << 20}); err == nil && !p.Scans() {
		return finding{f.Name, warn, "the kernel has no PAGEMAP_SCAN: programs stand still somewhat longer at a checkpoint", "Linux 6.7 or later has it"}
	}
	return f
}

// namespaces tries the pid namespace in which programs without MPI get their
// numbers back.
func namespaces() finding {
	f := finding{"process numbers", ok, "a restarted program gets its process numbers back", ""}
	if pidns.MaySetTIDs() {
		return f
	}
	if _, _, err := pidns.Run(pidns.Options{}); err != nil {
		return finding{f.Name, warn, fmt.Sprintf("a restarted program gets new process numbers if its own are taken: %v", err),
			"permit user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns=0); MPI jobs do not need them"}
	}
	f.Text += ", in a namespace of its own if they are taken"
	return f
}

// pidfd tries what is shared among the processes of a tree.
func pidfd() finding {
	f := finding{"pidfd", ok, "open files of a process can be looked at (pidfd_getfd)", ""}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err == nil {
		defer unix.Close(fd)
		var copied int
		if copied, err = unix.PidfdGetfd(fd, 0, 0); err == nil {
			unix.Close(copied)
		} else if errors.Is(err, unix.EBADF) {
			err = nil // this process has no standard input
		}
	}
	if err != nil {
		return finding{f.Name, fail, fmt.Sprintf("open files of a process cannot be looked at: %v", err), "Linux 5.6 or later; in a container, a seccomp profile that allows pidfd_open and pidfd_getfd"}
	}
	return f
}

// overcommit looks whether the copy of a large program could be refused.
func overcommit() finding {
	f := finding{"memory copies", ok, "a program runs on while its image is written", ""}
	b, err := os.ReadFile("/proc/sys/vm/overcommit_memory")
	if err == nil && strings.TrimSpace(string(b)) == "2" {
		return finding{f.Name, warn, "a program that has more than half of the memory stands still until its image is written (vm.overcommit_memory is 2)", "sysctl vm.overcommit_memory=0"}
	}
	return f
}
