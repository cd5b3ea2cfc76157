package process

import (
	"encoding/json"

	"mana/task"
)

// State is everything that a checkpoint keeps of a process besides the contents
// of its memory. It is the metadata of an image, so field names are format.
type State struct {
	PID         int       `json:"pid"`
	PPID        int       `json:"ppid"`
	PGID        int       `json:"pgid"`
	SID         int       `json:"sid"`
	Terminal    *Terminal `json:"terminal,omitempty"` // the controlling one
	AgentSID    int       `json:"agent_sid,omitempty"`
	AgentPGID   int       `json:"agent_pgid,omitempty"`
	Exe         FileID    `json:"exe"`
	Comm        string    `json:"comm"`
	Argv        []string  `json:"argv"` // for people; the program's own copy is in its memory
	Personality uint32    `json:"personality"`
	Cwd         string    `json:"cwd"`
	Root        string    `json:"root"`
	Umask       uint32    `json:"umask"`
	Rlimits     []Rlimit  `json:"rlimits"` // indexed by RLIMIT_*
	Dumpable    int       `json:"dumpable"`
	NoNewPrivs  bool      `json:"no_new_privs"`
	Seccomp     int       `json:"seccomp_filters"` // how many the program had, ours included
	THPDisable  bool      `json:"thp_disable"`
	Subreaper   bool      `json:"child_subreaper"`
	Membarrier  int       `json:"membarrier"` // registered commands, MEMBARRIER_CMD_*
	ParentDeath int       `json:"pdeath_signal"`
	OOMScoreAdj int       `json:"oom_score_adj"`
	StopSignal  int       `json:"stop_signal"` // job-control stop in force, 0 if running
	Kernel      string    `json:"kernel"`
	Hostname    string    `json:"hostname"`
	CPUFeatures []string  `json:"cpu_features"` // see cpu.go
	BootID      string    `json:"boot_id"`
	TakenAt     int64     `json:"taken_at"`  // CLOCK_REALTIME, ns
	Monotonic   int64     `json:"monotonic"` // CLOCK_MONOTONIC then, ns
	MM          MM        `json:"mm"`
	VDSO        VDSO      `json:"vdso"`
	Threads     []Thread  `json:"threads"` // the leader first
	Actions     []Action  `json:"sigactions"`
	Pending     []SigInfo `json:"shared_pending"`
	ITimers     [3][]byte `json:"itimers"` // struct itimerval of ITIMER_REAL, VIRTUAL, PROF
	Timers      []Timer   `json:"posix_timers"`
	VMAs        []VMA     `json:"vmas"`
	Files       []File    `json:"files"`
	Zombies     []Zombie  `json:"zombies,omitempty"` // children that ended, not waited for

	// LowerHalf are the address ranges whose mappings are not part of the state.
	LowerHalf []task.Range `json:"lower_half,omitempty"`
	// SysV are the System V IPC objects of all processes that were saved together.
	SysV *SysV `json:"sysv,omitempty"`

	// MPI belongs to the agent: rank, number of ranks and the like.
	MPI json.RawMessage `json:"mpi,omitempty"`
	// Board belongs to the agent: what it and the program have told each other of checkpoints.
	Board json.RawMessage `json:"board,omitempty"`
	// Settings belong to the agent too: what a restart is to keep up.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// FileID names a file well enough to notice that it was replaced.
type FileID struct {
	Path    string `json:"path"`
	Dev     uint64 `json:"dev"`
	Inode   uint64 `json:"ino"`
	Size    int64  `json:"size"`
	MtimeNs int64  `json:"mtime_ns"`
	BuildID string `json:"build_id,omitempty"` // hex, of ELF files
	Deleted bool   `json:"deleted,omitempty"`
}

// Rlimit is one resource limit.
type Rlimit struct {
	Cur uint64 `json:"cur"`
	Max uint64 `json:"max"`
}

// MM is the layout that PR_SET_MM_MAP sets. Argv and environment live in the
// program's stack: [ArgStart, ArgEnd) and [EnvStart, EnvEnd).
type MM struct {
	StartCode  uint64 `json:"start_code"`
	EndCode    uint64 `json:"end_code"`
	StartData  uint64 `json:"start_data"`
	EndData    uint64 `json:"end_data"`
	StartBrk   uint64 `json:"start_brk"`
	Brk        uint64 `json:"brk"`
	StartStack uint64 `json:"start_stack"`
	ArgStart   uint64 `json:"arg_start"`
	ArgEnd     uint64 `json:"arg_end"`
	EnvStart   uint64 `json:"env_start"`
	EnvEnd     uint64 `json:"env_end"`
	Auxv       []byte `json:"auxv"`
}

// VDSO describes the kernel's code page of the saved process.
type VDSO struct {
	Range task.Range `json:"range"` // [vdso]
	VVar  task.Range `json:"vvar"`  // [vvar] and its continuation [vvar_vclock]
	Image []byte     `json:"image"` // contents, to find out whether another kernel's differs
}

// Thread is one thread.
type Thread struct {
	TID           int       `json:"tid"`
	Comm          string    `json:"comm"`
	Regs          task.Regs `json:"regs"` // -ERESTART* in Rax with Orig_rax >= 0: to be issued again
	XState        []byte    `json:"xstate"`
	SigMask       uint64    `json:"sigmask"`
	AltStack      AltStack  `json:"altstack"`
	RobustHead    uint64    `json:"robust_head"`
	RobustLen     uint64    `json:"robust_len"`
	ClearChildTID uint64    `json:"clear_child_tid"`
	RSeq          task.RSeq `json:"rseq"`
	Pending       []SigInfo `json:"pending"`
	Affinity      []byte    `json:"affinity"`
	Policy        int       `json:"sched_policy"`
	Priority      int       `json:"sched_priority"`
	Nice          int       `json:"nice"`
	TimerSlack    uint64    `json:"timer_slack"`
}

// SigInfo is a queued signal, 128 raw bytes.
type SigInfo []byte

// AltStack is stack_t.
type AltStack struct {
	SP    uint64 `json:"sp"`
	Flags uint32 `json:"flags"`
	Size  uint64 `json:"size"`
}

// Action is the disposition of one signal that is not the default.
type Action struct {
	Signal   int    `json:"signal"`
	Handler  uint64 `json:"handler"`
	Flags    uint64 `json:"flags"`
	Restorer uint64 `json:"restorer"`
	Mask     uint64 `json:"mask"`
}

// Timer is a POSIX timer.
type Timer struct {
	ID       int32  `json:"id"`
	Clock    int    `json:"clock"`
	Signal   int    `json:"signal"`
	Notify   int    `json:"notify"` // SIGEV_*
	NotifyID int    `json:"notify_id"`
	Value    uint64 `json:"value"` // sigev_value
	Spec     []byte `json:"spec"`  // struct itimerspec, remaining time
	Overrun  int    `json:"overrun"`
}

// VMAKind says how a mapping comes back.
type VMAKind string

// Kinds of mappings.
const (
	KindAnon        VMAKind = "anon"         // private anonymous, the heap included
	KindStack       VMAKind = "stack"        // the kernel's [stack]
	KindFilePrivate VMAKind = "file-private" // MAP_PRIVATE of a file; changed pages are saved
	KindFileShared  VMAKind = "file-shared"  // MAP_SHARED of a file
	KindSharedAnon  VMAKind = "shared-anon"  // MAP_SHARED|MAP_ANONYMOUS, /dev/zero, memfd, SysV shm
	KindVDSO        VMAKind = "vdso"
	KindVVar        VMAKind = "vvar"
	KindVsyscall    VMAKind = "vsyscall"
)

// VMA is one mapping.
type VMA struct {
	Start  uint64  `json:"start"`
	End    uint64  `json:"end"`
	Prot   int     `json:"prot"`
	Shared bool    `json:"shared,omitempty"`
	Kind   VMAKind `json:"kind"`
	Name   string  `json:"name,omitempty"` // the last column of /proc/PID/maps
	Offset uint64  `json:"offset,omitempty"`
	File   *FileID `json:"file,omitempty"`
	// SharedID is equal for mappings and files that share one anonymous object.
	SharedID string `json:"shared_id,omitempty"`
	// Flags are the two-letter VmFlags that matter: gd lo lf sr rr dc dd mg hg nh wf ht nr sl.
	Flags []string `json:"flags,omitempty"`
	// Guards are ranges without access that madvise(MADV_GUARD_INSTALL) made.
	Guards []task.Range `json:"guards,omitempty"`
	// Whole says that every page with contents was saved, so that a file mapping
	// can be rebuilt without its file.
	Whole bool  `json:"whole,omitempty"`
	Runs  []Run `json:"runs,omitempty"`
}

// Len is the size of the mapping.
func (v *VMA) Len() uint64 { return v.End - v.Start }

// Has tells whether a VmFlag is set.
func (v *VMA) Has(flag string) bool {
	for _, f := range v.Flags {
		if f == flag {
			return true
		}
	}
	return false
}

// Run is a range of saved pages. Addresses that no run covers are zero in an
// anonymous mapping and the file's own bytes in a file mapping.
type Run struct {
	Addr   uint64 `json:"a"`
	Len    uint64 `json:"l"`
	Offset int64  `json:"o"` // position in the image, page-aligned
}

// FileKind says what a file descriptor refers to.
type FileKind string

// Kinds of open files.
const (
	FileRegular  FileKind = "regular"
	FileDir      FileKind = "dir"
	FilePipe     FileKind = "pipe"
	FileFIFO     FileKind = "fifo"
	FileTTY      FileKind = "tty"
	FileSocket   FileKind = "socket"
	FileChar     FileKind = "chardev"
	FileEventFD  FileKind = "eventfd"
	FileEpoll    FileKind = "epoll"
	FileTimerFD  FileKind = "timerfd"
	FileSignalFD FileKind = "signalfd"
	FileInotify  FileKind = "inotify"
	FileMemFD    FileKind = "memfd"
	FilePIDFD    FileKind = "pidfd"
	FileMQueue   FileKind = "mqueue"
	FilePath     FileKind = "o_path"
	FileOther    FileKind = "other" // restored as closed, with a warning
)

// File is one descriptor. Descriptors with equal Description share an open file
// description: only the first of them carries its contents.
type File struct {
	FD          int  `json:"fd"`
	CloseOnExec bool `json:"cloexec,omitempty"`
	Description int  `json:"description"`
	// Shared is equal for descriptors of different processes that share an open
	// file description.
	Shared   string   `json:"shared,omitempty"`
	Kind     FileKind `json:"kind"`
	Link     string   `json:"link"` // what /proc/PID/fd/N says
	Path     string   `json:"path,omitempty"`
	Flags    int      `json:"flags"` // O_*, as fdinfo gives them, without O_CLOEXEC
	Pos      int64    `json:"pos"`
	Dev      uint64   `json:"dev,omitempty"`
	Inode    uint64   `json:"ino,omitempty"`
	Rdev     uint64   `json:"rdev,omitempty"`
	Mode     uint32   `json:"mode,omitempty"`
	Size     int64    `json:"size,omitempty"`
	MtimeNs  int64    `json:"mtime_ns,omitempty"`
	Deleted  bool     `json:"deleted,omitempty"`
	AtEnd    bool     `json:"at_end,omitempty"` // written sequentially: position = size, or O_APPEND
	SharedID string   `json:"shared_id,omitempty"`
	Contents []Run    `json:"contents,omitempty"` // of a deleted file, memfd or socket, or if Kept; Addr = position in it
	Kept     bool     `json:"kept,omitempty"`     // a file with a name whose contents were to be saved too
	Data     []byte   `json:"data,omitempty"`     // bytes in a pipe
	Owner    *Owner   `json:"owner,omitempty"`
	Locks    []Lock   `json:"locks,omitempty"`

	Pipe     *Pipe     `json:"pipe,omitempty"`
	EventFD  *EventFD  `json:"eventfd,omitempty"`
	Epoll    []EpollFD `json:"epoll,omitempty"`
	TimerFD  *TimerFD  `json:"timerfd,omitempty"`
	SignalFD uint64    `json:"signalfd,omitempty"` // mask
	Inotify  []Watch   `json:"inotify,omitempty"`
	MemFD    *MemFD    `json:"memfd,omitempty"`
	Socket   *Socket   `json:"socket,omitempty"`
	TTY      *TTY      `json:"tty,omitempty"`
	PIDFD    int       `json:"pidfd,omitempty"`
	MQueue   *MQueue   `json:"mqueue,omitempty"`
}

// Owner is F_SETOWN_EX and F_SETSIG.
type Owner struct {
	Type   int `json:"type"`
	ID     int `json:"id"`
	Signal int `json:"signal"`
}

// Lock is one line "lock:" of fdinfo.
type Lock struct {
	Type  string `json:"type"` // POSIX, FLOCK, OFDLCK
	Write bool   `json:"write"`
	Start int64  `json:"start"`
	End   int64  `json:"end"` // -1: to the end of the file
}

// Pipe says which pipe this is an end of; Data of its first descriptor are the
// bytes in it.
type Pipe struct {
	Size int  `json:"size"`
	Peer bool `json:"peer"` // the program holds both ends
	// HangUp says that nobody has the other end any more.
	HangUp bool `json:"hangup,omitempty"`
}

// EventFD is an eventfd.
type EventFD struct {
	Count     uint64 `json:"count"`
	Semaphore bool   `json:"semaphore"`
}

// EpollFD is one registration in an epoll set.
type EpollFD struct {
	FD     int    `json:"fd"`
	Events uint32 `json:"events"`
	Data   uint64 `json:"data"`
}

// TimerFD is a timerfd; times in ns, Value relative.
type TimerFD struct {
	Clock    int    `json:"clock"`
	Ticks    uint64 `json:"ticks"`
	Flags    int    `json:"flags"`
	Value    int64  `json:"value"`
	Interval int64  `json:"interval"`
}

// Watch is one inotify watch.
type Watch struct {
	WD    int    `json:"wd"`
	Mask  uint32 `json:"mask"`
	Inode uint64 `json:"ino"`
	Dev   uint64 `json:"sdev"`
	Path  string `json:"path,omitempty"` // empty if it could not be found
}
