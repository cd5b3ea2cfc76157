package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
)

// mapping is what the restore needs to know of a line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	name       string
}

func readMaps(tid int) ([]mapping, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", tid))
	if err != nil {
		return nil, err
	}
	var out []mapping
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var m mapping
		var perm, off, dev, ino string
		n, _ := fmt.Sscanf(s.Text(), "%x-%x %s %s %s %s %s", &m.start, &m.end, &perm, &off, &dev, &ino, &m.name)
		if n < 2 {
			return nil, fmt.Errorf("malformed line in /proc/%d/maps: %q", tid, s.Text())
		}
		out = append(out, m)
	}
	return out, nil
}
