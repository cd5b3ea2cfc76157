package tcp

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMeeting connects ends of two agents, with much in flight in both
// directions, while a stranger calls.
func TestMeeting(t *testing.T) {
	a, b := connection(t, unix.AF_INET, four)
	ends := [2]*Meeting{
		{Spec: Spec{Domain: unix.AF_INET, End: a.End, State: State{Code: established}}, Data: noise(1, 5<<20)},
		{Spec: Spec{Domain: unix.AF_INET, End: b.End, State: State{Code: finWait2}}, Data: noise(2, 3<<20)},
	}
	unix.Close(b.FD)
	unix.Close(a.FD)
	for _, m := range ends {
		if err := m.Listen(nil, netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	if ends[0].At != a.Local || ends[0].Token == ends[1].Token {
		t.Errorf("listening at %s, not at %s", ends[0].At, a.Local)
	}
	StopListening(ends[1:], nil)
	stranger, err := connect(unix.AF_INET, four, ends[0].At)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stranger)
	send(stranger, bytes.Repeat([]byte("x"), tokenLen))
	if err := ends[1].Connect(ends[0].At, ends[0].Token); err != nil {
		t.Fatal(err)
	}
	if err := AcceptAll(ends[:1]); err != nil {
		t.Fatal(err)
	}
	StopListening(ends[:1], nil)
	var errs [2]error
	done := make(chan bool)
	go func() { _, errs[1] = ends[1].Refill(); done <- true }()
	_, errs[0] = ends[0].Refill()
	<-done
	for i, m := range ends {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		defer unix.Close(m.fd)
		if got := endOf(t, m.fd); got != m.End {
			t.Errorf("%v has become %v", m.End, got)
		}
		if !bytes.Equal(take(t, m.fd, len(m.Data)), m.Data) {
			t.Errorf("what end %d is to read is not there", i)
		}
	}
	if n, err := unix.Read(ends[0].fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("after the peer's end %d bytes can be read (%v)", n, err)
	}
}
