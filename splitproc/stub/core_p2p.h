/* core_p2p.h - what the point-to-point files of the core share.
 *
 * Rules that hold for all of them:
 * - a message counts in core_sent when it has begun, in core_received when its
 *   receive is complete or the drain has taken it in; the drain compares the two;
 * - no lock is held and no lower handle kept in a local variable across core_gate;
 * - a drained message that matches is older than any the lower half may hold,
 *   so receives and probes look into the queue first, and posted receives never do.
 */
#ifndef MANA_CORE_P2P_H
#define MANA_CORE_P2P_H

#include "core.h"
#include "core_request.h"
#include "sys.h"

enum core_send_mode { SEND_STANDARD, SEND_SYNC, SEND_BUFFERED };

/* A message received at a drain. */
struct core_drained {
	struct core_drained *next;
	int source, tag; /* source: rank in the communicator (remote group of an intercommunicator) */
	int64_t bytes;
	uint64_t seq; /* order of reception, over all communicators */
	/* The synchronous send that waits for this one to be received: request and sender's world rank; vid 0: none. */
	uint32_t sync_vid;
	int sync_rank;
	uint64_t sync_seq;
	char data[] __attribute__((aligned(16)));
};

/* A message matched by Mprobe and not yet received: below, or drained. */
struct core_message {
	uint32_t vid;
	MPI_Message lower; /* 0 once drained */
	struct core_comm *comm;
	struct core_drained *drained;
	struct mana_status st;
};

HIDDEN extern uint32_t core_p2p_spin;
HIDDEN extern uint64_t core_ndrained;               /* messages in all queues */
HIDDEN extern struct core_request *core_request_pool; /* free list, linked by next_free; not empty after core_request_grow */
HIDDEN extern struct core_request *core_orphans;    /* freed but active requests and buffered sends, by next */
HIDDEN extern uint64_t core_request_seq;
HIDDEN extern struct core_request core_over; /* stands for all sends that were over when they had begun */

static inline int core_threaded(void)
{
	return unlikely(mana_ctl->thread_level == MPI_THREAD_MULTIPLE);
}

/* The lock over request pool, orphans, queues and messages; a no-op below MPI_THREAD_MULTIPLE. */
static inline void core_p2p_lock(void)
{
	if (core_threaded())
		while (__atomic_exchange_n(&core_p2p_spin, 1, __ATOMIC_ACQUIRE))
			__builtin_ia32_pause();
}

static inline void core_p2p_unlock(void)
{
	if (core_threaded())
		__atomic_store_n(&core_p2p_spin, 0, __ATOMIC_RELEASE);
}

/* ---- peers and counts ---- */
static inline int core_npeers(const struct core_comm *c)
{
	return unlikely(c->inter) ? c->remote_size : c->size;
}

static inline int core_peer_world(const struct core_comm *c, int peer)
{
	return (unlikely(c->inter) ? c->remote_world : c->world)[peer];
}

static inline void core_add(uint64_t *n, int64_t by)
{
	if (core_threaded())
		__atomic_fetch_add(n, by, __ATOMIC_RELAXED);
	else
		*n += by;
}

static inline void core_count(uint64_t *counts, const struct core_comm *c, int peer, int64_t by)
{
	core_add(&counts[core_peer_world(c, peer)], by);
}

/* ---- synchronous sends (core_sync.c) ---- */
HIDDEN extern uint32_t core_syncs; /* on their way; only meanwhile are messages counted by channel */
/* Before r, a synchronous send, is posted; and when it is over. */
HIDDEN void core_sync_begin(struct core_request *r);
HIDDEN void core_sync_end(struct core_request *r);
/* A message to peer of c has been sent after synchronous ones. */
HIDDEN void core_sync_passed(const struct core_comm *c, int peer, int tag);
/* At a drain: r has completed below, by a receive of the program or of the drain. */
HIDDEN void core_sync_taken(struct core_request *r);
HIDDEN int core_sync_asking(void); /* are there such? */
/* Collective, if any rank has such: finds out which it was, when every message is in. */
HIDDEN int core_sync_settle(volatile struct mana_thread *t);
/* The program has received d, for which a sender waits. */
HIDDEN void core_sync_acknowledge(volatile struct mana_thread *t, const struct core_drained *d);

