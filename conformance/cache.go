package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// cache keeps the outcomes of native runs in a file, one JSON object a line, so
// that they are run but once. The pass of an entry that was never run natively
// is that under the product.
type cache struct {
	path  string
	known map[string]Outcome
}

func openCache(path string) (*cache, error) {
	c := &cache{path: path, known: map[string]Outcome{}}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var o Outcome
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.known[o.ID] = o
	}
	return c, in.Err()
}

// get is the known outcome of an entry, or that of run.
func (c *cache) get(id string, run func() Outcome) (Outcome, error) {
	if o, ok := c.known[id]; ok {
		return o, nil
	}
	o := run()
	return o, c.put(o)
}

func (c *cache) has(id string) bool {
	_, ok := c.known[id]
	return ok
}

func (c *cache) put(o Outcome) error {
	c.known[o.ID] = o
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}
