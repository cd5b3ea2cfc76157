package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mana/manifest"
	"mana/process"
)

// Settings are what a launch asks for beyond the program's first life; they
// are kept in its images.
type Settings struct {
	UniqueNames bool `json:"unique_names,omitempty"` // a directory per generation, none replaced
	ModifyEnv   bool `json:"modify_env,omitempty"`   // a restart applies dmtcp_env.txt
	Pathvirt    bool `json:"pathvirt,omitempty"`     // a restart applies DMTCP_PATH_MAPPING
	OpenFiles   bool `json:"open_files,omitempty"`   // the contents of open files are saved
	Overwrite   bool `json:"overwrite,omitempty"`    // and replace those that differ
}

func (s Settings) save() json.RawMessage {
	if s == (Settings{}) {
		return nil
	}
	b, _ := json.Marshal(s) // booleans only
	return b
}

// imageDir is where the images of generation gen of a program go.
func (a *agent) imageDir(p *program, gen int) string {
	if a.cfg.UniqueNames {
		return filepath.Join(p.dir, manifest.UniqueDir(a.comp, gen))
	}
	return p.dir
}

// apply gives the restarted programs what the launch asked for.
func (r *Restart) apply(a *agent, all saved) error {
	raw := all[0].State.Settings
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &a.cfg.Settings); err != nil {
		return fmt.Errorf("the image's settings: %w", err)
	}
	if a.cfg.UniqueNames && a.cfg.CkptDir == "" {
		for _, p := range a.programs {
			if manifest.IsUniqueDir(filepath.Base(p.dir), r.Computation) {
				p.dir = filepath.Dir(p.dir)
			}
		}
	}
	if !a.cfg.Pathvirt {
		return nil
	}
	move, err := pathMapping()
	if err != nil {
		return err
	}
	for _, o := range all {
		o.State.Relocate(move)
	}
	return nil
}

// pathMapping makes the translation that the restart's environment asks for:
// DMTCP_PATH_MAPPING is old:new;old:new…, the two lists are of older releases.
func pathMapping() (func(string) string, error) {
	var from, to []string
	for _, pair := range strings.Split(os.Getenv("DMTCP_PATH_MAPPING"), ";") {
		if pair == "" {
			continue
		}
		old, now, ok := strings.Cut(pair, ":")
		if !ok || old == "" || now == "" {
			return nil, fmt.Errorf("DMTCP_PATH_MAPPING: %q is not old:new", pair)
		}
		from, to = append(from, old), append(to, now)
	}
	if old := os.Getenv("DMTCP_ORIGINAL_PATH_PREFIX"); old != "" {
		olds, news := strings.Split(old, ":"), strings.Split(os.Getenv("DMTCP_NEW_PATH_PREFIX"), ":")
		if len(olds) != len(news) {
			return nil, fmt.Errorf("DMTCP_ORIGINAL_PATH_PREFIX names %d prefixes, DMTCP_NEW_PATH_PREFIX %d", len(olds), len(news))
		}
		from, to = append(from, olds...), append(to, news...)
	}
	return func(path string) string {
		best := -1
		for i, prefix := range from {
			prefix = strings.TrimRight(prefix, "/")
			under := path == prefix || strings.HasPrefix(path, prefix+"/")
			if under && (best < 0 || len(prefix) > len(from[best])) {
				best = i
			}
		}
		if best < 0 {
			return path
		}
		return strings.TrimRight(to[best], "/") + path[len(strings.TrimRight(from[best], "/")):]
	}, nil
}

// modifyEnv changes the environments of the rebuilt programs as the file says
// that lies beside their images or in the working directory.
func (r *Restart) modifyEnv(a *agent, all []*process.Restored) {
	if !a.cfg.ModifyEnv {
		return
	}
	path, text, err := r.envFile()
	if err != nil {
		a.warn("--modify-env: %v", err)
		return
	}
	change, err := parseEnvFile(text, os.LookupEnv)
	if err != nil {
		a.warn("--modify-env: %s: %v; the environment stays as it was", path, err)
		return
	}
	for _, p := range all {
		if err := p.ChangeEnviron(change); err != nil {
			a.warn("--modify-env: %v", err)
		}
	}
}

// envFile reads the file of changes: beside the images, which may lie in a
// rank's and a generation's directory, else in the working directory.
func (r *Restart) envFile() (path, text string, err error) {
	name := os.Getenv("DMTCP_ENV_FILE")
	if name == "" {
		name = "dmtcp_env.txt"
	}
	dir := filepath.Dir(r.Images[0].Path)
	tries := []string{filepath.Join(dir, name), filepath.Join(dir, "..", name), filepath.Join(dir, "..", "..", name), name}
	if filepath.IsAbs(name) {
		tries = []string{name}
	}
	for _, path := range tries {
		b, err := os.ReadFile(path)
		if err == nil {
			return path, string(b), nil
		}
		if !os.IsNotExist(err) {
			return "", "", err
		}
	}
	return "", "", fmt.Errorf("there is no %s beside the images; the environment stays as it was", name)
}
