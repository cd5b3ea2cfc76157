package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"mana/cli"
	"mana/coordinator"
	"mana/manifest"
	"mana/wire"
)

// Place is where a coordinator was found or started.
type Place struct {
	Host string
	Port int
}

// Dial connects to it.
func (p Place) Dial() (*wire.Conn, error) { return wire.Dial(p.Host, p.Port) }

// Find joins or starts a coordinator as the options say.
func (j *Join) Find() (Place, error) {
	port, given, err := j.port()
	if err != nil {
		return Place{}, err
	}
	p := Place{j.host(), port}
	switch {
	case j.JoinOnly:
		err = j.mustAnswer(p)
	case j.New:
		if !given {
			p.Port = 0
		}
		err = j.start(&p)
	default:
		err = j.joinOrStart(&p, given)
	}
	if err != nil {
		return Place{}, err
	}
	if j.PortFile != "" {
		if err := manifest.WriteFile(j.PortFile, fmt.Append(nil, p.Port), 0o600); err != nil {
			return Place{}, fmt.Errorf("write port file: %w", err)
		}
	}
	return p, nil
}

func (j *Join) mustAnswer(p Place) error {
	c, err := p.Dial()
	if err != nil {
		return fmt.Errorf("Coordinator not found, but --join was specified: %w", err)
	}
	return c.Close()
}

// joinOrStart holds a lock so that of several launches at once, such as the
// ranks of an mpirun, one starts the coordinator and the others join it.
func (j *Join) joinOrStart(p *Place, given bool) error {
	unlock, err := wire.LockPort(p.Port)
	if err != nil {
		return err
	}
	defer unlock()
	if p.Port != 0 {
		c, err := p.Dial()
		if err == nil {
			return c.Close()
		}
		foreign := errors.Is(err, wire.ErrAuth) || errors.Is(err, wire.ErrNoSecret)
		if foreign && !given {
			p.Port = 0 // somebody else's: take a port of our own
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
	}
	return j.start(p)
}

// start starts a coordinator on this machine.
func (j *Join) start(p *Place) error {
	if !local(p.Host) {
		return fmt.Errorf("no coordinator answers at %s:%d, and one can be started only on this host", p.Host, p.Port)
	}
	args := []string{"--port", strconv.Itoa(p.Port), "--exit-on-last"}
	if j.CoordLogfile != "" {
		args = append(args, "--coord-logfile", j.CoordLogfile)
	}
	port, err := coordinator.Spawn(args...)
	if err != nil {
		return fmt.Errorf("start a coordinator: %w", err)
	}
	if p.Port == 0 && !j.New && j.Port == "" && j.Quiet < 2 {
		fmt.Fprintf(os.Stderr, "port %d belongs to somebody else; the coordinator listens on port %d\n", cli.DefaultPort, port)
	}
	p.Port = port
	return nil
}

// local reports whether host is this machine.
func local(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || wire.IsLocalHost(host)
}
