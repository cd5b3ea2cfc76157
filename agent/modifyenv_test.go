package agent

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvFile(t *testing.T) {
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": "/new/home", "DISPLAY": ":7"}[name]
		return v, ok
	}
	for _, c := range []struct{ text, want, err string }{
		{"", "HOME=/old|EDITOR=vi", ""},
		{"# nothing\n\n  # here", "HOME=/old|EDITOR=vi", ""},
		{"HOME=me   # new", "EDITOR=vi|HOME=me", ""},
		{"EDITOR", "HOME=/old", ""},
		{"NONE", "HOME=/old|EDITOR=vi", ""},
		{"DISPLAY=$DISPLAY", "HOME=/old|EDITOR=vi|DISPLAY=:7", ""},
		{`FOO="\"a b c\" # (quoted)"`, `HOME=/old|EDITOR=vi|FOO="a b c" # (quoted)`, ""},
		{`U="new-$HOME"-$DISPLAY-$NONE.`, "HOME=/old|EDITOR=vi|U=new-/new/home-:7-.", ""},
		{`A=1 B=x\ y C=a\tb D=a=b E=`, "HOME=/old|EDITOR=vi|A=1|B=x y|C=a\tb|D=a=b|E=", ""},
		{"A=1\r\nEDITOR\r\n", "HOME=/old|A=1", ""},
		{"A=1\nA=\"x", "", "line 2: a quote is not closed"},
		{"=x", "", "line 1: a value without a name"},
	} {
		change, err := parseEnvFile(c.text, lookup)
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if got := strings.Join(change([]string{"HOME=/old", "EDITOR=vi"}), "|"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=$B \"c\" # x\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		change, err := parseEnvFile(text, func(string) (string, bool) { return "v", true })
		if err != nil {
			return
		}
		if env := change(nil); slices.ContainsFunc(env, func(kv string) bool { return strings.Index(kv, "=") < 1 }) {
			t.Errorf("%q makes %q", text, env)
		}
	})
}

func TestPathMapping(t *testing.T) {
	for _, c := range []struct{ mapping, old, now, path, want, err string }{
		{"", "", "", "/a/b", "/a/b", ""},
		{"/a:/x", "", "", "/a/b", "/x/b", ""},
		{"/a/:/x/", "", "", "/a/b", "/x/b", ""},
		{"/a:/x", "", "", "/a", "/x", ""},
		{"/a:/x", "", "", "/ab", "/ab", ""},
		{"/a:/x;/a/b:/y", "", "", "/a/b/c", "/y/c", ""},
		{"/a/b:/y;/a:/x", "", "", "/a/b/c", "/y/c", ""},
		{"", "/a:/b", "/x:/y", "/b/c", "/y/c", ""},
		{"/a", "", "", "", "", `DMTCP_PATH_MAPPING: "/a" is not old:new`},
		{"", "/a:/b", "/x", "", "", "DMTCP_ORIGINAL_PATH_PREFIX names 2 prefixes, DMTCP_NEW_PATH_PREFIX 1"},
	} {
		t.Setenv("DMTCP_PATH_MAPPING", c.mapping)
		t.Setenv("DMTCP_ORIGINAL_PATH_PREFIX", c.old)
		t.Setenv("DMTCP_NEW_PATH_PREFIX", c.now)
		move, err := pathMapping()
		switch {
		case err != nil || c.err != "":
			if err == nil || err.Error() != c.err {
				t.Errorf("%+v: error %v", c, err)
			}
		case move(c.path) != c.want:
			t.Errorf("%+v: %q", c, move(c.path))
		}
	}
}
