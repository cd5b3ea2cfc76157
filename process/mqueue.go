package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"mana/task"
)

// MQueue is a POSIX message queue.
type MQueue struct {
	Name string `json:"name"` // without the slash
	task.MqAttr
	// Messages are in the order in which they will be received; the first
	// descriptor of the queue among those saved together carries them.
	Messages []MQMessage `json:"messages,omitempty"`
	// Notified says that a process is to be told of the next message.
	Notified bool `json:"notified,omitempty"`
}

// MQMessage is a message in a queue.
type MQMessage struct {
	Priority uint32 `json:"priority"`
	Text     []byte `json:"text"`
}

const mqueueMagic = 0x19800202 // MQUEUE_MAGIC, ipc/mqueue.c

// isMQueue tells a queue from a regular file, which it looks like.
func isMQueue(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == mqueueMagic
}

func (c *collector) mqueue(o *openFile) error {
	fd, err := c.copyOf(o)
	if err != nil {
		return err
	}
	o.MQueue = &MQueue{Name: filepath.Base(o.Path)}
	o.SharedID = sharedID(o.Dev, o.Inode)
	if o.MQueue.MqAttr, err = task.MqGetAttr(fd); err != nil {
		return err
	}
	// "QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260", mq_overview(7)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fd/%d", c.pid, o.FD))
	if err != nil {
		return err
	}
	_, pid, _ := strings.Cut(string(b), "NOTIFY_PID:")
	o.MQueue.Notified = number(strings.TrimSpace(pid)) != 0
	if o.MQueue.Notified && o.MQueue.CurMsgs > 0 {
		return refuse(c.pid, "waits to be told of a new message in queue /%s, which is not empty", o.MQueue.Name)
	}
	return nil
}

// NoteMQueues saves the messages in the POSIX message queues of processes that
// all stand still. They cannot be looked at: they are received, and sent again.
func NoteMQueues(snaps []*Snapshot) error {
	seen := make(map[string]bool)
	for _, s := range snaps {
		for i := range s.State.Files {
			f := &s.State.Files[i]
			if f.MQueue == nil || f.MQueue.CurMsgs == 0 || seen[f.SharedID] {
				continue
			}
			seen[f.SharedID] = true
			if err := noteMQueue(s.State.PID, f); err != nil {
				return fmt.Errorf("read the message queue /%s at fd %d of process %d: %w", f.MQueue.Name, f.FD, s.State.PID, err)
			}
		}
	}
	return nil
}

func noteMQueue(pid int, f *File) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, f.FD), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	q := f.MQueue
	for {
		var m MQMessage
		m.Text, m.Priority, err = task.MqReceive(fd, q.MsgSize)
		if err != nil {
			break
		}
		q.Messages = append(q.Messages, m)
	}
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return errors.Join(err, q.send(fd))
}

// send puts the saved messages into an empty queue.
func (q *MQueue) send(fd int) error {
	for _, m := range q.Messages {
		if err := task.MqSend(fd, m.Text, m.Priority); err != nil {
			return err
		}
	}
	return nil
}