/* A message of the program has begun. */
static inline void core_count_sent(const struct core_comm *c, int peer, int tag)
{
	core_count(core_sent, c, peer, 1);
	if (unlikely(core_syncs))
		core_sync_passed(c, peer, tag);
}

/* The receive posted for `peer` is complete. */
static inline void core_count_received(const struct core_comm *c, int peer, const struct mana_status *st)
{
	if (unlikely(st->cancelled))
		return;
	if (peer < 0)
		peer = st->source;
	if (likely((unsigned)peer < (unsigned)core_npeers(c)))
		core_count(core_received, c, peer, 1);
}

static inline int core_source_ok(const struct core_comm *c, int src)
{
	return likely((unsigned)src < (unsigned)core_npeers(c)) || src == MPI_ANY_SOURCE;
}

/* ---- statuses ---- */

/* MPI_ERROR stays as it is: only calls with several statuses set it (MPI-4.1, 3.2.5). */
static inline void core_status_out(MPI_Status *out, const struct mana_status *st)
{
	if (!out)
		return;
	out->MPI_SOURCE = st->source;
	out->MPI_TAG = st->tag;
	out->MPI_internal[0] = st->cancelled;
	out->MPI_internal[1] = (int)(uint32_t)st->bytes;
	out->MPI_internal[2] = (int)(st->bytes >> 32);
}

static inline void core_status_empty(MPI_Status *out)
{
	static const struct mana_status empty = {.source = MPI_ANY_SOURCE, .tag = MPI_ANY_TAG};

	core_status_out(out, &empty);
	if (out)
		out->MPI_ERROR = MPI_SUCCESS;
}

static inline struct mana_status core_status_noproc(void)
{
	return (struct mana_status){.source = MPI_PROC_NULL, .tag = MPI_ANY_TAG};
}

/* ---- entry of calls that wait ---- */

/* As ENTER, and leaves in seq_ the value of ctl->intr that has been acted
 * upon: read before `pending`, since the agent writes them in the other order. */
#define ENTER_WAIT()                                                \
	volatile struct mana_thread *self_ = core_self_thread();    \
	self_->state = MANA_IN;                                     \
	__atomic_signal_fence(__ATOMIC_SEQ_CST);                    \
	uint32_t seq_ = mana_ctl->intr;                             \
	if (unlikely(mana_ctl->pending | (self_->lower_tp == 0)))   \
	seq_ = core_gate(self_)

/* One crossing that may wait: the agent sees MANA_WAIT meanwhile. */
#define LOWER_WAIT(t, expr)                         \
	({                                          \
		(t)->state = MANA_WAIT;             \
		int lrc_ = LOWER(t, expr);          \
		(t)->state = MANA_IN;               \
		lrc_;                               \
	})

/* ---- requests (core_request.c) ---- */
HIDDEN void core_request_grow(void); /* called with the lock held */

/* The first of the pool, which is never left empty; a receive gets its place in the order of posting. */
static inline struct core_request *core_request_take(int kind)
{
	struct core_request *r = core_request_pool;

	core_request_pool = r->next_free;
	if (unlikely(!core_request_pool))
		core_request_grow();
	if (kind != REQ_SEND)
		r->seq = ++core_request_seq;
	return r;
}
HIDDEN struct core_request *core_request_take_locked(int kind);

static inline struct core_request *core_request_alloc(int kind)
{
	struct core_request *r = core_threaded() ? core_request_take_locked(kind) : core_request_take(kind);

	r->head = CORE_HEAD(kind, REQ_ACTIVE, 1);
	r->lower = 0;
	r->comm = 0;
	r->type = (uint32_t)VID(MPI_BYTE);
	return r;
}

/* Gives requests that are linked by next_free back to the pool. */
static inline void core_requests_give(struct core_request *first, struct core_request *last)
{
	core_p2p_lock();
	last->next_free = core_request_pool;
	core_request_pool = first;
	core_p2p_unlock();
}

static inline void core_request_recycle(struct core_request *r)
{
	if (r == &core_over)
		return;
	r->live = 0;
	r->state = REQ_INACTIVE;
	if (unlikely(r->kind > REQ_RECV)) {
		r->aux = 0;
		r->start = 0;
		r->poll = 0;
		r->release = 0;
	}
	core_requests_give(r, r);
}

