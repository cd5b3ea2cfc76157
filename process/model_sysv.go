package process

// SysV are the System V IPC objects that the processes of a tree use. They
// belong to no process; the first of the tree carries them.
type SysV struct {
	Segments   []Segment  `json:"segments,omitempty"`
	Semaphores []SemSet   `json:"semaphores,omitempty"`
	Queues     []MsgQueue `json:"queues,omitempty"`
}

// SysVObject is what all of them have.
type SysVObject struct {
	ID   int `json:"id"`
	Key  int `json:"key"`  // 0: none (any more)
	Mode int `json:"mode"` // permissions
}

// Segment is a shared memory segment.
type Segment struct {
	SysVObject
	Size    uint64 `json:"size"`
	Removed bool   `json:"removed,omitempty"` // it goes with its last attachment
	// Contents are saved if no process has attached it; Addr = position in it.
	Contents []Run `json:"contents,omitempty"`
}

// SemSet is a set of semaphores.
type SemSet struct {
	SysVObject
	Values []uint16 `json:"values"`
}

// MsgQueue is a message queue.
type MsgQueue struct {
	SysVObject
	Bytes    uint64    `json:"bytes"` // how much it may hold
	Messages []Message `json:"messages,omitempty"`
}

// Message is a message in a queue.
type Message struct {
	Type int64  `json:"type"`
	Text []byte `json:"text"`
}
