/* front_try.h - what the dearest calls try first: all at once, with nothing unusual.
 *
 * Each front_try_X gets the arguments of MPI_X and returns whether it has done
 * the call, *rc being what it returns; if not, nothing has happened and the
 * general function is called. Nothing but the library is called here, by the
 * front end itself: each call more, and each argument that has to be kept
 * during one, would be a tenth of what mana adds to the library's time.
 */
#ifndef MANA_FRONT_TRY_H
#define MANA_FRONT_TRY_H

#include "core_plain.h"

#define TRY static inline __attribute__((always_inline)) int

/* The thread, IN, if it may go below at once, else NULL. */
static inline volatile struct mana_thread *front_enter(void)
{
	volatile struct mana_thread *t = core_thread_slot;
	if (unlikely(!t))
		return 0;
	t->state = MANA_IN;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return unlikely(mana_ctl->pending || !t->lower_tp) ? 0 : t;
}

static inline void front_leave(volatile struct mana_thread *t)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->state = MANA_OUT;
}

struct front_message {
	volatile struct mana_thread *t; /* the caller, IN */
	struct core_comm *c;
	const struct mana_direct *lib;
	uint64_t type; /* the library's own */
	uint32_t vid;  /* ours */
};

/* Whether a nonblocking operation is a usual one; then fills m in. */
TRY front_usual(struct front_message *m, prog_Datatype datatype, int peer, int tag, prog_Comm comm, const prog_Request *request)
{
	if (unlikely(!request))
		return 0;
	m->t = front_enter();
	if (unlikely(!m->t))
		return 0;
	struct core_comm *c = comm == prog_comm_out(MPI_COMM_WORLD) ? &core_world : core_comm_of(prog_comm(comm));
	if (unlikely(!c || c->inter || (unsigned)peer >= (unsigned)c->size))
		return 0;
	uint64_t type = VID(prog_type(datatype));
	if (unlikely(type >= VID_BASE || tag < 0 || core_threaded()))
		return 0;
	m->c = c;
	m->lib = &core_lower->direct;
	m->type = m->lib->value[type & (MANA_PREDEFINED - 1)];
	m->vid = (uint32_t)type;
	return 1;
}

/* A request is an object of ours, never a predefined handle. */
static inline prog_Request front_request(const struct core_request *r)
{
	uint32_t vid = r->vid;
	if (vid < VID_BASE)
		__builtin_unreachable();
	return prog_request_out((MPI_Request)(uintptr_t)vid);
}

TRY front_try_Isend(const void *buf, int count, prog_Datatype datatype, int dest, int tag, prog_Comm comm,
                    prog_Request *request, int *rc)
{
	struct front_message m;
	uint64_t lower = 0;
	if (unlikely(!front_usual(&m, datatype, dest, tag, comm, request) || core_syncs))
		return 0;
	/* Mostly no request is needed; until it is known the next one keeps what it would have to. */
	struct core_request *r = core_request_pool;
	r->comm = m.c;
	r->peer = dest;
	int e = m.lib->isend(buf, count, m.type, dest, tag, VID(m.c->lower), &lower);
	core_sent[r->comm->world[r->peer]]++;
	MPI_Comm failed = MPI_COMM_NULL;
	if (likely(!e && (lower & core_lower->direct.over_mask) == core_lower->direct.over))
		r = &core_over;
	else
		failed = core_isend_goes_on(r, &e, lower);
	front_leave(m.t);
	if (likely(!e))
		*request = front_request(r);
	*rc = likely(!e) ? 0 : front_fail(failed, e, "MPI_Isend");
	return 1;
}

TRY front_try_Irecv(void *buf, int count, prog_Datatype datatype, int source, int tag, prog_Comm comm,
                    prog_Request *request, int *rc)
{
	struct front_message m;
	if (unlikely(!front_usual(&m, datatype, source, tag, comm, request) || core_ndrained))
		return 0;
	struct core_request *r = core_request_pool; /* core_request_alloc, but for a pool that is empty: not before the call */
	core_request_pool = r->next_free;
	r->seq = ++core_request_seq;
	r->head = CORE_HEAD(REQ_RECV, REQ_ACTIVE, 1);
	r->lower = 0;
	core_request_arguments(r, buf, count, m.vid, source, tag, m.c);
	core_comm_ref(m.c);
	int e = m.lib->irecv(buf, count, m.type, source, tag, VID(m.c->lower), (uint64_t *)&r->lower);
	MPI_Comm failed = MPI_COMM_NULL;
	if (unlikely(e))
		failed = core_irecv_failed(r, &e);
	if (unlikely(!core_request_pool))
		core_request_grow();
	front_leave(m.t);
	if (likely(!e))
		*request = front_request(r);
	*rc = likely(!e) ? 0 : front_fail(failed, e, "MPI_Irecv");
	return 1;
}

/* Of requests without statuses: no copy of the handles is made. over: what core_plain_over says, or 1 if there are none. */
static inline __attribute__((always_inline)) int front_all_over(volatile struct mana_thread *t, int count, prog_Request h[],
                                                                 const uint32_t *seq)
{
	struct core_plain p;
	int n = 0;
	for (int i = 0; i < count; i++) {
		struct core_request *r = core_plain_of(prog_request(h[i]));
		if (r == &core_over)
			continue;
		if (unlikely(!r || (n && r->comm != p.r[0]->comm)))
			return -1;
		p.lower[n] = r->lower;
		p.r[n++] = r;
	}
	int over = n ? core_plain_over(t, &p, n, seq) : 1;
	for (int i = 0; over > 0 && i < count; i++)
		h[i] = prog_request_out(MPI_REQUEST_NULL);
	return over;
}

TRY front_try_Waitall(int count, prog_Request h[], prog_Status *statuses, int *rc)
{
	uint32_t seq = mana_ctl->intr; /* read before `pending`: the agent writes them in the other order */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	volatile struct mana_thread *t = statuses == PROG_STATUS_IGNORE ? front_enter() : 0;
	if (unlikely(!t))
		return 0;
	for (int at = 0; at < count; at += PLAIN_MAX)
		if (unlikely(front_all_over(t, count - at < PLAIN_MAX ? count - at : PLAIN_MAX, h + at, &seq) <= 0)) {
			front_leave(t);
			return 0;
		}
	front_leave(t);
	*rc = 0;
	return 1;
}

TRY front_try_Testall(int count, prog_Request h[], int *flag, prog_Status *statuses, int *rc)
{
	volatile struct mana_thread *t = flag && statuses == PROG_STATUS_IGNORE && count <= PLAIN_MAX ? front_enter() : 0;
	if (unlikely(!t))
		return 0;
	int over = front_all_over(t, count, h, 0);
	front_leave(t);
	*flag = over;
	*rc = 0;
	return over >= 0;
}

#undef TRY
#endif
