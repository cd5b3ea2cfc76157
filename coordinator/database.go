package coordinator

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"mana/manifest"
)

// database is what --write-kv-data leaves behind: the state of the computation
// after an event, for people and scripts that look into what happened.
type database struct {
	Event       string           `json:"event"` // checkpoint, restart or exit
	Time        time.Time        `json:"time"`
	Computation string           `json:"computation"`
	Generation  int              `json:"generation"`
	Failure     string           `json:"failure,omitempty"`
	Workers     []databaseWorker `json:"workers"`
	Images      []manifest.Image `json:"images,omitempty"`
}

type databaseWorker struct {
	Host      string   `json:"host"`
	Program   string   `json:"program"`
	UPID      string   `json:"upid"`
	Rank      int      `json:"rank"`
	State     string   `json:"state"`
	Processes []string `json:"processes"`
}

// writeDatabase writes dmtcp_coordinator_db-<computation>-<time>.json into the
// working directory, as DMTCP does with its key-value store.
func (c *Coordinator) writeDatabase(event, failure string, images []manifest.Image) {
	if !c.cfg.WriteKV || c.computation == "" {
		return
	}
	d := database{Event: event, Time: time.Now(), Computation: c.computation, Generation: c.generation, Failure: failure, Images: images}
	for _, m := range c.members {
		d.Workers = append(d.Workers, databaseWorker{m.host, m.prog, m.upid, m.rank, m.state, m.procs})
	}
	b, err := json.MarshalIndent(d, "", " ")
	if err == nil {
		name := fmt.Sprintf("dmtcp_coordinator_db-%s-%d.json", c.computation, d.Time.UnixMilli())
		err = manifest.WriteFile(filepath.Join(".", name), append(b, '\n'), 0o600)
	}
	if err != nil {
		c.note("write the database: %v", err)
	}
}
