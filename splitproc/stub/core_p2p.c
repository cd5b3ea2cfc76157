/* core_p2p.c - sends and receives, blocking and nonblocking.
 *
 * A blocking call is one crossing: the adapter posts the operation and tests
 * until it is complete. When a checkpoint interrupts it, the operation becomes
 * an ordinary request of the core, which survives whatever happens next.
 */
#include "core_p2p.h"

#define INLINE static inline __attribute__((always_inline))

int core_noproc(volatile struct mana_thread *t, int kind, const void *buf, MPI_Count n, MPI_Datatype type, int tag,
                struct core_comm *c)
{
	MPI_Datatype lt = core_type_lower(type);
	MPI_Request lower = 0;
	struct mana_status st;

	return kind == REQ_RECV ? LOWER(t, core_lower->p.recv((void *)buf, n, lt, MPI_PROC_NULL, tag, c->lower, 0, &lower, &st))
	                        : LOWER(t, core_lower->p.send(buf, n, lt, MPI_PROC_NULL, tag, c->lower, 0, &lower));
}

/* ---- blocking send ---- */

/* The rest of a send that a checkpoint interrupted. */
static __attribute__((noinline, cold)) int send_rest(volatile struct mana_thread *t, MPI_Request lower, const void *buf,
                                                     MPI_Count n, MPI_Datatype type, int dst, int tag,
                                                     struct core_comm *c)
{
	struct core_request *r = core_request_begun(REQ_SEND, (void *)buf, n, type, dst, tag, c, lower);
	int rc;

	core_request_wait(t, r, 0, 1);
	rc = r->st.error;
	core_request_recycle(r);
	return rc;
}

INLINE int send_on(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
                   struct core_comm *c, uint32_t seq)
{
	MPI_Datatype lt = core_type_lower(type);
	MPI_Request lower = 0;
	int rc = LOWER_WAIT(t, core_lower->p.send(buf, n, lt, dst, tag, c->lower, seq, &lower));

	if (likely(rc <= 0))
		core_count_sent(c, dst, tag);
	if (unlikely(rc == MANA_INTERRUPTED))
		rc = send_rest(t, lower, buf, n, type, dst, tag, c);
	return rc;
}

int core_Send(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);

	if (unlikely(!c))
		LEAVE(MPI_ERR_COMM);
	if (unlikely((unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(dst == MPI_PROC_NULL ? core_noproc(self_, REQ_SEND, buf, n, type, tag, c) : MPI_ERR_RANK);
	LEAVE(send_on(self_, buf, n, type, dst, tag, c, seq_));
}

int core_Rsend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm)
{
	return core_Send(buf, n, type, dst, tag, comm);
}

/* ---- blocking receive ---- */

static __attribute__((noinline, cold)) int recv_rest(volatile struct mana_thread *t, MPI_Request lower, void *buf,
                                                     MPI_Count n, MPI_Datatype type, int src, int tag,
                                                     struct core_comm *c, struct mana_status *st)
{
	struct core_request *r = core_request_begun(REQ_RECV, buf, n, type, src, tag, c, lower);

	core_request_wait(t, r, 0, 1);
	*st = r->st;
	core_request_recycle(r);
	return st->error;
}

INLINE int recv_on(volatile struct mana_thread *t, void *buf, MPI_Count n, MPI_Datatype type, int src, int tag,
                   struct core_comm *c, struct mana_status *st, uint32_t seq)
{
	struct core_drained *d = core_drained_take(c, src, tag);
	MPI_Datatype lt;
	MPI_Request lower = 0;
	int rc;

	if (unlikely(d))
		return core_drained_deliver(t, c, d, buf, n, type, st);
	lt = core_type_lower(type);
	st->source = src;
	st->cancelled = 0;
	rc = LOWER_WAIT(t, core_lower->p.recv(buf, n, lt, src, tag, c->lower, seq, &lower, st));
	if (unlikely(rc == MANA_INTERRUPTED))
		return recv_rest(t, lower, buf, n, type, src, tag, c, st);
	if (likely(rc == MPI_SUCCESS || rc == MPI_ERR_TRUNCATE))
		core_count_received(c, src, st);
	return rc;
}

int core_Recv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct mana_status st;
	int rc;

	if (unlikely(!c))
		LEAVE(MPI_ERR_COMM);
	if (unlikely(!core_source_ok(c, src))) {
		if (src != MPI_PROC_NULL)
			LEAVE(MPI_ERR_RANK);
		rc = core_noproc(self_, REQ_RECV, buf, n, type, tag, c);
		st = core_status_noproc();
		if (!rc)
			core_status_out(status, &st);
		LEAVE(rc);
	}
	rc = recv_on(self_, buf, n, type, src, tag, c, &st, seq_);
	if (likely(rc == MPI_SUCCESS || rc == MPI_ERR_TRUNCATE))
		core_status_out(status, &st);
	LEAVE(rc);
}

