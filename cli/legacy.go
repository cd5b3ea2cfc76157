package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Legacy are options of older releases of DMTCP and MANA that mean nothing
// here. They are accepted; those that published scripts carry as a matter of
// course, and those that ask for what is so anyway, without a word.
type Legacy struct {
	MPI           bool   `name:"mpi" hidden:"" silent:""`
	KernelLoader  bool   `hidden:"" silent:""`
	DisablePlugin bool   `name:"disable-dl-plugin" aliases:"disable-alloc-plugin,disable-ssh-plugin,disable-event-plugin,disable-file-plugin,disable-pty-plugin,disable-socket-plugin,disable-svipc-plugin,disable-timer-plugin,disable-pid-plugin,disable-ipc-plugin" hidden:"" silent:""`
	NoPlugins     bool   `aliases:"disable-all-plugins" hidden:"" silent:""`
	Tmpdir        string `short:"t" hidden:"" silent:""`
	Verbose       bool   `hidden:"" silent:""`
	WithPlugin    string `aliases:"with-plugin-32" hidden:""`
	CkptSignal    string `hidden:""`
	IB            bool   `name:"ib" aliases:"infiniband,ib2tcp" hidden:""`
	BatchQueue    bool   `aliases:"rm" hidden:""`
	ExplicitSrun  bool   `hidden:""`
	Ptrace        bool   `hidden:""`
	DebugLogs     bool   `hidden:""`
	HBICT         bool   `name:"hbict" aliases:"no-hbict" hidden:""`
	UseShadowlibs bool   `hidden:""`
	Timing        bool   `hidden:""`
	GDB           bool   `name:"gdb" hidden:""`
}

// unused reports whether an option that was given has no effect, and whoever
// gave it might have expected one.
func unused(f *kong.Flag) bool {
	if f.Name == "with-plugin" {
		return slices.ContainsFunc(strings.Split(f.Target.String(), ":"), func(path string) bool {
			return filepath.Base(path) != "libmana.so" // what mana does is not a plugin here
		})
	}
	return f.Hidden && !f.Tag.Has("silent")
}
