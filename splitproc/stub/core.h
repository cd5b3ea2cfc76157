/* core.h - the upper half's own MPI: virtual objects, the gate, the lower half's table.
 *
 * Three layers: front ends (generated, one per program ABI) turn a program's
 * handles and constants into those of the standard ABI and call core_X(); the
 * core keeps every object in upper-half memory with what is needed to build it
 * again; the adapter (lower.h) runs the real library. No code here may use
 * libc's malloc, stdio or errno: drain and restart run on a stopped thread
 * that may hold any lock of libc. Use core_alloc and raw system calls.
 */
#ifndef MANA_CORE_H
#define MANA_CORE_H

#include "control.h"
#include "lower.h"
#include "mpi_std.h"

#define HIDDEN __attribute__((visibility("hidden")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Virtual handles: predefined ones have their standard values (< VID_BASE);
 * a user object of any kind is VID_BASE + index into its kind's table. They
 * fit in 31 bits, so they serve as C int handles and Fortran INTEGERs. */
#define VID_BASE 0x1000u

/* ---- memory (core_alloc.c): spin-locked size classes over mmap ---- */
HIDDEN void *core_alloc(size_t n); /* zeroed; never NULL (dies with one line) */
HIDDEN void core_free(void *p);    /* NULL allowed */
HIDDEN void *core_realloc(void *p, size_t n);

/* One line on stderr, "mana: rank R: ...", then the job ends (exit 1 / abort of the real library). */
HIDDEN void core_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
HIDDEN void core_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* the same, and goes on */
HIDDEN int core_unsupported(const char *function) __attribute__((noreturn, cold));
/* A function that is not offered: one line the first time, then the error goes to the program. */
HIDDEN int core_refused(const char *function, const char *why, int *told, int errclass) __attribute__((cold));

/* ---- tables (core_table.c): chunked, entries never move ---- */
struct core_table {
	void **chunk[1024]; /* 1024 pointers each */
	uint32_t used, free_head, lock;
	uint32_t *next_free;
};
HIDDEN uint32_t core_table_add(struct core_table *t, void *obj); /* -> vid */
HIDDEN void core_table_del(struct core_table *t, uint32_t vid);
static inline void *core_table_get(const struct core_table *t, uint64_t vid)
{
	uint64_t i = vid - VID_BASE;
	if (unlikely(i >= (1u << 20) || !t->chunk[i >> 10]))
		return 0;
	return t->chunk[i >> 10][i & 1023];
}
#define VID(h) ((uint64_t)(uintptr_t)(h))

/* ---- objects ---- */
struct core_attr {
	struct core_attr *next;
	int keyval;
	int integer; /* set in Fortran: C gets the address of the value (MPI-4.0, 19.3.7) */
	void *value;
};

struct core_group {
	int refs;
	int size;
	int rank;     /* mine, or MPI_UNDEFINED */
	int *ranks;   /* world ranks, in group order */
	uint32_t vid;
};

struct core_topo {
	int kind; /* MPI_CART, MPI_GRAPH, MPI_DIST_GRAPH */
	int ndims, *dims, *periods, *coords;                     /* cart */
	int nnodes, nedges, *index, *edges;                      /* graph */
	int indegree, outdegree, *sources, *destinations, *sourceweights, *destweights, weighted; /* dist graph */
};

struct core_comm {
	MPI_Comm lower;
	uint32_t vid;
	int refs;               /* handle + pending requests */
	int rank, size;         /* mine, and of the local group */
	int inter, remote_size; /* intercommunicator */
	int *world;             /* world rank of each local rank */
	int *remote_world;      /* … of each remote rank (inter only) */
	uint64_t gid;           /* same on all members */
	uint64_t children;      /* communicator-creating collectives so far: part of their children's gid */
	volatile struct mana_clock *clock;
	MPI_Errhandler errh;
	struct core_attr *attrs;
	struct core_topo *topo;
	struct core_info *info; /* hints, NULL: none */
	char name[128];
	struct core_buffer *buffer; /* of MPI_Comm_attach_buffer (core_bsend.c) */
	int freed; /* MPI_Comm_free was called: lower is gone, requests still refer to it */
	struct core_comm **lanes, *lane_of; /* duplicates for persistent collectives (core_lane.c), and whose one is */
	int nlanes, busy;                   /* of one: has a request here */
	struct core_drained *drained, **drained_tail; /* messages in upper-half memory, in order (core_p2p.h) */
};