static inline void core_comm_ref(struct core_comm *c)
{
	if (core_comm_fixed(c))
		return;
	if (core_threaded())
		__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
	else
		c->refs++;
}

static inline void core_request_arguments(struct core_request *r, void *buf, MPI_Count n, uint32_t type, int peer, int tag,
                                          struct core_comm *c)
{
	r->buf = buf;
	r->count = n;
	r->type = type;
	r->peer = peer;
	r->tag = tag;
	r->comm = c;
}

/* A point-to-point request with its arguments; takes references on c and t. */
static inline struct core_request *core_request_p2p(int kind, void *buf, MPI_Count n, MPI_Datatype t, int peer,
                                                    int tag, struct core_comm *c)
{
	struct core_request *r = core_request_alloc(kind);

	core_request_arguments(r, buf, n, (uint32_t)VID(t), peer, tag, c);
	core_comm_ref(c);
	if (unlikely(VID(t) >= VID_BASE))
		core_type_ref(t);
	return r;
}

/* Such a request of an operation that goes on below as `lower`. */
static inline struct core_request *core_request_begun(int kind, void *buf, MPI_Count n, MPI_Datatype t, int peer, int tag,
                                                      struct core_comm *c, MPI_Request lower)
{
	struct core_request *r = core_request_p2p(kind, buf, n, t, peer, tag, c);

	r->lower = lower;
	return r;
}

/* handle -> live request; NULL for null and invalid handles */
static inline struct core_request *core_request_of(MPI_Request h)
{
	struct core_request *r = core_table_get(&core_requests, VID(h));

	return likely(r && r->live) ? r : 0;
}

HIDDEN void core_bsend_done(struct core_request *r);   /* core_bsend.c */
HIDDEN int core_grequest_free(struct core_request *r); /* core_grequest.c */

/* Drops what r refers to. */
static inline void core_request_unref(struct core_request *r)
{
	if (unlikely(r->type >= VID_BASE))
		core_type_unref(core_request_type(r));
	r->type = (uint32_t)VID(MPI_BYTE);
	if (unlikely(r->comm && !core_comm_fixed(r->comm)))
		core_comm_unref(r->comm);
	r->comm = 0;
	if (unlikely(r->kind > REQ_RECV)) {
		core_free(r->aux);
		r->aux = 0;
	}
}

/* The operation of r is over: counts, status, references (persistent ones keep theirs). */
static inline __attribute__((always_inline)) void core_request_complete(struct core_request *r, const struct mana_status *st)
{
	r->lower = 0;
	r->st = *st;
	r->state = REQ_DONE;
	if (r->kind == REQ_RECV) {
		core_count_received(r->comm, r->peer, st);
	} else {
		/* What the library leaves in the status of a send differs between libraries. */
		r->st.source = MPI_ANY_SOURCE;
		r->st.tag = MPI_ANY_TAG;
		if (r->kind != REQ_FILE)
			r->st.bytes = 0;
		if (unlikely(st->cancelled) && r->kind == REQ_SEND)
			core_count(core_sent, r->comm, r->peer, -1);
		if (unlikely(r->kind == REQ_BSEND))
			core_bsend_done(r);
		else if (unlikely(r->mode == SEND_SYNC))
			core_sync_end(r);
	}
	if (unlikely(st->error && r->comm))
		core_failed_comm = (MPI_Comm)(uintptr_t)(r->comm->lane_of ? r->comm->lane_of : r->comm)->vid;
	if (r->persistent)
		return;
	if (unlikely(r->kind > REQ_RECV && r->release))
		r->release(r);
	core_request_unref(r);
}

/* The program has seen the completion: frees r, or makes a persistent one inactive. */
static inline void core_request_seen(struct core_request *r, MPI_Request *h)
{
	if (r->persistent) {
		r->state = REQ_INACTIVE;
		return;
	}
	if (unlikely(r->kind == REQ_GENERALIZED))
		core_grequest_free(r);
	core_request_recycle(r);
	*h = MPI_REQUEST_NULL;
}

