package command

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"mana/coordinator"
	"mana/progress"
)

// field is one key of the answer; their order is kept.
type field struct {
	key   string
	value any
}

var jsonNames = map[string]string{
	"status": "DMT_STATUS", "list": "DMT_LIST", "checkpoint": "DMT_CHECKPOINT", "bcheckpoint": "DMT_BLOCKING_CKPT",
	"kcheckpoint": "DMT_KILL_AFTER_CKPT", "interval": "DMT_UPDATE_CKPT_INTERVAL", "metrics": "MANA_METRICS", "kill": "DMT_KILL", "quit": "DMT_QUIT",
}

func (r *request) answerJSON(out io.Writer, a answer, err error) int {
	res := a.result
	name := jsonNames[r.cmd]
	if err != nil {
		return emitJSON(out, r, name, "DMT_COORD_NOT_FOUND", []field{{"reason", err.Error()}}, rcFailed)
	}
	switch res.Get("error") {
	case "":
	case "notrunning":
		return emitJSON(out, r, name, "DMT_COORD_NOT_RUNNING", nil, rcFailed)
	default:
		return emitJSON(out, r, name, "DMT_COORD_NOT_RUNNING", []field{{"reason", res.Get("reason")}}, rcFailed)
	}
	peers, interval := field{"num_peers", res.Int("peers", 0)}, field{"checkpoint_interval", res.Int("interval", 0)}
	var fields []field
	switch r.cmd {
	case "status":
		fields = []field{peers, {"running", res.Bool("running")}, interval}
		if res.Bool("auto") {
			fields = append(fields, field{"checkpoint_interval_auto", true})
		}
		if f := res.Get("failure"); f != "" {
			fields = append(fields, field{"last_checkpoint_failure", f})
		}
		if s := a.state; s.Activity != progress.Idle {
			fields = append(fields, field{"progress", underWay(s)})
		}
	case "list":
		fields = []field{{"workers", coordinator.ListText(a.rows)}}
	case "metrics":
		var text strings.Builder
		for _, m := range a.rows {
			text.WriteString(m.Get("text") + "\n")
		}
		fields = []field{{"metrics", text.String()}}
	case "checkpoint", "bcheckpoint", "kcheckpoint":
		fields = []field{peers}
	case "interval":
		fields = []field{interval}
	}
	return emitJSON(out, r, name, "DMT_COORD_SUCCESS", fields, rcOK)
}

// underWay describes a checkpoint or restart that is not over.
func underWay(s progress.State) map[string]any {
	m := map[string]any{"activity": s.Activity, "generation": s.Generation, "members": s.Members, "bytes_done": s.Done,
		"bytes_total": s.Total, "elapsed": s.Elapsed.Seconds(), "waiting_for": append([]string{}, s.Slow...)}
	if s.Activity == progress.Checkpoint {
		m["step"], m["ready"], m["copied"], m["written"] = s.Phase, s.Ready, s.Copied, s.Written
	} else {
		m["images"], m["came"], m["restored"] = s.Images, s.Came, s.Restored
	}
	return m
}

func emitJSON(out io.Writer, r *request, command, status string, more []field, rc int) int {
	fields := append([]field{{"schema_version", 1}, {"command", command}, {"command_status", status},
		{"coordinator_host", r.host}, {"coordinator_port", r.port}}, more...)
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(f.key)
		v, err := json.Marshal(f.value)
		if err != nil {
			v = []byte("null")
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteString("}\n")
	out.Write(b.Bytes())
	return rc
}
