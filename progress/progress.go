// Package progress tells people how far a checkpoint or a restart is: the
// state that a coordinator reports, in words, and a line on a terminal that is
// written anew while it changes.
package progress

import (
	"fmt"
	"strings"
	"time"

	"mana/wire"
)

// Activity is what a computation is busy with.
type Activity string

// Activities.
const (
	Idle       Activity = ""
	Checkpoint Activity = "checkpoint"
	Restart    Activity = "restart"
)

// Phase is the step that a checkpoint is at.
type Phase string

// Phases of a checkpoint, in their order.
const (
	Converging Phase = "converging" // ranks come to the same point of their collectives
	Draining   Phase = "draining"   // messages in flight are taken in, memory is copied
	Writing    Phase = "writing"
	Ending     Phase = "ending" // committed or given up
)

// State is how far a computation is.
type State struct {
	Activity   Activity
	Generation int
	Peers      int // processes
	Running    bool
	Interval   int
	Failure    string // of the last checkpoint

	Phase    Phase
	Members  int // programs or ranks
	Ready    int // of them, converged
	Copied   int
	Written  int
	Ended    int
	Images   int // that a restart needs
	Came     int // of them, have a process
	Restored int // members that are rebuilt

	Done, Total int64         // bytes written or read, as far as known
	Elapsed     time.Duration // since the activity began
	Moving      time.Duration // since the first byte
	Slow        []string      // who is waited for, and why
}

// Message is the state as the coordinator sends it.
func (s State) Message() wire.Message {
	m := wire.New("STATE", "activity", string(s.Activity), "gen", s.Generation, "peers", s.Peers, "running", s.Running,
		"interval", s.Interval, "failure", s.Failure, "members", s.Members)
	if s.Activity != Idle {
		m.Args = append(m.Args, wire.New("", "phase", string(s.Phase), "ready", s.Ready, "copied", s.Copied,
			"written", s.Written, "ended", s.Ended, "images", s.Images, "came", s.Came, "restored", s.Restored,
			"done", s.Done, "total", s.Total, "elapsed_ms", s.Elapsed.Milliseconds(), "moving_ms", s.Moving.Milliseconds()).Args...)
	}
	for _, slow := range s.Slow {
		m = m.With("slow", slow)
	}
	return m
}

// Parse reads a state from its message.
func Parse(m wire.Message) State {
	s := State{
		Activity: Activity(m.Get("activity")), Generation: m.Int("gen", 0), Peers: m.Int("peers", 0), Running: m.Bool("running"),
		Interval: m.Int("interval", 0), Failure: m.Get("failure"),
		Phase: Phase(m.Get("phase")), Members: m.Int("members", 0), Ready: m.Int("ready", 0), Copied: m.Int("copied", 0),
		Written: m.Int("written", 0), Ended: m.Int("ended", 0), Images: m.Int("images", 0), Came: m.Int("came", 0),
		Restored: m.Int("restored", 0), Done: int64(m.Int("done", 0)), Total: int64(m.Int("total", 0)),
		Elapsed: time.Duration(m.Int("elapsed_ms", 0)) * time.Millisecond, Moving: time.Duration(m.Int("moving_ms", 0)) * time.Millisecond,
	}
	for _, a := range m.Args {
		if a.Key == "slow" {
			s.Slow = append(s.Slow, a.Value)
		}
	}
	return s
}

// Line is the state in one line; "" if there is nothing to wait for.
func (s State) Line() string {
	var b strings.Builder
	switch s.Activity {
	case Checkpoint:
		fmt.Fprintf(&b, "checkpoint %d: ", s.Generation)
		switch s.Phase {
		case Converging:
			fmt.Fprintf(&b, "%d of %d ready, %s", s.Ready, s.Members, seconds(s.Elapsed))
		case Draining:
			fmt.Fprintf(&b, "%d of %d copied, %s", s.Copied, s.Members, seconds(s.Elapsed))
		case Writing:
			fmt.Fprintf(&b, "%d of %d written%s", s.Written, s.Members, s.bytes())
		default:
			fmt.Fprintf(&b, "%d of %d in place", s.Ended, s.Members)
		}
	case Restart:
		fmt.Fprintf(&b, "restart from checkpoint %d: ", s.Generation)
		if s.Came < s.Images {
			fmt.Fprintf(&b, "%d of %d processes came, ", s.Came, s.Images)
		}
		fmt.Fprintf(&b, "%d of %d restored%s", s.Restored, s.Members, s.bytes())
	}
	if len(s.Slow) > 0 {
		b.WriteString("; " + s.Slow[0])
		if more := len(s.Slow) - 1; more > 0 {
			fmt.Fprintf(&b, " (and %d more)", more)
		}
	}
	return b.String()
}

// bytes tells how much is done, how fast, and how long the rest will take.
func (s State) bytes() string {
	if s.Total == 0 {
		return ""
	}
	text := fmt.Sprintf(", %s of %s", Bytes(s.Done), Bytes(s.Total))
	rate := s.Rate()
	if rate <= 0 {
		return text
	}
	text += fmt.Sprintf(", %s/s", Bytes(int64(rate)))
	if left := s.Total - s.Done; left > 0 {
		text += fmt.Sprintf(", %s left", seconds(time.Duration(float64(left)/rate*float64(time.Second))))
	}
	return text
}

// Rate is in bytes per second, 0 if not known yet.
func (s State) Rate() float64 {
	if s.Moving < 100*time.Millisecond {
		return 0
	}
	return float64(s.Done) / s.Moving.Seconds()
}

// Bytes is a number of bytes for people.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for ; f >= 999.5 && i < len(units)-1; i++ {
		f /= 1024
	}
	if f < 9.95 {
		return fmt.Sprintf("%.1f %ciB", f, units[i])
	}
	return fmt.Sprintf("%.0f %ciB", f, units[i])
}

// Count is a number of things for people.
func Count(n int, thing, things string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %s", n, things)
}

func seconds(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s < 120 {
		return fmt.Sprintf("%d s", s)
	}
	return fmt.Sprintf("%d:%02d min", s/60, s%60)
}