/* Waits until r is DONE. interrupted: a wait below has just said MANA_INTERRUPTED. */
HIDDEN void core_request_wait(volatile struct mana_thread *t, struct core_request *r, uint32_t seq, int interrupted);
/* One test below; afterwards r->state tells. */
HIDDEN void core_request_test(volatile struct mana_thread *t, struct core_request *r);
/* Tests all orphans once; returns how many remain. */
HIDDEN int core_orphans_reap(volatile struct mana_thread *t);
/* Is another thread just testing some? */
HIDDEN int core_orphans_elsewhere(void);
HIDDEN void core_orphan_add(struct core_request *r);
/* Generalized requests (core_grequest.c). */
HIDDEN int core_grequest_query(struct core_request *r, MPI_Status *st);
HIDDEN int core_grequest_cancel(struct core_request *r);

/* For front_try.h. The send of the arguments that r, the first of the pool, keeps has failed with the library's code *rc,
 * or goes on below: then r is its request. And: the receive r has failed. Both make the code a class and return the
 * communicator. */
HIDDEN MPI_Comm core_isend_goes_on(struct core_request *r, int *rc, uint64_t lower);
HIDDEN MPI_Comm core_irecv_failed(struct core_request *r, int *rc) __attribute__((cold));

/* ---- drained messages (core_queue.c) ---- */
/* The first message of c that matches, out of the queue; NULL: none. */
HIDDEN struct core_drained *core_drained_remove(struct core_comm *c, int src, int tag);
/* Whether there is one, and its status: it stays, and another thread may take it at any time. */
HIDDEN int core_drained_describe(struct core_comm *c, int src, int tag, struct mana_status *st);
HIDDEN struct core_drained *core_drained_new(int64_t bytes);
HIDDEN void core_drained_append(struct core_comm *c, struct core_drained *d);
/* Count and lower datatype of `bytes` bytes: MPI_BYTE, or beyond INT_MAX, where not every library takes the
 * count, a type made for it, which the caller frees. */
HIDDEN int core_bytes_type(volatile struct mana_thread *t, int64_t bytes, MPI_Count *n, MPI_Datatype *type);
HIDDEN void core_bytes_type_free(volatile struct mana_thread *t, MPI_Datatype *type);
/* The matched message *m of c, received as bytes and counted. */
HIDDEN struct core_drained *core_drained_receive(volatile struct mana_thread *t, struct core_comm *c, MPI_Message *m,
                                                 const struct mana_status *st);
/* A message of our own that counts, drained or just come in, NULL if there is none. The caller frees it. */
HIDDEN struct core_drained *core_parts_take(volatile struct mana_thread *t, int tag);
/* Receives d into the program's buffer and frees it; an argument error puts it back (c not NULL). */
HIDDEN int core_drained_deliver(volatile struct mana_thread *t, struct core_comm *c, struct core_drained *d, void *buf,
                                MPI_Count n, MPI_Datatype type, struct mana_status *st);

static inline struct mana_status core_drained_status(const struct core_drained *d)
{
	return (struct mana_status){.source = d->source, .tag = d->tag, .bytes = d->bytes};
}

static inline struct core_drained *core_drained_take(struct core_comm *c, int src, int tag)
{
	return likely(!core_ndrained) ? 0 : core_drained_remove(c, src, tag);
}

/* A send to nobody or a receive from nobody: the library tells whether the arguments are right. */
HIDDEN int core_noproc(volatile struct mana_thread *t, int kind, const void *buf, MPI_Count n, MPI_Datatype type, int tag,
                       struct core_comm *c);

/* ---- posting (core_p2p.c), also for persistent requests ---- */
HIDDEN int core_post_send(volatile struct mana_thread *t, struct core_request *r);
HIDDEN int core_post_recv(volatile struct mana_thread *t, struct core_request *r);
/* ---- buffered sends (core_bsend.c) ---- */
HIDDEN int core_bsend(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
                      struct core_comm *c);
/* Packs into new memory; *out is core_free'd by the caller. */
HIDDEN int core_pack(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype lt, void *out, MPI_Count size,
              MPI_Count *position, MPI_Comm comm);
HIDDEN int core_pack_copy(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type,
                          struct core_comm *c, void **out, MPI_Count *bytes);
/* A detached send of packed memory that it owns. */
HIDDEN int core_send_packed(volatile struct mana_thread *t, void *data, MPI_Count bytes, MPI_Count charge, int dst,
                            int tag, struct core_comm *c);

#endif
