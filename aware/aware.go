// Package aware serves programs that know of checkpoints: DMTCP's functions for
// applications (dmtcp.h), with which a program asks for a checkpoint, forbids
// them for a while, or finds out about them.
package aware

import (
	"debug/elf"
	"embed"
	"errors"

	"mana/splitproc"
)

//go:embed payload
var payload embed.FS

// functions are those that the library offers.
var functions = map[string]bool{
	"dmtcp_is_enabled": true, "dmtcp_checkpoint": true, "dmtcp_disable_ckpt": true, "dmtcp_enable_ckpt": true,
	"dmtcp_get_local_status": true, "dmtcp_get_generation": true, "checkpoint_is_pending": true,
	"dmtcp_get_ckpt_dir": true, "dmtcp_get_ckpt_filename": true, "dmtcp_get_uniquepid_str": true,
}

// Asks tells whether a program refers to one of the functions. One that cannot
// be read, or is not dynamic, does not.
func Asks(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return false
	}
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF && functions[s.Name] {
			return true
		}
	}
	return false
}

// Library extracts the library with the functions, to be preloaded, and returns its path.
func Library() (string, error) {
	b, err := payload.ReadFile("payload/libmana-aware.so")
	if err != nil {
		return "", errors.New("this build of mana lacks DMTCP's functions for programs")
	}
	return splitproc.Extract("libmana-aware.so", b, 0o400)
}
