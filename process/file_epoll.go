package process

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mana/task"
)

func (c *collector) epoll(o *openFile) error {
	for _, l := range strings.Split(string(o.info), "\n") {
		if !strings.HasPrefix(l, "tfd:") {
			continue
		}
		e, err := parseEpoll(l)
		if err != nil {
			return err
		}
		if !c.f.opts.lowerFD(e.FD) {
			o.Epoll = append(o.Epoll, e)
		}
	}
	return nil
}

// parseEpoll reads "tfd: 3 events: 19 data: 3 pos:0 ino:61 sdev:7".
func parseEpoll(l string) (EpollFD, error) {
	f := strings.Fields(l)
	if len(f) < 6 {
		return EpollFD{}, fmt.Errorf("malformed fdinfo line %q", l)
	}
	ev, e1 := strconv.ParseUint(f[3], 16, 32)
	data, e2 := strconv.ParseUint(f[5], 16, 64)
	if e1 != nil || e2 != nil {
		return EpollFD{}, fmt.Errorf("malformed fdinfo line %q", l)
	}
	return EpollFD{FD: number(f[1]), Events: uint32(ev), Data: data}, nil
}

// epollMembers finds out what the numbers in epoll sets stand for: they are those
// of whoever registered the file, which may be another process that shares the
// set, or may have been closed while a duplicate kept the file open. What this
// process does not have is left to others.
func (c *collector) epollMembers() {
	for i := range c.st.Files {
		f := &c.st.Files[i]
		var own []EpollFD
		nth := make(map[int]int)
		for _, e := range f.Epoll {
			fd := c.member(f.FD, e.FD, nth[e.FD])
			nth[e.FD]++
			if fd >= 0 {
				e.FD = fd
				own = append(own, e)
			}
		}
		f.Epoll = own
	}
}

// member is the descriptor of a file in the set epfd, -1 if there is none.
func (c *collector) member(epfd, tfd, nth int) int {
	in, err := task.InEpoll(c.pid, tfd, epfd, tfd, nth)
	if in || err != nil && !errors.Is(err, unix.EBADF) {
		return tfd // nobody can tell: take the number as it is
	}
	for _, f := range c.st.Files {
		if in, err := task.InEpoll(c.pid, f.FD, epfd, tfd, nth); in && err == nil {
			return f.FD
		}
	}
	return -1
}
