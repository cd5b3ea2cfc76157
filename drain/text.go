package drain

import (
	"fmt"
	"strconv"
	"strings"
)

// FormatClocks writes clocks as they travel in the protocol: "c<gid>:<count>"
// and "g<gid>:<count>:<first>-<last>+…", separated by commas, gid in hex.
func FormatClocks(clocks []Clock) string {
	parts := make([]string, len(clocks))
	for i, k := range clocks {
		parts[i] = fmt.Sprintf("%c%x:%d", k.Kind, k.GID, k.Count)
		if k.Kind == Group {
			parts[i] += ":" + formatRanks(k.Members)
		}
	}
	return strings.Join(parts, ",")
}

// ParseClocks reads what FormatClocks wrote.
func ParseClocks(s string) ([]Clock, error) {
	var clocks []Clock
	for _, part := range split(s) {
		f := strings.Split(part, ":")
		kind, gid, count, err := parseHead(f)
		if err != nil {
			return nil, fmt.Errorf("clock %q: %w", part, err)
		}
		k := Clock{GID: gid, Kind: kind, Count: count}
		if want := map[Kind]int{Comm: 2, Group: 3}[kind]; len(f) != want {
			return nil, fmt.Errorf("clock %q: %d fields instead of %d", part, len(f), want)
		}
		if kind == Group {
			if k.Members, err = parseRanks(f[2]); err != nil {
				return nil, fmt.Errorf("clock %q: %w", part, err)
			}
		}
		clocks = append(clocks, k)
	}
	return clocks, nil
}

// FormatTargets writes targets as "c<gid>:<count>,…", gid in hex.
func FormatTargets(targets []Target) string {
	parts := make([]string, len(targets))
	for i, t := range targets {
		parts[i] = fmt.Sprintf("%c%x:%d", t.Kind, t.GID, t.Count)
	}
	return strings.Join(parts, ",")
}

// ParseTargets reads what FormatTargets wrote.
func ParseTargets(s string) ([]Target, error) {
	var targets []Target
	for _, part := range split(s) {
		f := strings.Split(part, ":")
		kind, gid, count, err := parseHead(f)
		if err == nil && len(f) != 2 {
			err = fmt.Errorf("%d fields instead of 2", len(f))
		}
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", part, err)
		}
		targets = append(targets, Target{gid, kind, count})
	}
	return targets, nil
}

// FormatGIDs writes clock ids in hex, separated by commas.
func FormatGIDs(gids []uint64) string {
	parts := make([]string, len(gids))
	for i, g := range gids {
		parts[i] = strconv.FormatUint(g, 16)
	}
	return strings.Join(parts, ",")
}

// ParseGIDs reads what FormatGIDs wrote.
func ParseGIDs(s string) ([]uint64, error) {
	var gids []uint64
	for _, part := range split(s) {
		g, err := strconv.ParseUint(part, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("clock id %q: %w", part, err)
		}
		gids = append(gids, g)
	}
	return gids, nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func parseHead(f []string) (Kind, uint64, uint64, error) {
	if len(f) < 2 || len(f[0]) < 2 {
		return 0, 0, 0, fmt.Errorf("too short")
	}
	kind := Kind(f[0][0])
	if kind != Comm && kind != Group {
		return 0, 0, 0, fmt.Errorf("unknown kind %q", f[0][0])
	}
	gid, err := strconv.ParseUint(f[0][1:], 16, 64)
	if err != nil {
		return 0, 0, 0, err
	}
	count, err := strconv.ParseUint(f[1], 10, 64)
	return kind, gid, count, err
}

// maxRanks bounds what a range in a message may expand to.
const maxRanks = 1 << 24

func formatRanks(ranks []int) string {
	var parts []string
	for i := 0; i < len(ranks); {
		j := i
		for j+1 < len(ranks) && ranks[j+1] == ranks[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(ranks[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", ranks[i], ranks[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, "+")
}

func parseRanks(s string) ([]int, error) {
	ranks := []int{}
	for _, part := range strings.Split(s, "+") {
		lo, hi, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(lo)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(hi); err != nil {
				return nil, err
			}
		}
		previous := -1
		if len(ranks) > 0 {
			previous = ranks[len(ranks)-1]
		}
		if first <= previous || last < first || last-first >= maxRanks || len(ranks) >= maxRanks {
			return nil, fmt.Errorf("ranks %q not ascending or too many", part)
		}
		for r := first; r <= last; r++ {
			ranks = append(ranks, r)
		}
	}
	return ranks, nil
}
