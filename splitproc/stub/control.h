/* control.h - the page that a program's upper half, its lower half and its agent share.
 *
 * A memfd mapped MAP_SHARED at one fixed address in every MPI process, before
 * the program's first instruction. Every word is written by one side only
 * (named in the comment) unless it says otherwise; both sides wait on words
 * with (shared) futexes, so the program needs no descriptor for us.
 * The agent's view of this layout is splitproc/control.go; a test compares
 * the two.
 */
#ifndef MANA_CONTROL_H
#define MANA_CONTROL_H

#include <stdint.h>

#define MANA_CTL_ADDR 0x2fff00000000UL
#define MANA_CTL_SIZE (4UL << 20)
#define MANA_CTL_MAGIC 0x414e414dU /* "MANA" */
#define MANA_CTL_VERSION 1

/* Every byte of the lower half lies in the zone, and nothing else does. */
#define MANA_ZONE_LO 0x300000000000UL
#define MANA_ZONE_HI 0x400000000000UL

#define MANA_MAX_CLOCKS 32768
#define MANA_MAX_THREADS 2048
#define MANA_MAX_FDS 65536
#define MANA_MAX_SITES 65536

/* Where a thread is, seen from the agent. Plain stores: the agent reads them
 * for a decision only while the thread is stopped. */
enum mana_thread_state {
	MANA_OUT = 0,   /* in the program's own code */
	MANA_IN = 1,    /* in an MPI call, upper or lower half: let it run */
	MANA_WAIT = 2,  /* in an MPI call, in an interruptible point-to-point wait */
	MANA_COLL = 3,  /* in a collective of the real library: not interruptible */
	MANA_PARKED = 4, /* waits in the stub's gate: may be frozen and saved */
	MANA_HELD = 5   /* waits for a peer in the real library outside of a collective (a window's lock): not interruptible */
};

struct mana_thread {
	uint32_t tid;      /* 0: free slot */
	uint32_t state;    /* enum mana_thread_state */
	uint64_t lower_tp; /* thread pointer in the lower half, to which gs is set; 0: none yet (also after a restart) */
	uint64_t calls;    /* bumped each time the gate lets the thread through while a checkpoint is pending */
	uint64_t spare[5];
};

/* Collective clocks. A clock of kind COMM counts the collectives begun on one
 * communicator; it exists while the communicator does. A clock of kind GROUP
 * counts what is collective over a set of ranks rather than over one living
 * communicator (create_group, free, Init); it is never removed, and a member
 * that lacks it counts as 0. */
enum mana_clock_kind { MANA_CLOCK_NONE = 0, MANA_CLOCK_COMM = 1, MANA_CLOCK_GROUP = 2 };

struct mana_clock {
	uint64_t gid;     /* same number on all members */
	uint64_t clock;   /* bumped by the stub with a locked add, before it reads `pending` */
	uint64_t target;  /* written by the agent while pending; the rank moves on while clock < target */
	uint32_t kind;    /* enum mana_clock_kind, written last when an entry is made */
	uint32_t nmembers;
	uint64_t members; /* address of int32_t[nmembers], world ranks ascending (GROUP only), in the upper half */
};

enum mana_init_state { MANA_NOT_INITED = 0, MANA_INITING = 1, MANA_INITED = 2, MANA_FINALIZED = 3 };

/* Requests of the program to its agent. */
enum mana_request {
	MANA_REQ_NONE = 0,
	MANA_REQ_LOWER = 1 /* load a lower half: answer in lower_entry, lower_sp */
};

/* A file's code that the lower half maps: its agent lists the instructions that use fs. */
enum mana_code_state {
	MANA_CODE_IDLE = 0,
	MANA_CODE_ASKED = 1,  /* by the SIGSYS handler */
	MANA_CODE_LISTED = 2, /* by the agent */
	MANA_CODE_REFUSED = 3
};

#define MANA_TOKENS_COLL 0x80000000U /* in tokens: they are good for collectives too */

struct mana_ctl {
	uint32_t magic, version;
	/* Program -> agent: bumped, then woken, whenever the agent should look. */
	uint32_t doorbell;
	uint32_t req;     /* enum mana_request, by the program */
	uint32_t req_tid; /* who asks */
	uint32_t rep;     /* by the agent: 0 not yet, 1 done, 2 refused (reason in errmsg); futex */
	/* Checkpoint. */
	uint32_t pending; /* by the agent: 0, or a checkpoint is announced */
	uint32_t intr;    /* by the agent: bumped with every change of pending, targets or tokens; futex of
	                     parked threads, and interruptible waits leave the lower half when it changes */
	uint32_t tokens;  /* release: each lets one parked call through; taken with a compare and swap */
	uint32_t lock;    /* spin lock over the clock and thread tables; never held across a call */
	uint32_t inited;  /* enum mana_init_state, by the stub */
	uint32_t main_tid; /* the thread that initialised MPI; drain and restart run on it */
	int32_t rank, nranks; /* in MPI_COMM_WORLD; by the stub after Init */
	int32_t thread_level; /* provided level, standard ABI value */
	uint32_t nthreads, nclocks; /* high-water marks of the tables */
	uint32_t restarts; /* by the agent: how often this process has been restarted */
	/* Addresses in the program, by the stub's constructor. */
	uint64_t fn_drain;   /* int64_t (*)(void): 0, or a negative errno-like code with errmsg set */
	uint64_t fn_restart; /* int64_t (*)(void): loads nothing, enters the lower half that the agent has
	                        prepared (lower_entry, lower_sp) and rebuilds every MPI object on it */
	uint64_t call_stack; /* top of the stack on which the agent runs them */
	/* The lower half, by the agent, and its table, by the adapter. */
	uint64_t lower_entry, lower_sp;
	uint64_t lower_table; /* struct mana_lower *, 0 while there is none */
	uint64_t zone_cursor; /* next free address in the zone: bumped by the SIGSYS handler with an atomic add */
	int64_t lower_tls_self; /* what to add to a lower thread pointer to get the address of the adapter's TLS word
	                           `struct mana_thread *`, which the stub sets when a thread gets its lower half */
	char errmsg[512];
	char lib[64];     /* name and version of the real library, by the adapter */
	char prog_abi[16]; /* "mpich", "ompi" or "std", by the stub */
	uint64_t fn_entered; /* by the stub: where the adapter jumps when its table is ready, never to come back */
	char path[64]; /* of this page's memfd, by the agent: a program that execs another maps it again */
	uint32_t owner; /* the process that uses MPI, by its stub: others may have the page mapped too; 0: none yet */
	uint32_t spare32;
	/* Code to be looked at (zone_code.c). */
	uint32_t code_lock;  /* spin lock of those who ask */
	uint32_t code_state; /* enum mana_code_state; futex */
	int32_t code_fd;     /* the file */
	uint32_t code_count; /* by the agent: sites listed */
	uint64_t code_off, code_len; /* the part of it that is mapped */
	uint64_t code_from;  /* where in that part to begin */
	uint64_t spare[17];
	uint64_t lower_fds[MANA_MAX_FDS / 64]; /* bit set: this descriptor belongs to the lower half */
	struct mana_thread threads[MANA_MAX_THREADS];
	struct mana_clock clocks[MANA_MAX_CLOCKS];
	uint32_t code_sites[MANA_MAX_SITES]; /* offsets in the mapping of the prefixes, ascending */
};

_Static_assert(sizeof(struct mana_ctl) <= MANA_CTL_SIZE, "control page too small");

#define mana_ctl ((volatile struct mana_ctl *)MANA_CTL_ADDR)

#endif
