package process

// TTY is a terminal, or the master's side of a pseudo-terminal. Both sides of
// one have the same Device.
type TTY struct {
	Device      uint64 `json:"device"` // of the terminal itself, also if /dev/tty was opened
	Termios     []byte `json:"termios"`
	Winsize     []byte `json:"winsize"`
	Controlling bool   `json:"controlling"`
	Foreground  int    `json:"foreground_pgid"`

	Master *Master `json:"master,omitempty"`
}

// Master is what only the master's side of a pseudo-terminal has.
type Master struct {
	Number int  `json:"number"` // N of /dev/pts/N
	Locked bool `json:"locked,omitempty"`
	Packet bool `json:"packet,omitempty"`
	// Stopped says that output is (as Ctrl-S does it).
	Stopped bool `json:"stopped,omitempty"`
	// HangUp says that the terminal was open once and is not now.
	HangUp bool `json:"hangup,omitempty"`
	// Input has been written to the master and not been read by the terminal's
	// programs, Output the other way round.
	Input []byte `json:"input,omitempty"`
	// End says that the input ends there (Ctrl-D).
	End    bool   `json:"end,omitempty"`
	Output []byte `json:"output,omitempty"`
}

// Terminal is the controlling terminal of a process.
type Terminal struct {
	Device     uint64 `json:"device"`
	Foreground int    `json:"foreground_pgid"`
}
