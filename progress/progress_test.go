package progress

import (
	"reflect"
	"testing"
	"time"

	"mana/wire"
)

func TestStateSurvivesTheWire(t *testing.T) {
	s := State{Activity: Checkpoint, Generation: 3, Peers: 9, Running: true, Interval: 5, Failure: "no room", Phase: Writing, Members: 4,
		Ready: 4, Copied: 3, Written: 2, Ended: 1, Images: 7, Came: 6, Restored: 5, Done: 5 << 40, Total: 6 << 40,
		Elapsed: 12 * time.Second, Moving: 3 * time.Second, Slow: []string{"rank 1 on n\"1", "rank 2"}}
	m, err := wire.Parse(s.Message().String())
	if err != nil {
		t.Fatal(err)
	}
	if got := Parse(m); !reflect.DeepEqual(got, s) {
		t.Errorf("%+v\nis not\n%+v", got, s)
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		s    State
		want string
	}{
		{State{Peers: 3}, ""},
		{State{Activity: Checkpoint, Generation: 2, Phase: Converging, Ready: 15, Members: 16, Elapsed: 12400 * time.Millisecond,
			Slow: []string{"rank 7 on n3 computes since 12 s", "b", "c"}}, "checkpoint 2: 15 of 16 ready, 12 s; rank 7 on n3 computes since 12 s (and 2 more)"},
		{State{Activity: Checkpoint, Generation: 2, Phase: Draining, Copied: 1, Members: 16}, "checkpoint 2: 1 of 16 copied, 0 s"},
		{State{Activity: Checkpoint, Generation: 2, Phase: Writing, Written: 4, Members: 16}, "checkpoint 2: 4 of 16 written"},
		{State{Activity: Checkpoint, Generation: 2, Phase: Writing, Written: 4, Members: 16, Done: 3 << 30, Total: 9 << 30, Moving: 3 * time.Second},
			"checkpoint 2: 4 of 16 written, 3.0 GiB of 9.0 GiB, 1.0 GiB/s, 6 s left"},
		{State{Activity: Checkpoint, Generation: 2, Phase: Writing, Members: 1, Done: 1 << 30, Total: 1 << 40, Moving: time.Second},
			"checkpoint 2: 0 of 1 written, 1.0 GiB of 1.0 TiB, 1.0 GiB/s, 17:03 min left"},
		{State{Activity: Checkpoint, Generation: 2, Phase: Ending, Ended: 1, Members: 4}, "checkpoint 2: 1 of 4 in place"},
		{State{Activity: Restart, Generation: 2, Came: 3, Images: 4, Restored: 1, Members: 3}, "restart from checkpoint 2: 3 of 4 processes came, 1 of 3 restored"},
		{State{Activity: Restart, Generation: 2, Came: 4, Images: 4, Restored: 1, Members: 4, Done: 5 << 20, Total: 10 << 20, Moving: time.Second},
			"restart from checkpoint 2: 1 of 4 restored, 5.0 MiB of 10 MiB, 5.0 MiB/s, 1 s left"},
	} {
		if got := c.s.Line(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 10: "10 KiB", 1023 << 10: "1.0 MiB", 1<<63 - 1: "8.0 EiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"}, {"a\x1b[2Jb\n", 10, "a?[2Jb?"}, {"abc", 0, "abc"}} {
		if got := Cut(c.line, c.width); got != c.want {
			t.Errorf("%q to %d: %q", c.line, c.width, got)
		}
	}
}
