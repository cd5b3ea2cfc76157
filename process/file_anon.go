package process

import (
	"fmt"
	"strconv"
	"strings"
)

// The files of this file show all their state in fdinfo (proc_pid_fdinfo(5)).

func (c *collector) eventfd(o *openFile) error {
	f := fields(o.info)
	n, err := strconv.ParseUint(f["eventfd-count"], 16, 64)
	if err != nil {
		return fmt.Errorf("malformed fdinfo %q", o.info)
	}
	o.EventFD = &EventFD{Count: n, Semaphore: f["eventfd-semaphore"] == "1"}
	return nil
}

func (c *collector) timerfd(o *openFile) error {
	f := fields(o.info)
	ticks, _ := strconv.ParseUint(f["ticks"], 10, 64)
	flags, _ := strconv.ParseUint(f["settime flags"], 8, 32)
	value, e1 := parseSpan(f["it_value"])
	interval, e2 := parseSpan(f["it_interval"])
	if e1 != nil || e2 != nil {
		return fmt.Errorf("malformed fdinfo %q", o.info)
	}
	o.TimerFD = &TimerFD{Clock: number(f["clockid"]), Ticks: ticks, Flags: int(flags), Value: value, Interval: interval}
	return nil
}

// parseSpan reads "(seconds, nanoseconds)".
func parseSpan(s string) (int64, error) {
	sec, ns, ok := strings.Cut(strings.Trim(s, "()"), ", ")
	a, e1 := strconv.ParseInt(sec, 10, 64)
	b, e2 := strconv.ParseInt(ns, 10, 64)
	if !ok || e1 != nil || e2 != nil {
		return 0, fmt.Errorf("malformed time %q", s)
	}
	return a*1e9 + b, nil
}

func (c *collector) signalfd(o *openFile) error {
	m, err := strconv.ParseUint(fields(o.info)["sigmask"], 16, 64)
	o.SignalFD = m
	return err
}

func (c *collector) inotify(o *openFile) error {
	for _, l := range strings.Split(string(o.info), "\n") {
		if w, ok := parseWatch(l); ok {
			o.Inotify = append(o.Inotify, w)
		}
	}
	return nil
}

// parseWatch reads "inotify wd:2 ino:7ef82a sdev:800001 mask:800afff …"; the
// device is in the kernel's own encoding, 20 bits of minor number.
func parseWatch(l string) (Watch, bool) {
	rest, ok := strings.CutPrefix(l, "inotify ")
	if !ok {
		return Watch{}, false
	}
	var w Watch
	for _, f := range strings.Fields(rest) {
		k, v, _ := strings.Cut(f, ":")
		n, _ := strconv.ParseUint(v, 16, 64)
		switch k {
		case "wd":
			w.WD = int(n)
		case "ino":
			w.Inode = n
		case "sdev":
			w.Dev = makedev(n>>20, n&0xfffff)
		case "mask":
			w.Mask = uint32(n)
		}
	}
	return w, true
}

func (c *collector) pidfdTarget(o *openFile) error {
	o.PIDFD = number(fields(o.info)["Pid"])
	return nil
}