/* Datatypes: how it was made, so that it can be made again (lazily: lower == 0 means "not yet in this lower half"). */
struct core_type {
	MPI_Datatype lower;
	uint32_t vid;
	int refs; /* handle + types built from it + requests using it */
	int combiner, committed, freed;
	MPI_Count ni, na, nc, nd; /* integers, addresses, large counts, datatypes: as MPI_Type_get_contents */
	int *ints;
	MPI_Aint *addrs;
	MPI_Count *counts;
	MPI_Datatype *types; /* virtual handles; user ones hold a reference */
	struct core_attr *attrs;
	char name[128];
	MPI_Count size; /* cached: bytes of data */
	MPI_Aint lb, extent, true_lb, true_extent;
};

struct core_op {
	MPI_Op lower;
	uint32_t vid;
	int refs, slot, commute, freed;
	void *fn;      /* the program's function, with the program ABI's signature */
	int fn_large;  /* MPI_User_function_c */
};

/* REQ_SYNC: a synchronous send whose message was drained, until the receiver's acknowledgement (core_sync.c). */
enum core_req_kind { REQ_SEND, REQ_RECV, REQ_COLL, REQ_GENERALIZED, REQ_BSEND, REQ_FILE, REQ_PART, REQ_SYNC };
enum core_req_state { REQ_INACTIVE, REQ_ACTIVE, REQ_DONE };

/* What every call touches is in the first cache line. */
struct core_request {
	uint32_t vid;
	uint32_t type; /* the datatype's handle (core_request_type) */
	union {
		struct {
			uint8_t kind, state, persistent, mode; /* mode: enum core_send_mode */
			uint8_t freed;                          /* MPI_Request_free on an active request */
			uint8_t live;                           /* the handle is valid */
			uint8_t cancel;                         /* MPI_Cancel was called */
			uint8_t sync;                           /* REQ_SYNC: enum of core_sync.c */
		};
		uint64_t head; /* all of them: CORE_HEAD */
	};
	union {
		MPI_Request lower; /* 0: nothing posted below */
		struct core_request *next_free;
	};
	/* arguments, kept to post it again after a restart (receives) or at each Start */
	struct core_comm *comm;
	int peer, tag;
	void *buf;
	MPI_Count count;
	uint64_t seq;              /* of receives: the order of posting, in which they are posted again */
	struct mana_status st;     /* valid when DONE */
	struct core_request *next; /* in core_orphans */
	/* Of other kinds than REQ_SEND and REQ_RECV, which leave them 0: */
	void *aux;                               /* bsend copy, collective arguments … core_free'd with the request */
	int (*start)(struct core_request *r);    /* persistent: post it below, set r->lower */
	void (*poll)(volatile struct mana_thread *t, struct core_request *r); /* REQ_PART, REQ_SYNC: looks whether it is over */
	void (*release)(struct core_request *r); /* once, when the operation is over, or at MPI_Request_free
	                                            of an inactive one: drop references */
	union {
		struct core_buffer *buffer;   /* REQ_BSEND: charged for it (NULL: none) */
		struct core_channel *channel; /* synchronous send (core_sync.c) */
	};
	uint32_t nth; /* synchronous send: which message of its channel */
} __attribute__((aligned(64)));

/* The head of a request of which only kind, state and live are not 0 (byte order of x86-64). */
#define CORE_HEAD(kind, state, live) ((uint64_t)(kind) | (uint64_t)(state) << 8 | (uint64_t)(live) << 40)

static inline MPI_Datatype core_request_type(const struct core_request *r)
{
	return (MPI_Datatype)(uintptr_t)r->type;
}

HIDDEN extern struct core_table core_comms, core_types, core_ops, core_requests, core_groups, core_infos,
	core_errhs, core_messages, core_keyvals;
