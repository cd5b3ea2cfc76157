package process

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"mana/task"
)

// makeMQueues makes the POSIX message queues that the tree had open.
// Descriptors of ours wait in fam.files for the processes.
func (fam *family) makeMQueues() error {
	made := make(map[string]*File)
	for _, m := range fam.members {
		for i := range m.State.Files {
			f := &m.State.Files[i]
			if f.MQueue == nil {
				continue
			}
			if f.MQueue.Notified {
				m.opt.Warn("process %d is not told any more of messages in queue /%s", m.State.PID, f.MQueue.Name)
			}
			if old := made[f.SharedID]; old == nil || len(f.MQueue.Messages) > 0 {
				made[f.SharedID] = f
			}
		}
	}
	// First those without a name: others may have the name that they had.
	for _, deleted := range []bool{true, false} {
		for id, f := range made {
			if f.Deleted != deleted {
				continue
			}
			fd, err := fam.makeMQueue(f)
			if err != nil {
				return err
			}
			fam.files["queue "+id] = fd
		}
	}
	return nil
}

// makeMQueue makes one, or outside a namespace of our own takes one that is
// there as it is.
func (fam *family) makeMQueue(f *File) (int, error) {
	q, opt := f.MQueue, fam.members[0].opt
	name := q.Name
	if f.Deleted && !opt.OwnIPC {
		name += fmt.Sprint("-", os.Getpid()) // somebody else may have it
	}
	fd, err := task.MqOpen(name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_CREAT|unix.O_EXCL, f.Mode&0o777, &q.MqAttr)
	if errors.Is(err, unix.EEXIST) && !opt.OwnIPC && !f.Deleted {
		opt.Warn("the message queue /%s is there, with its present messages", q.Name)
		return task.MqOpen(q.Name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0, nil)
	}
	if err != nil {
		return -1, err
	}
	err = q.send(fd)
	if err == nil {
		err = unix.Fchmod(fd, f.Mode&0o777) // without the umask
	}
	if err == nil && f.Deleted {
		err = task.MqUnlink(name)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("fill the message queue /%s: %w", q.Name, err)
	}
	return fd, nil
}

func (r *Restored) openMQueue(f *File) (int, error) {
	fd, err := r.take("queue " + f.SharedID)
	if fd < 0 || err != nil {
		return -1, err
	}
	n, err := r.main.Openat(fmt.Sprintf("/proc/self/fd/%d", fd), f.Flags&^creationFlags, 0)
	if err != nil {
		return -1, err
	}
	if err := r.main.Close(fd); err != nil {
		return -1, err
	}
	return r.lift(n)
}
