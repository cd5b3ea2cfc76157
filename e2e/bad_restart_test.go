package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mana/e2e/harness"
)

// damage makes a good checkpoint directory, or the way it is restarted, bad.
type damage struct {
	name   string
	mpi    bool // makes sense only with MPI
	how    bool // changes the way of restarting, not the files
	do     func(j *harness.Job) error
	expect string // what the complaint must mention, a regular expression
}

var damages = []damage{
	{name: "truncated image", do: onImage(func(data []byte) []byte { return data[:len(data)/2] }), expect: `truncated|short|size|bytes|EOF`},
	{name: "image cut by one byte", do: onImage(func(data []byte) []byte { return data[:len(data)-1] }), expect: `truncated|short|size|bytes|EOF`},
	{name: "empty image", do: onImage(func([]byte) []byte { return nil }), expect: `truncated|short|size|empty|bytes|EOF|not an intact`},
	{name: "text for an image", do: onImage(func([]byte) []byte { return []byte("hello\n") }), expect: `not a|no checkpoint image|magic|header|size|bytes`},
	{name: "bit flipped in the memory", do: onImage(flip(0.5)), expect: `checksum|corrupt|damaged`},
	{name: "bit flipped near the start", do: onImage(flip(0.0001)), expect: `checksum|corrupt|damaged|header|magic`},
	{name: "bit flipped near the end", do: onImage(flip(0.9999)), expect: `checksum|corrupt|damaged`},
	{name: "unreadable image", do: unreadable, expect: `permission denied`},
	{name: "missing image", do: missing, expect: `no such file|missing|no image`},
	{name: "nothing there", do: func(j *harness.Job) error { return errors.Join(os.RemoveAll(j.Ckpt), j.MakeCkpt()) }, expect: `no (committed )?(checkpoint|image)|no such file`},
	{name: "image of another computation", mpi: true, do: otherImage, expect: `computation|bytes, was written with`},
	{name: "too many ranks", mpi: true, how: true, do: func(j *harness.Job) error { j.Ranks++; return nil }, expect: `rank`},
	{name: "too few ranks", mpi: true, how: true, do: func(j *harness.Job) error { j.Ranks--; return nil }, expect: `rank`},
	{name: "no coordinator", how: true, do: func(j *harness.Job) error { j.Port = 1; j.RestartFlags = []string{"--join-coordinator"}; return nil }, expect: `(?i)coordinator`},
	{name: "wrong secret", do: wrongSecret, expect: `secret`},
}

// images lists the image files of a checkpoint directory, each inode once.
func images(dir string) (paths []string, err error) {
	seen := []os.FileInfo{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".dmtcp" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for _, other := range seen {
			if os.SameFile(info, other) {
				return nil
			}
		}
		seen, paths = append(seen, info), append(paths, path)
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no image in %s", dir)
	}
	return paths, err
}

// onImage rewrites the last image (with MPI, of the last rank) in place: all its names see it.
func onImage(change func([]byte) []byte) func(*harness.Job) error {
	return func(j *harness.Job) error {
		paths, err := images(j.Ckpt)
		if err != nil {
			return err
		}
		path := paths[len(paths)-1]
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(data), 0o600)
	}
}

// flip flips a bit of a byte that is not zero, at or after a fraction of the file.
func flip(where float64) func([]byte) []byte {
	return func(data []byte) []byte {
		at := int(where * float64(len(data)))
		if i := bytes.IndexFunc(data[at:], func(r rune) bool { return r != 0 }); i >= 0 {
			at += i
		}
		data[at] ^= 0x10
		return data
	}
}

func unreadable(j *harness.Job) error {
	paths, err := images(j.Ckpt)
	if err != nil {
		return err
	}
	return os.Chmod(paths[0], 0)
}

func missing(j *harness.Job) error {
	paths, err := images(j.Ckpt)
	if err != nil {
		return err
	}
	victim := filepath.Base(paths[len(paths)-1])
	return filepath.WalkDir(j.Ckpt, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == victim && strings.HasPrefix(filepath.Dir(path), filepath.Dir(strings.Split(paths[len(paths)-1], "/.gen-")[0])) {
			return os.Remove(path)
		}
		return err
	})
}

// otherImage puts the last rank's image of another computation into the place of ours.
func otherImage(j *harness.Job) error {
	mine, err := images(j.Ckpt)
	if err != nil {
		return err
	}
	theirs, err := images(strangers[j.MPI])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(theirs[len(theirs)-1])
	if err != nil {
		return err
	}
	return os.WriteFile(mine[len(mine)-1], data, 0o600)
}

