package coordinator

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"mana/manifest"
	"mana/wire"
)

//go:embed restart_script.sh
var scriptText string

var scriptTemplate = template.Must(template.New("script").Funcs(template.FuncMap{"q": quote}).Parse(scriptText))

// script is what the restart script is made from.
type script struct {
	Timestamp string
	CoordHost string
	CoordPort int
	Interval  string
	Command   string // dmtcp_restart or, for an MPI job, mana_restart
	Dir       string // of an MPI job
	MPI       bool
	Ranks     int
	Processes int
	Hosts     []scriptHost
}

type scriptHost struct {
	Name  string
	Files []string
}

// writeScript writes dmtcp_restart_script_<computation>.sh and the link
// dmtcp_restart_script.sh, each by rename: batch scripts run it, or test
// whether it exists, at any time.
func (c *Coordinator) writeScript(m *manifest.Manifest) error {
	s := c.script(m)
	var b strings.Builder
	if err := scriptTemplate.Execute(&b, s); err != nil {
		return fmt.Errorf("restart script: %w", err)
	}
	name := "dmtcp_restart_script_" + m.Computation
	if len(m.Images) > 0 && manifest.IsUniqueDir(filepath.Base(m.Images[0].Dir), m.Computation) {
		name += fmt.Sprintf("_%05d", m.Generation)
	}
	name += ".sh"
	if err := manifest.WriteFile(filepath.Join(c.cfg.CkptDir, name), []byte(b.String()), 0o700); err != nil {
		return fmt.Errorf("restart script: %w", err)
	}
	link := filepath.Join(c.cfg.CkptDir, "dmtcp_restart_script.sh")
	tmp := link + ".temp"
	os.Remove(tmp)
	err := os.Symlink(name, tmp)
	if err == nil {
		err = os.Rename(tmp, link)
	}
	if err != nil {
		return fmt.Errorf("restart script: %w", err)
	}
	return nil
}

func (c *Coordinator) script(m *manifest.Manifest) *script {
	s := &script{Timestamp: m.Created.Format(time.ANSIC), CoordHost: "127.0.0.1", CoordPort: c.port,
		Interval: c.intervalOption(), Processes: len(m.Images), Ranks: m.Ranks, MPI: m.Ranks > 0, Command: sibling("dmtcp_restart")}
	for _, im := range m.Images {
		i := slices.IndexFunc(s.Hosts, func(h scriptHost) bool { return h.Name == im.Host })
		if i < 0 {
			i = len(s.Hosts)
			s.Hosts = append(s.Hosts, scriptHost{Name: im.Host})
		}
		s.Hosts[i].Files = append(s.Hosts[i].Files, filepath.Join(im.Dir, im.Name))
	}
	if len(s.Hosts) > 1 {
		s.CoordHost = wire.LocalName()
	}
	if s.MPI {
		s.Command, s.Dir = sibling("mana_restart"), m.Images[0].Dir
	}
	return s
}

// intervalOption is the interval as the tools' option has it.
func (c *Coordinator) intervalOption() string {
	if c.auto.on {
		return "auto"
	}
	return fmt.Sprint(c.cfg.Interval)
}

// sibling is the path of another tool beside this one.
func sibling(name string) string {
	exe, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(exe), name)
}

// quote makes any text one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
