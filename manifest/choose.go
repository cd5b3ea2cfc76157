package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Series are the generations of one computation, newest first. A launch
// begins a new one; a restart goes on with its own.
type Series struct {
	Computation string
	Generations []*Manifest
}

// created is when the newest generation was.
func (s *Series) created() time.Time {
	var t time.Time
	for _, m := range s.Generations {
		if m.Created.After(t) {
			t = m.Created
		}
	}
	return t
}

// List returns the series in dir, newest first. Besides them it returns what
// is wrong with manifests that cannot be read.
func List(dir string) ([]Series, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("checkpoint directory: %w", err)
	}
	all, err := readAll(dir)
	var list []Series
	for _, m := range all {
		i := slices.IndexFunc(list, func(s Series) bool { return s.Computation == m.Computation })
		if i < 0 {
			i = len(list)
			list = append(list, Series{Computation: m.Computation})
		}
		list[i].Generations = append(list[i].Generations, m)
	}
	for _, s := range list {
		slices.SortFunc(s.Generations, func(a, b *Manifest) int { return cmp.Compare(b.Generation, a.Generation) })
	}
	slices.SortStableFunc(list, func(a, b Series) int { return b.created().Compare(a.created()) })
	return list, err
}

// Choice is the generation to restart from.
type Choice struct {
	*Manifest
	Skipped error // what newer generations lack, nil if it is the newest

	series *Series
	at     int
}

// Hint says what to try if this generation turns out to be damaged, "" for
// nothing.
func (c *Choice) Hint() string { return c.series.hint(c.at) }

// Choose finds the generation that from names in dir: "" or "latest", a
// number, or either after a series' name and a colon. Without a series it is
// the newest one's; without a number the newest complete generation.
func Choose(dir, from string) (*Choice, error) {
	list, unread := List(dir)
	if unread != nil && len(list) == 0 {
		return nil, unread
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	s, which, err := list[0], from, error(nil)
	if named := from != "" && from != "latest"; !named && unread != nil && !slices.ContainsFunc(list, func(s Series) bool { return s.newer(unread, -1) }) {
		// It may be of a later job than all others.
		return nil, fmt.Errorf("%w; another series is here: --from %s", unread, s.Computation)
	}
	if i := slices.IndexFunc(list, func(s Series) bool { return s.Computation == strings.TrimSuffix(from, ":latest") }); i >= 0 {
		s, which = list[i], "latest"
	} else if series, gen, ok := strings.Cut(from, ":"); ok {
		i := slices.IndexFunc(list, func(s Series) bool { return s.Computation == series })
		if i < 0 {
			return nil, fmt.Errorf("no series %q in %s (mana_inspect lists them)", series, dir)
		}
		s, which = list[i], gen
	}
	var c *Choice
	if which == "" || which == "latest" {
		if c, err = s.latest(); err == nil && c.Skipped == nil && s.newer(unread, c.Generation) {
			c.Skipped = unread
		}
	} else {
		c, err = s.number(which, dir)
	}
	if err != nil && len(list) > 1 && s.Computation == list[0].Computation {
		err = fmt.Errorf("%w; an earlier series is here too: --from %s", err, list[1].Computation)
	}
	return c, err
}

// newer tells whether a manifest that cannot be read is of a generation of
// this series above gen.
func (s *Series) newer(unread error, gen int) bool {
	var u *Unreadable
	if !errors.As(unread, &u) {
		return false
	}
	n, ok := u.of(s.Computation)
	return ok && n > gen
}

// latest is the newest complete generation.
func (s *Series) latest() (*Choice, error) {
	var skipped error
	for i, m := range s.Generations {
		err := m.Check()
		if err == nil {
			return &Choice{m, skipped, s, i}, nil
		}
		if skipped == nil {
			skipped = err
		}
	}
	return nil, skipped
}

// number is the generation with that number.
func (s *Series) number(text, dir string) (*Choice, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no generation: a number, or latest", text)
	}
	i := slices.IndexFunc(s.Generations, func(m *Manifest) bool { return m.Generation == n })
	if i < 0 {
		return nil, fmt.Errorf("no generation %d in %s: there are %s", n, dir, s.numbers())
	}
	m := s.Generations[i]
	if err := m.Check(); err != nil {
		if hint := s.hint(i); hint != "" {
			err = fmt.Errorf("%w; %s", err, hint)
		}
		return nil, err
	}
	return &Choice{m, nil, s, i}, nil
}

func (s *Series) numbers() string {
	var text []string
	for _, m := range s.Generations {
		text = append(text, strconv.Itoa(m.Generation))
	}
	return strings.Join(text, ", ")
}

// hint offers a complete generation in place of the i-th, the next older one
// if there is any.
func (s *Series) hint(i int) string {
	for _, m := range slices.Concat(s.Generations[i+1:], s.Generations[:i]) {
		if m.Check() == nil {
			return fmt.Sprintf("generation %d, taken %s, is here too: --from %d",
				m.Generation, m.Created.Format(time.DateTime), m.Generation)
		}
	}
	return ""
}

// Last is the highest number that a generation of the computation has in the
// directory that m was read from: after a restart from an older one the next
// must not take the number of a newer.
func (m *Manifest) Last() int {
	last := m.Generation
	dirs := []string{m.found}
	if IsUniqueDir(filepath.Base(m.found), m.Computation) {
		dirs, _ = filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(m.found)), escapeGlob("ckpt_"+m.Computation)+"_*"))
	}
	for _, dir := range dirs {
		if numbers, err := numbers(dir, m.Computation); err == nil && len(numbers) > 0 {
			last = max(last, numbers[0])
		}
	}
	return last
}

// numbers lists the generations of a computation in dir by the names of
// their manifests, highest first.
func numbers(dir, computation string) ([]int, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(dir), escapeGlob(prefix+computation)+"_*"+suffix))
	if err != nil {
		return nil, err
	}
	var gens []int
	for _, p := range paths {
		text := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p), prefix+computation+"_"), suffix)
		if n, err := strconv.Atoi(text); err == nil {
			gens = append(gens, n)
		}
	}
	slices.SortFunc(gens, func(a, b int) int { return cmp.Compare(b, a) })
	return gens, nil
}

// Prune takes all generations but the newest keep out of being, with keep 0
// none, by removing their manifests, and returns the numbers of those that
// are left and the manifests of the others, whose images are to go.
func (m *Manifest) Prune(keep int) (kept []int, dropped []*Manifest, err error) {
	var errs []error
	for _, dir := range m.Dirs() {
		gens, err := numbers(dir, m.Computation)
		errs = append(errs, err)
		for i, g := range gens {
			path := filepath.Join(dir, FileName(m.Computation, g))
			if keep == 0 || i < keep || g == m.Generation {
				kept = append(kept, g)
				continue
			}
			old, readErr := Read(path)
			if err := os.Remove(path); err != nil {
				kept = append(kept, g) // it can still be restarted from
				errs = append(errs, fmt.Errorf("drop generation %d: %w", g, err))
			} else if readErr == nil {
				dropped = append(dropped, old)
			}
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept), dropped, errors.Join(errs...)
}

// Sweep removes the images of a generation that has been dropped. Most have
// gone already, by the hands of those who wrote them.
func (m *Manifest) Sweep() error {
	var errs []error
	for _, im := range m.Images {
		if im.Dir == m.Home {
			errs = append(errs, DropGeneration(m.found, im.File))
		}
	}
	return errors.Join(errs...)
}