/* ---- nonblocking ---- */

static int done_noproc(volatile struct mana_thread *t, struct core_request *r)
{
	int rc = core_noproc(t, r->kind, r->buf, r->count, core_request_type(r), r->tag, r->comm);

	if (rc)
		return rc;
	r->st = core_status_noproc();
	if (r->kind == REQ_SEND)
		r->st.source = MPI_ANY_SOURCE;
	r->state = REQ_DONE;
	if (!r->persistent)
		core_request_unref(r);
	return MPI_SUCCESS;
}

/* Begins the send that r describes. */
int core_post_send(volatile struct mana_thread *t, struct core_request *r)
{
	static const struct mana_status ok;
	struct core_comm *c = r->comm;
	MPI_Datatype lt;
	MPI_Request lower = 0;
	int rc;

	if (unlikely(r->peer == MPI_PROC_NULL))
		return done_noproc(t, r);
	if (r->mode == SEND_BUFFERED) {
		rc = core_bsend(t, r->buf, r->count, core_request_type(r), r->peer, r->tag, c);
		if (!rc)
			core_request_complete(r, &ok);
		return rc;
	}
	lt = core_type_lower(core_request_type(r));
	if (unlikely(r->mode == SEND_SYNC)) {
		core_sync_begin(r);
		rc = LOWER(t, core_lower->f.Issend(r->buf, r->count, lt, r->peer, r->tag, c->lower, &lower));
		if (unlikely(rc))
			core_sync_end(r);
		else
			core_count(core_sent, c, r->peer, 1);
	} else {
		rc = LOWER(t, core_lower->p.isend(r->buf, r->count, lt, r->peer, r->tag, c->lower, &lower));
		if (likely(!rc))
			core_count_sent(c, r->peer, r->tag);
	}
	if (unlikely(rc))
		return rc;
	r->lower = lower;
	if (unlikely(!r->lower))
		core_request_complete(r, &ok);
	return MPI_SUCCESS;
}

/* Posts the receive that r describes; a drained message completes it at once. */
int core_post_recv(volatile struct mana_thread *t, struct core_request *r)
{
	struct core_comm *c = r->comm;
	struct core_drained *d;
	MPI_Datatype lt;
	int rc;

	if (unlikely(r->peer == MPI_PROC_NULL))
		return done_noproc(t, r);
	d = core_drained_take(c, r->peer, r->tag);
	if (unlikely(d)) {
		rc = core_drained_deliver(t, c, d, r->buf, r->count, core_request_type(r), &r->st);
		if (rc && !r->st.error)
			return rc; /* an argument was wrong: nothing has been received */
		r->state = REQ_DONE;
		if (!r->persistent)
			core_request_unref(r);
		return MPI_SUCCESS;
	}
	lt = core_type_lower(core_request_type(r));
	return LOWER(t, core_lower->p.irecv(r->buf, r->count, lt, r->peer, r->tag, c->lower, &r->lower));
}

/* A synchronous send, begun. */
INLINE int begin_sync(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
                      struct core_comm *c, struct core_request **out)
{
	struct core_request *r = core_request_p2p(REQ_SEND, (void *)buf, n, type, dst, tag, c);
	int rc;