func wrongSecret(j *harness.Job) error {
	elsewhere, err := env.Mkdir("home")
	j.Env = append(j.Env, "HOME="+elsewhere, "MANA_SECRET=0123456789abcdef0123456789abcdef")
	return err
}

// strangers are checkpoint directories of other computations.
var strangers = map[harness.MPI]string{}

// checkpointed runs a job up to a checkpoint and kills it.
func checkpointed(t *testing.T, spec harness.Spec, err error) *harness.Job {
	t.Helper()
	j := newJob(t, spec, err)
	must(t, j.Launch, func() error { return j.Run.WaitSteps(2) }, j.Checkpoint, j.Kill)
	return j
}

// complains checks that a command failed with a clear line, soon, and left nothing behind.
func complains(t *testing.T, j *harness.Job, expect string) {
	t.Helper()
	if err := j.Run.Wait(harness.Patience); err == nil {
		t.Fatalf("no failure:\n%s\n%s", j.Run.Stdout(), j.Run.Stderr())
	} else if _, hang := err.(*harness.ErrHang); hang {
		t.Fatal(err)
	}
	text := j.Run.Stderr()
	if asDMTCP := "*** ERROR:  Executable to run w/ DMTCP"; strings.HasPrefix(text, asDMTCP) {
		text = "dmtcp_launch: " + strings.Join(strings.Fields(text), " ") // scripts look for these very lines
	}
	if !regexp.MustCompile(`(?m)^(mana|dmtcp)_\w+: .*(` + expect + `)`).MatchString(text) {
		t.Errorf("no line of stderr mentions %q:\n%s", expect, text)
	}
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Errorf("the tool itself broke:\n%s", text)
	}
	if lines := strings.Count(strings.TrimSpace(text), "\n") + 1; j.MPI == "" && lines > 1 {
		t.Errorf("%d lines of complaint instead of one:\n%s", lines, text)
	}
	if err := j.Kill(); err != nil {
		t.Error(err)
	}
}

// TestBadRestart restarts from every kind of damage; each must be told in a
// clear line, and none may harm what is not damaged.
func TestBadRestart(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		spec, err := plains[0].spec(40, 0)
		want := native(t, spec, err)
		spec, err = plains[0].spec(40, pauseUS)
		badRestarts(t, checkpointed(t, spec, err), want)
	})
	for _, m := range libraries(t) {
		t.Run(string(m), func(t *testing.T) {
			want := reference(t, m, program{name: "halo"}, 2, 60)
			p := program{name: "cg"}
			spec, err := p.spec(m, 2, 30, pauseUS, "-")
			other := checkpointed(t, spec, err)
			strangers[m] = other.Ckpt
			p = program{name: "halo"}
			spec, err = p.spec(m, 2, 60, pauseUS, "-")
			badRestarts(t, checkpointed(t, spec, err), want)
		})
	}
}

// output is what the program wrote into its own file, if it has one.
func output(j *harness.Job) string {
	data, err := os.ReadFile(filepath.Join(j.Dir, "count.out"))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func badRestarts(t *testing.T, j *harness.Job, want string) {
	good := j.Ckpt + ".good"
	if out, err := exec.Command("cp", "-a", j.Ckpt, good).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	restore := func(t *testing.T) {
		t.Helper()
		if err := os.RemoveAll(j.Ckpt); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", good, j.Ckpt).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v %s", err, out)
		}
	}
	for _, d := range damages {
		if d.mpi && j.MPI == "" {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			saved, before := *j, output(j)
			defer func() { coord := j.Coord; *j = saved; j.Coord = coord }()
			defer restore(t)
			args, err := j.RestartArgs() // before the images are gone
			if err == nil {
				err = d.do(j)
			}
			if err == nil && d.how {
				args, err = j.RestartArgs()
			}
			if err == nil {
				err = j.Start(args)
			}
			if err != nil {
				t.Fatal(err)
			}
			complains(t, j, d.expect)
			if after := output(j); after != before {
				t.Errorf("a restart that failed changed the program's file from %d to %d bytes", len(before), len(after))
			}
		})
	}
	if err := j.Restart(); err != nil {
		t.Fatal(err)
	}
	conclude(t, j, want)
}
