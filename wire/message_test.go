package wire

import (
	"reflect"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for _, m := range []Message{
		New("CKPT", "gen", 5, "kill", true),
		New("JOIN", "prog", "a b", "dir", `/tmp/"x"\y`, "empty", ""),
		New("FAILED", "reason", "line1\nline2\x00\xff ünï"),
		New("OK"),
	} {
		got, err := Parse(m.String() + "\n")
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("got %#v, want %#v", got, m)
		}
	}
}

func TestParseRejects(t *testing.T) {
	for _, line := range []string{
		"", " ", "lower", "GET / HTTP/1.1", "VERB novalue", "VERB =x", "VERB K=x",
		`VERB k="open`, `VERB k="a"b`, `VERB k="\q"`, `VERB k="\x4"`, "VERB k=a\"b",
		"VERB k=\x01", strings.Repeat("A", 17), "V k=" + strings.Repeat("a", MaxLine),
	} {
		if m, err := Parse(line); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", clip(line), m)
		}
	}
}

func TestAccessors(t *testing.T) {
	m := New("X", "n", 7, "bad", "seven", "on", true)
	if m.Int("n", 0) != 7 || m.Int("bad", 3) != 3 || m.Int("none", -1) != -1 {
		t.Error("Int")
	}
	if !m.Bool("on") || m.Bool("n") || m.Get("none") != "" {
		t.Error("Bool, Get")
	}
	a := m.With("a", 1)
	b := m.With("b", 2)
	if a.Get("a") != "1" || b.Get("a") != "" {
		t.Error("With must not share its backing array")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`VERB a=1 b="x y\n\x00" c=`)
	f.Add(`CLOCKS gen=3 mpi=1 clocks=1:5,2:7`)
	f.Fuzz(func(t *testing.T, line string) {
		m, err := Parse(line)
		if err != nil {
			return
		}
		again, err := Parse(m.String())
		if err != nil || again.String() != m.String() {
			t.Fatalf("%q does not survive a round trip: %v", line, err)
		}
	})
}
