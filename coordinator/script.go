package coordinator

import (
	"mana/manifest"
)

type scriptState struct{}

func (c *Coordinator) writeScript(m *manifest.Manifest) error { return nil }