	r->mode = SEND_SYNC;
	rc = core_post_send(t, r);
	if (unlikely(rc))
		core_request_drop(r);
	*out = r;
	return rc;
}

/* The arguments of a nonblocking send to nobody, or a wrong one. */
static int send_to_none(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
                        struct core_comm *c, MPI_Request *out)
{
	if (!c)
		return MPI_ERR_COMM;
	*out = core_request_handle(&core_over);
	return dst == MPI_PROC_NULL ? core_noproc(t, REQ_SEND, buf, n, type, tag, c) : MPI_ERR_RANK;
}

int core_Isend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	MPI_Request lower = 0;
	int rc;

	if (unlikely(!c || (unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(send_to_none(self_, buf, n, type, dst, tag, c, out));
	rc = LOWER(self_, core_lower->p.isend(buf, n, core_type_lower(type), dst, tag, c->lower, &lower));
	if (unlikely(rc))
		LEAVE(rc);
	core_count_sent(c, dst, tag);
	*out = core_request_handle(likely(!lower) ? &core_over
	                                          : core_request_begun(REQ_SEND, (void *)buf, n, type, dst, tag, c, lower));
	LEAVE(MPI_SUCCESS);
}

MPI_Comm core_isend_goes_on(struct core_request *r, int *rc, uint64_t lower)
{
	struct core_comm *c = r->comm;

	if (*rc) {
		core_count(core_sent, c, r->peer, -1);
		*rc = core_lower->direct.error(*rc);
	} else {
		core_request_alloc(REQ_SEND); /* that is r */
		r->lower = (MPI_Request)lower;
		r->comm = c;
		core_comm_ref(c);
	}
	return (MPI_Comm)(uintptr_t)c->vid;
}

int core_Irsend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	return core_Isend(buf, n, type, dst, tag, comm, out);
}

int core_Issend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct core_request *r;
	int rc;

	if (unlikely(!c || ((unsigned)dst >= (unsigned)core_npeers(c) && dst != MPI_PROC_NULL)))
		LEAVE(c ? MPI_ERR_RANK : MPI_ERR_COMM);
	rc = begin_sync(self_, buf, n, type, dst, tag, c, &r);
	if (likely(!rc))
		*out = core_request_handle(r);
	LEAVE(rc);
}

/* As a request from the start: it is counted by channel, and a drain may leave it unfinished. */
int core_Ssend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct core_request *r;
	int rc;

	if (unlikely(!c))
		LEAVE(MPI_ERR_COMM);
	if (unlikely((unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(dst == MPI_PROC_NULL ? core_noproc(self_, REQ_SEND, buf, n, type, tag, c) : MPI_ERR_RANK);
	rc = begin_sync(self_, buf, n, type, dst, tag, c, &r);
	if (unlikely(rc))
		LEAVE(rc);
	core_request_wait(self_, r, seq_, 0);
	rc = r->st.error;
	core_request_recycle(r);
	LEAVE(rc);
}

int core_Ibsend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);

	if (unlikely(!c || (unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(send_to_none(self_, buf, n, type, dst, tag, c, out));
	*out = core_request_handle(&core_over);
	LEAVE(core_bsend(self_, buf, n, type, dst, tag, c));
}

int core_Irecv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct core_request *r;
	int rc;

	if (unlikely(!c))
		LEAVE(MPI_ERR_COMM);
	if (unlikely(!core_source_ok(c, src) && src != MPI_PROC_NULL))
		LEAVE(MPI_ERR_RANK);
	r = core_request_p2p(REQ_RECV, buf, n, type, src, tag, c);
	rc = core_post_recv(self_, r);
	if (unlikely(rc))
		core_request_drop(r);
	else
		*out = core_request_handle(r);
	LEAVE(rc);
}

MPI_Comm core_irecv_failed(struct core_request *r, int *rc)
{
	MPI_Comm comm = (MPI_Comm)(uintptr_t)r->comm->vid;

	*rc = core_lower->direct.error(*rc);
	core_request_drop(r);
	return comm;
}
