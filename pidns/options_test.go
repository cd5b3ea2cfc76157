package pidns

import "testing"

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {Highest: 4711}, {Highest: 1, IPC: true}} {
		if got, err := parseOptions(o.String()); got != o || err != nil {
			t.Errorf("%v became %v, %v", o, got, err)
		}
	}
	for _, s := range []string{"", "1", "x,true", "1,maybe"} {
		if o, err := parseOptions(s); err == nil {
			t.Errorf("%q became %v", s, o)
		}
	}
}
