package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Batch is a job's directory on the Slurm, and the job last submitted there. It
// belongs to the unprivileged account, which is who submits.
type Batch struct {
	Dir string
	ID  string
	s   *Slurm
	env []string
}

// NewBatch makes the directory of jobs whose programs hurry when told to.
func (s *Slurm) NewBatch(extraEnv ...string) (*Batch, error) {
	dir, err := s.env.Mkdir("b")
	if err != nil {
		return nil, err
	}
	b := &Batch{Dir: dir, s: s}
	b.env = append([]string{"SLURM_CONF=" + s.Conf(), "MANAE2E_HURRY=" + filepath.Join(dir, "hurry"), "MANA_LISTEN=127.0.0.1"}, extraEnv...)
	return b, nil
}

// Write puts a file into the directory.
func (b *Batch) Write(name, text string) error {
	path := filepath.Join(b.Dir, name)
	return errors.Join(os.WriteFile(path, []byte(text), 0o755), b.s.env.own(path))
}

// Run executes a command as the account, in the directory.
func (b *Batch) Run(args ...string) (string, error) {
	p, err := b.s.env.Run(b.Dir, b.env, args...)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(p.Stdout()), nil
}

// Submit is sbatch; the job's two streams go to the file OUT.
func (b *Batch) Submit(args ...string) error {
	id, err := b.Run(append([]string{"sbatch", "--parsable", "--open-mode=append", "-o", "OUT", "-e", "OUT"}, args...)...)
	b.ID = id
	return err
}

// Output is what the job has written so far.
func (b *Batch) Output() string {
	text, err := os.ReadFile(filepath.Join(b.Dir, "OUT"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return string(text)
}

// Hurry lets the programs go on without pauses.
func (b *Batch) Hurry() error { return b.Write("hurry", "") }

// WaitFor waits until the job's output or anything else satisfies good.
func (b *Batch) WaitFor(what string, good func() bool) error {
	for limit := time.Now().Add(2 * Patience); ; time.Sleep(50 * time.Millisecond) {
		if good() {
			return nil
		}
		if time.Now().After(limit) {
			return &ErrHang{fmt.Sprintf("job %s: no %s within %v", b.ID, what, 2*Patience), b.Report()}
		}
	}
}

// Report is what to read after a failure.
func (b *Batch) Report() string {
	job, err := b.Run("scontrol", "show", "job", b.ID)
	if err != nil {
		job = err.Error()
	}
	out := stepRuns.ReplaceAllString(b.Output(), "$1...\n$2")
	if len(out) > 3000 {
		out = "..." + out[len(out)-3000:]
	}
	return fmt.Sprintf("--- job %s:\n%s\n--- its output:\n%s\n--- Slurm:\n%s\n--- processes:\n%s", b.ID, job, out, b.s.logs(), State())
}

// stepRuns are the step lines in between, which tell nothing.
var stepRuns = regexp.MustCompile(`(step \d+\n)(?:step \d+\n)+(step \d+\n)`)

// State is the job's state and how often it has been requeued.
func (b *Batch) State() (state string, restarts int) {
	text, _ := b.Run("scontrol", "show", "job", b.ID)
	if m := jobState.FindStringSubmatch(text); m != nil {
		state = m[1]
	}
	if m := jobRestarts.FindStringSubmatch(text); m != nil {
		fmt.Sscan(m[1], &restarts)
	}
	return state, restarts
}

var (
	jobState    = regexp.MustCompile(`\bJobState=(\w+)`)
	jobRestarts = regexp.MustCompile(`\bRestarts=(\d+)`)
)

// WaitState waits until the job is in a state, having been requeued that often.
func (b *Batch) WaitState(state string, restarts int) error {
	return b.WaitFor(fmt.Sprintf("state %s after %d restarts", state, restarts), func() bool {
		s, r := b.State()
		return s == state && r >= restarts
	})
}

// Generation is the newest committed generation in a directory of the job, 0 for none.
func (b *Batch) Generation(dir string) int {
	newest := 0
	files, _ := filepath.Glob(filepath.Join(b.Dir, dir, "mana_manifest_*.json"))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if m := generation.FindSubmatch(text); m != nil {
			n := 0
			fmt.Sscan(string(m[1]), &n)
			newest = max(newest, n)
		}
	}
	return newest
}

var generation = regexp.MustCompile(`"generation":\s*(\d+)`)
