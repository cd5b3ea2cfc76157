package agent

import (
	"errors"
	"fmt"
	"time"

	"mana/process"
	"mana/tcp"
	"mana/wire"
)

// busyTries bounds how often the processes are stopped again because a connection
// that waits to be accepted has data in it, which nobody can read before that.
const busyTries = 20

// standStill stops all processes and has what they have sent to each other
// arrive.
func (f *family) standStill() (failed *program, err error) {
	for try := 1; ; try++ {
		if failed, err = f.stopAll(); err != nil {
			return failed, err
		}
		if err = f.settle(); err == nil || !errors.Is(err, tcp.ErrBusy) || try == busyTries {
			return f.roots[0], err
		}
		f.traffic.Close()
		if err := f.thaw(true); err != nil {
			return f.roots[0], err
		}
		f.all = nil
		time.Sleep(time.Duration(try) * 5 * time.Millisecond)
	}
}

func (f *family) settle() error {
	var frozen []*process.Frozen
	for _, s := range f.all {
		frozen = append(frozen, s.frozen)
	}
	var err error
	if f.traffic, err = process.OpenTraffic(frozen); err != nil {
		return err
	}
	return f.traffic.Settle()
}

// agree has what goes through connections to other members' programs arrive too:
// nobody copies anything before all stand still and nothing is in flight.
func (f *family) agree() error {
	still := wire.New("STILL", "gen", f.gen)
	for _, x := range f.traffic.Lone() {
		if !x.Unaccepted {
			still = still.With("end", x.End)
		}
	}
	f.tell(still)
	if _, leads := still.Lookup("end"); !leads {
		return nil
	}
	m, err := f.await("MATES", nil)
	if err != nil {
		return err
	}
	f.mates = make(map[tcp.End]bool)
	for _, s := range m.All("end") {
		e, err := tcp.ParseEnd(s)
		if err != nil {
			return fmt.Errorf("the coordinator's list of connections: %w", err)
		}
		f.mates[e] = true
	}
	if len(f.mates) == 0 {
		return nil
	}
	if err := f.traffic.SettleWith(f.mates); err != nil {
		return err
	}
	f.tell(wire.New("SETTLED", "gen", f.gen))
	_, err = f.await("COPY", func() { f.traffic.Announce(f.mates) })
	return err
}

// orderTimeout bounds how long the program stands because others do not.
const orderTimeout = time.Minute

// await waits for an order of the coordinator, doing something meanwhile.
func (f *family) await(verb string, meanwhile func()) (wire.Message, error) {
	late := time.After(orderTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case m := <-f.orders:
			switch m.Verb {
			case verb:
				return m, nil
			case "ABORT":
				return m, errors.New("the checkpoint was given up while the program stood still")
			}
		case <-tick.C:
			if meanwhile != nil {
				meanwhile()
			}
		case <-late:
			return wire.Message{}, fmt.Errorf("no %s came from the coordinator within %v", verb, orderTimeout)
		}
	}
}
