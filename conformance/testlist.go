package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Suite is a built copy of the tests: programs in directories, each with lists
// that say how to run them.
type Suite struct {
	Dir   string
	lists []string // names of the list files
	src   string   // where lists lie that configure did not have to make
	seen  map[string]bool
}

// Entry is one line of a list: a program and how to run it.
type Entry struct {
	Dir    string // below the suite's
	Name   string
	Ranks  int
	Args   []string
	Env    []string
	Check  string // resultTest
	Limit  time.Duration
	Except string // why it is not run
}

// ID names an entry in reports and in the cache.
func (e *Entry) ID() string {
	words := []string{e.Dir + "/" + e.Name, strconv.Itoa(e.Ranks)}
	return strings.Join(append(append(words, e.Args...), e.Env...), " ")
}

var sourceLine = regexp.MustCompile(`(?m)^abs_top_srcdir = (.*)$`)

// OpenSuite looks where the sources of a build are, if its Makefile says so.
func OpenSuite(dir string, lists []string) (*Suite, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Suite{Dir: dir, src: dir, lists: lists, seen: map[string]bool{}}
	makefile, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return nil, fmt.Errorf("a built suite has a Makefile: %w", err)
	}
	if m := sourceLine.FindSubmatch(makefile); m != nil {
		s.src = string(m[1])
	}
	return s, nil
}

// Load reads the lists of a directory and of those that they name. A directory
// without a list has no tests. At most maxRanks ranks are used, and what thereby
// becomes the same as another entry is left out.
func (s *Suite) Load(dir string, maxRanks int) ([]*Entry, error) {
	var all []*Entry
	for _, list := range s.lists {
		file, err := s.open(filepath.Join(dir, list))
		if err != nil {
			continue
		}
		found, err := s.read(file, dir, maxRanks)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s *Suite) open(path string) (*os.File, error) {
	file, err := os.Open(filepath.Join(s.Dir, path))
	if err != nil {
		return os.Open(filepath.Join(s.src, path))
	}
	return file, nil
}

func (s *Suite) read(file *os.File, dir string, maxRanks int) ([]*Entry, error) {
	var all []*Entry
	for in := bufio.NewScanner(file); in.Scan(); {
		line, _, _ := strings.Cut(in.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '!' {
			continue
		}
		if info, err := os.Stat(filepath.Join(s.Dir, dir, words[0])); err == nil && info.IsDir() {
			below, err := s.Load(filepath.Join(dir, words[0]), maxRanks)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
			continue
		}
		e, err := parse(dir, words)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", in.Text(), err)
		}
		e.Ranks = min(e.Ranks, maxRanks)
		if _, err := os.Stat(s.Program(e)); err != nil && e.Except == "" {
			e.Except = "not built"
		}
		if !s.seen[e.ID()] {
			s.seen[e.ID()] = true
			all = append(all, e)
		}
	}
	return all, nil
}

// Program is the executable of an entry.
func (s *Suite) Program(e *Entry) string { return filepath.Join(s.Dir, e.Dir, e.Name) }

// parse reads "program [ranks [key=value]...]".
func parse(dir string, words []string) (*Entry, error) {
	name := filepath.Join(dir, words[0])
	e := &Entry{Dir: filepath.Dir(name), Name: filepath.Base(name), Ranks: 2, Limit: 3 * time.Minute}
	if len(words) > 1 {
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of ranks", words[1])
		}
		e.Ranks = n
	}
	for _, word := range words[min(2, len(words)):] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "arg":
			e.Args = append(e.Args, value)
		case "env":
			e.Env = append(e.Env, value)
		case "resultTest":
			e.Check = value
		case "timeLimit":
			if n, err := strconv.Atoi(value); err == nil {
				e.Limit = time.Duration(n) * time.Second
			}
		case "xfail":
			e.Except = "expected to fail: " + value
		case "mem":
			e.Except = "needs " + value + " GB of memory"
		case "mpiexecarg":
			e.Except = "needs the launcher's option " + value
		}
	}
	return e, nil
}
