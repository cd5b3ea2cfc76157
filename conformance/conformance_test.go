package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		check  string
		code   int
		output string
		pass   bool
	}{
		{"", 0, " No Errors\n", true},
		{"", 0, " Test Skipped\n", true},
		{"", 1, " No Errors\n", false},
		{"", 0, "", false},
		{"", 0, " No Errors\n No Errors\n", false},
		{"", 0, " No Errors\nmana: rank 0: something\n", false},
		{"", 0, "WARNING: x\n No Errors\n", false},
		{"TestAllowWarnings", 0, "WARNING: x\n No Errors\n", true},
		{"TestStatus", 1, "", true},
		{"TestStatus", 0, "", false},
		{"TestStatusNoErrors", 10, " No Errors\n", true},
		{"TestStatusNoErrors", 0, " No Errors\n", false},
		{"TestErrFatal", 1, "anything\n", true},
		{"TestErrFatal", 0, "", false},
	} {
		if got := judge(c.check, c.code, c.output); (got == "") != c.pass {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// makeSuite writes files of a suite whose sources lie elsewhere.
func makeSuite(t *testing.T, files map[string]string) *Suite {
	t.Helper()
	dir := t.TempDir()
	files["build/Makefile"] = "abs_top_srcdir = " + filepath.Join(dir, "src") + "\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenSuite(filepath.Join(dir, "build"), []string{"testlist"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoad(t *testing.T) {
	s := makeSuite(t, map[string]string{
		"build/testlist":   "attr\n#basic\nlater\n",
		"build/attr/a":     "",
		"build/attr/sub/b": "",
		"build/later/c":    "",
		"src/attr/testlist": "# comment\n!util:x\n\n a 10 arg=-x arg=-y=1 env=K=V timeLimit=7 resultTest=TestStatus\n" +
			"a 4 arg=-x arg=-y=1 env=K=V\nsub/b\nmissing 2 xfail=ticket1\nmissing 1\n",
		"src/later/testlist": "c 1 mpiexecarg=-x strict=false\nc 2 mem=9\n",
	})
	got, err := s.Load(".", 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Dir: "attr", Name: "a", Ranks: 4, Args: []string{"-x", "-y=1"}, Env: []string{"K=V"}, Check: "TestStatus", Limit: 7 * time.Second},
		{Dir: "attr/sub", Name: "b", Ranks: 2, Limit: 3 * time.Minute},
		{Dir: "attr", Name: "missing", Ranks: 2, Limit: 3 * time.Minute, Except: "expected to fail: ticket1"},
		{Dir: "attr", Name: "missing", Ranks: 1, Limit: 3 * time.Minute, Except: "not built"},
		{Dir: "later", Name: "c", Ranks: 1, Limit: 3 * time.Minute, Except: "needs the launcher's option -x"},
		{Dir: "later", Name: "c", Ranks: 2, Limit: 3 * time.Minute, Except: "needs 9 GB of memory"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i, e := range got {
		if !reflect.DeepEqual(*e, want[i]) {
			t.Errorf("%+v\nwant %+v", *e, want[i])
		}
	}
	if _, err := makeSuite(t, map[string]string{"build/testlist": "a many\n"}).Load(".", 4); err == nil {
		t.Error("a list with a wrong number of ranks is accepted")
	}
}

func TestCacheRunsOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "native.json")
	runs := 0
	for range 2 {
		c, err := openCache(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a 1", "b 2"} {
			o, err := c.get(id, func() Outcome { runs++; return Outcome{ID: id, Fault: "x\ny", Took: time.Second} })
			if err != nil || o.ID != id || o.Fault != "x\ny" || o.Took != time.Second {
				t.Errorf("%+v, %v", o, err)
			}
		}
	}
	if runs != 2 {
		t.Errorf("%d runs", runs)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openCache(path); err == nil {
		t.Error("a damaged cache is accepted")
	}
}
