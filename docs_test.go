package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// optionsOf lists the options in the help text of a tool.
func optionsOf(t *testing.T, tool string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "--help")
	cmd.Args[0] = tool
	help, err := cmd.Output() // dmtcp_command's status is 1 then
	var opts []string
	for _, line := range strings.Split(string(help), "\n") {
		m := regexp.MustCompile(`^ {2,6}(?:(-\w), )?(?:(--[\w-]+)|--\[no-\](\w+))`).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, o := range m[1:3] {
			if o != "" {
				opts = append(opts, o)
			}
		}
		if m[3] != "" {
			opts = append(opts, "--"+m[3], "--no-"+m[3])
		}
	}
	if !slices.Contains(opts, "--version") || len(opts) < 4 {
		t.Fatalf("%s --help names only %v (%v): %q", tool, opts, err, help)
	}
	return opts
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// page is a tool's man page without roff's escapes.
func page(t *testing.T, tool string) string {
	text := read(t, "docs/man/"+tool+".1")
	if to, ok := strings.CutPrefix(strings.TrimSpace(text), ".so man1/"); ok {
		text = read(t, "docs/man/"+to)
	}
	return strings.ReplaceAll(text, `\-`, "-")
}

// complete is what bash offers for a dash after the tool's name.
func complete(t *testing.T, tool string) []string {
	t.Helper()
	out, err := exec.Command("bash", "-c", `source contrib/completions/bash/mana
		COMP_WORDS=("$0" -) COMP_CWORD=1; _mana_tools; printf '%s\n' "${COMPREPLY[@]}"`, tool).CombinedOutput()
	if err != nil {
		t.Fatalf("bash completion of %s: %v: %s", tool, err, out)
	}
	return strings.Fields(string(out))
}

// Every option that a tool's help names stands in its man page and is
// completed by bash; bash offers none that the tool does not have.
func TestOptionsAreDocumented(t *testing.T) {
	for _, tool := range []string{"dmtcp_coordinator", "mana_coordinator", "mana_start_coordinator", "dmtcp_launch", "mana_launch",
		"dmtcp_restart", "mana_restart", "dmtcp_command", "mana_status", "mana_inspect", "mana_doctor"} {
		opts, man, words := optionsOf(t, tool), page(t, tool), complete(t, tool)
		for _, o := range opts {
			if !regexp.MustCompile(`(?m)^\.BR? (.* )?` + o + `( |$)`).MatchString(man) {
				t.Errorf("%s: %s is not in the man page", tool, o)
			}
			if !slices.Contains(words, o) {
				t.Errorf("%s: bash does not complete %s", tool, o)
			}
		}
		for _, w := range words {
			if !slices.Contains(opts, w) {
				t.Errorf("%s: bash completes %s, which --help does not name", tool, w)
			}
		}
	}
}

// bashOffers is what bash offers for the last of some words.
func bashOffers(t *testing.T, words ...string) []string {
	t.Helper()
	out, err := exec.Command("bash", append([]string{"-c", `source contrib/completions/bash/mana
		COMP_WORDS=("$0" "$@") COMP_CWORD=$#; _mana_tools; printf '%s\n' "${COMPREPLY[@]}"`}, words...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("bash completion of %v: %v: %s", words, err, out)
	}
	return strings.Fields(string(out))
}

// The one binary's roles are completed, and their options as under their own names.
func TestRoleCompletion(t *testing.T) {
	if got := bashOffers(t, "mana", "in"); !slices.Equal(got, []string{"inspect"}) {
		t.Errorf("mana in: %v", got)
	}
	for role, tool := range map[string]string{"inspect": "mana_inspect", "doctor": "mana_doctor", "launch": "dmtcp_launch", "status": "mana_status"} {
		if got, want := bashOffers(t, "mana", role, "-"), bashOffers(t, tool, "-"); !slices.Equal(got, want) {
			t.Errorf("mana %s: %v, %s: %v", role, got, tool, want)
		}
	}
	for _, role := range bashOffers(t, "mana", "") {
		cmd := exec.Command(os.Args[0], role, "--help")
		cmd.Args[0] = "mana_" // dispatched like mana
		if out, err := cmd.CombinedOutput(); err != nil && strings.Contains(string(out), "no role is called") {
			t.Errorf("mana %s: %s", role, out)
		}
	}
}

// sources is the text of all code that prints messages.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"*/*.go", "splitproc/stub/*.c", "splitproc/adapter/*.c", "coordinator/*.sh"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				b.WriteString(read(t, f))
			}
		}
	}
	return strings.ReplaceAll(b.String(), `\n`, "")
}

// Every message that the troubleshooting guide explains is still printed.
func TestMessagesAreReal(t *testing.T) {
	code, rows := sources(t), 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(read(t, "docs/troubleshooting.md"), -1) {
		rows++
		for _, part := range strings.Split(m[1], "…") {
			if part = strings.Trim(part, ": "); !strings.Contains(code, part) {
				t.Errorf("no code prints %q of %q", part, m[1])
			}
		}
	}
	if rows < 20 {
		t.Errorf("found only %d messages", rows)
	}
}

// Every function and file that the guide for MPI functions names exists.
func TestAddingMPIIsReal(t *testing.T) {
	guide := read(t, "docs/adding-mpi.md")
	var code strings.Builder
	for _, pattern := range []string{"splitproc/gen/*.go", "splitproc/stub/*.[ch]", "splitproc/adapter/*.[ch]", "e2e/*.go", "splitproc/gen/tables/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, f := range files {
			code.WriteString(filepath.Base(f) + "\n" + read(t, f))
		}
	}
	names := regexp.MustCompile("\\b(core_[a-z_0-9]+(?:\\.c)?|ENTER_COLL|ENTER|LEAVE|LOWER|mana_[a-z_]+|MPI_ERR_[A-Z_]+)\\b").FindAllString(guide, -1)
	for _, m := range regexp.MustCompile("`([a-z_]+\\.(?:go|json|c))`|`(forwarded|roles|loops|traps|nb-collective|collective-persistent)`").FindAllStringSubmatch(guide, -1) {
		names = append(names, m[1]+m[2])
	}
	if len(names) < 20 {
		t.Fatalf("only %v", names)
	}
	for _, n := range names {
		if n != "core_" && !strings.Contains(code.String(), n) {
			t.Errorf("the guide names %s, which is nowhere", n)
		}
	}
	for _, m := range regexp.MustCompile("`((?:splitproc|e2e)/[\\w/.]+)`").FindAllStringSubmatch(guide, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
}

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range append(files, "README.md", "splitproc/stub/README.md") {
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(read(t, f), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
}