HIDDEN extern struct core_comm core_world, core_self; /* MPI_COMM_WORLD, MPI_COMM_SELF */
HIDDEN extern struct core_comm core_parts; /* our own: a duplicate of world for messages of our own that count, not in the table */
HIDDEN extern MPI_Comm core_private; /* lower handle: dup of world for traffic of our own */
#define CORE_PART_TAG 0x7fff /* of partitioned messages, and of no other there (core_part.c) */
#define CORE_SYNC_TAG 0x7ffe /* of acknowledgements of synchronous sends (core_sync.c) */
HIDDEN extern const struct mana_lower *core_lower; /* NULL: no lower half (before Init) */
HIDDEN extern uint64_t *core_sent, *core_received; /* messages per world rank, all communicators together */

/* handle -> object; NULL for a null or invalid handle */
static inline struct core_comm *core_comm_of(MPI_Comm h)
{
	uint64_t v = VID(h);
	if (v == VID(MPI_COMM_WORLD))
		return &core_world;
	if (v == VID(MPI_COMM_SELF))
		return &core_self;
	return v < VID_BASE ? 0 : core_table_get(&core_comms, v);
}
HIDDEN MPI_Datatype core_type_build(struct core_type *t); /* makes t->lower (and what it is built from) */
/* handle -> lower handle; a predefined type passes through */
static inline MPI_Datatype core_type_lower(MPI_Datatype h)
{
	if (likely(VID(h) < VID_BASE))
		return h;
	struct core_type *t = core_table_get(&core_types, VID(h));
	if (unlikely(!t))
		return MPI_DATATYPE_NULL;
	return likely(VID(t->lower)) ? t->lower : core_type_build(t);
}
HIDDEN MPI_Op core_op_build(struct core_op *o);
static inline MPI_Op core_op_lower(MPI_Op h)
{
	if (likely(VID(h) < VID_BASE))
		return h;
	struct core_op *o = core_table_get(&core_ops, VID(h));
	if (unlikely(!o))
		return MPI_OP_NULL;
	return likely(VID(o->lower)) ? o->lower : core_op_build(o);
}
HIDDEN MPI_Count core_type_size(MPI_Datatype h);             /* predefined too, without a crossing */
HIDDEN void core_type_ref(MPI_Datatype h), core_type_unref(MPI_Datatype h); /* no-ops on predefined ones */
HIDDEN void core_comm_unref(struct core_comm *c);
/* Is it there for ever, whoever refers to it? */
static inline int core_comm_fixed(const struct core_comm *c)
{
	return c == &core_world || c == &core_self;
}

/* start.c: asks the agent for a lower half, enters it once and sets core_lower; 0, or
 * negative with ctl->errmsg set. At a restart fn_restart has done so already. */
HIDDEN int core_enter_lower(void);

/* ---- crossing and the gate (cross.h, core_gate.c) ---- */
#include "cross.h"
/* cross.h gives:
 *   struct mana_thread *core_self_thread(void)     this thread's slot (made at its first MPI call)
 *   T LOWER(t, expr)                                evaluate expr with t's lower fs (one crossing)
 */

/* Runs the thread through the gate while a checkpoint is pending: parks it
 * unless this rank must still move (a clock is below its target) or a token is
 * to be had. Returns the ctl->intr value acted upon. Objects must be
 * consistent and no lower handle or core_lower member may be cached across it. */
HIDDEN uint32_t core_gate(volatile struct mana_thread *t);

/* First line of every core_X that touches the lower half or shared tables. */
#define ENTER()                                                     \
	volatile struct mana_thread *self_ = core_self_thread();    \
	self_->state = MANA_IN;                                     \
	__atomic_signal_fence(__ATOMIC_SEQ_CST);                    \
	if (unlikely(mana_ctl->pending | (self_->lower_tp == 0)))   \
		core_gate(self_)
/* … and every way out. */
#define LEAVE(rc)                         \
	do {                              \
		int rc_ = (rc);           \
		__atomic_signal_fence(__ATOMIC_SEQ_CST); /* a stopped thread that is OUT has finished its stores */ \
		self_->state = MANA_OUT;  \
		return rc_;               \
	} while (0)

/* Collectives: bump the clock, then look at `pending` (the locked add orders
 * the two); a pending checkpoint takes the bump back, passes the gate, and
 * bumps again. */
HIDDEN void core_coll_gate(volatile struct mana_thread *t, volatile struct mana_clock *k);
#define ENTER_COLL(comm)                                                      \
	volatile struct mana_thread *self_ = core_self_thread();              \
	self_->state = MANA_COLL;                                             \
	__atomic_fetch_add(&(comm)->clock->clock, 1, __ATOMIC_SEQ_CST);       \
	if (unlikely(mana_ctl->pending | (self_->lower_tp == 0)))             \
		core_coll_gate(self_, (comm)->clock)

/* ---- clocks (core_gate.c) ---- */
HIDDEN volatile struct mana_clock *core_clock_comm(uint64_t gid);  /* new COMM clock */
HIDDEN void core_clock_drop(volatile struct mana_clock *k);
HIDDEN volatile struct mana_clock *core_clock_group(int n, const int *world_ranks); /* find or make */
HIDDEN uint64_t core_hash(uint64_t seed, const void *p, size_t n);

/* ---- hooks between the parts ---- */
HIDDEN int core_drain_messages(void);   /* core_drain.c: the message drain proper */
HIDDEN int core_drained_any(void);      /* messages in upper-half buffers? */
HIDDEN void core_repost_receives(void); /* core_repost.c: after a restart, in order of seq */
HIDDEN void core_drained_drop(struct core_comm *c); /* core_queue.c: the last reference to c is gone */
HIDDEN void core_p2p_finalize(void);    /* core_request.c: buffered sends and freed requests, before MPI_Finalize below */
HIDDEN int core_rebuild_objects(void);  /* core_rebuild.c: communicators, ops …; types are lazy */
HIDDEN int core_init_objects(void);     /* core_env.c: world, self, tables after MPI_Init */

/* ---- error handlers (core_errh.c): called by the front ends when core_X failed ---- */
enum core_errh_kind { ERRH_COMM, ERRH_WIN, ERRH_FILE, ERRH_SESSION };
/* Was the attribute set as an integer? set: 1 from now on it was, -1: only asked. */
HIDDEN int core_comm_attr_integer(MPI_Comm h, int keyval, int set), core_type_attr_integer(MPI_Datatype h, int keyval, int set),
    core_win_attr_integer(MPI_Win h, int keyval, int set);
HIDDEN void *core_grequest_state(MPI_Request h); /* what MPI_Grequest_start was given; NULL: another request */
HIDDEN int core_error(MPI_Comm comm, int errclass, const char *function); /* returns what the call returns */
HIDDEN int core_error_win(MPI_Win win, int errclass, const char *function);
HIDDEN int core_error_file(MPI_File file, int errclass, const char *function);
HIDDEN int core_error_session(MPI_Session session, int errclass, const char *function);
HIDDEN extern MPI_Comm core_failed_comm; /* of the request that failed last: for calls that name none; 0: none */

/* Given by each front end: */
struct core_front {
	const char *abi;                                             /* "mpich", "ompi", "std" */
	int late_errhandler; /* communicators and windows without a handler of their own use MPI_COMM_WORLD's of the moment */
	void (*op_call)(void *fn, int large, void *in, void *inout, MPI_Count n, MPI_Datatype t);
	int (*errh)(int kind, void *fn, uint64_t object, int errclass); /* with the program's own handle and code; what the failed call returns */
	int (*comm_copy_attr)(void *fn, MPI_Comm c, int keyval, void *extra, void *in, void *out, int *flag);
	int (*comm_delete_attr)(void *fn, MPI_Comm c, int keyval, void *value, void *extra);
	int (*type_copy_attr)(void *fn, MPI_Datatype t, int keyval, void *extra, void *in, void *out, int *flag);
	int (*type_delete_attr)(void *fn, MPI_Datatype t, int keyval, void *value, void *extra);
};
HIDDEN extern const struct core_front core_front;
/* For functions that another language has given: what was given, and for an operation what is to be kept instead. */
HIDDEN void *core_op_function(MPI_Op op, void *instead), *core_errh_function(MPI_Errhandler h);

#include "core_api.h" /* generated: prototypes of every core_X */

#endif
