/* core_sendrecv.c - MPI_Sendrecv and its relatives.
 *
 * Both halves are posted and waited for in one crossing. The nonblocking
 * forms copy what they send, so that their one request is the receive.
 */
#include "core_p2p.h"

struct exchange {
	const void *sbuf;
	void *rbuf;
	MPI_Count sn, rn;
	MPI_Datatype st, rt; /* lower handles while below */
	int dst, stag, src, rtag;
	MPI_Request q[2]; /* receive, send */
	int posted;       /* how many of them were posted */
	struct mana_status done[2];
};

/* Runs with the lower half's fs: posts both and waits. */
static int exchange_below(const struct mana_lower *l, struct exchange *x, MPI_Comm c, uint32_t seq)
{
	int ndone, which, rest = 0;
	int rc = l->p.irecv(x->rbuf, x->rn, x->rt, x->src, x->rtag, c, &x->q[0]);

	if (rc)
		return rc;
	rc = l->p.isend(x->sbuf, x->sn, x->st, x->dst, x->stag, c, &x->q[1]);
	if (rc) {
		l->f.Cancel(&x->q[0]);
		l->f.Request_free(&x->q[0]);
		return rc;
	}
	x->posted = 2;
	rc = l->p.wait(1, &x->q[0], MANA_WAIT_ALL, seq, &ndone, &which, &x->done[0]);
	if (x->q[1] && rc != MANA_INTERRUPTED)
		rest = l->p.wait(1, &x->q[1], MANA_WAIT_ALL, seq, &ndone, &which, &x->done[1]);
	return rest ? rest : rc;
}

/* Goes on after the first wait: returns the error class of the whole. */
static int exchange_rest(volatile struct mana_thread *t, struct exchange *x, MPI_Datatype stype, MPI_Datatype rtype,
                         struct core_comm *c)
{
	struct core_request *r[2] = {0, 0};

	for (int i = 0; i < 2; i++) {
		if (!x->q[i])
			continue;
		r[i] = i ? core_request_begun(REQ_SEND, (void *)x->sbuf, x->sn, stype, x->dst, x->stag, c, x->q[i])
		         : core_request_begun(REQ_RECV, x->rbuf, x->rn, rtype, x->src, x->rtag, c, x->q[i]);
	}
	if (!r[0])
		core_count_received(c, x->src, &x->done[0]);
	uint32_t seq = core_gate(t);

	for (int i = 0; i < 2; i++) {
		if (!r[i])
			continue;
		core_request_wait(t, r[i], seq, 0);
		x->done[i] = r[i]->st;
		core_request_recycle(r[i]);
	}
	return x->done[0].error ? x->done[0].error : x->done[1].error;
}

static int exchange(volatile struct mana_thread *t, struct exchange *x, struct core_comm *c, uint32_t seq)
{
	MPI_Datatype stype = x->st, rtype = x->rt;
	int rc;

	x->st = core_type_lower(stype);
	x->rt = core_type_lower(rtype);
	x->posted = 0;
	x->done[0] = (struct mana_status){.source = x->src};
	x->done[1] = (struct mana_status){.error = 0};
	rc = LOWER_WAIT(t, exchange_below(core_lower, x, c->lower, seq));
	if (unlikely(!x->posted))
		return rc;
	core_count_sent(c, x->dst, x->stag);
	if (unlikely(rc == MANA_INTERRUPTED || x->q[0] || x->q[1]))
		return exchange_rest(t, x, stype, rtype, c);
	core_count_received(c, x->src, &x->done[0]);
	if (unlikely(rc))
		rc = x->done[0].error ? x->done[0].error : x->done[1].error ? x->done[1].error : rc;
	return rc;
}

/* One of the two is PROC_NULL, or the message to receive is here already: one after the other. */
static int in_turn(volatile struct mana_thread *t, struct exchange *x, struct core_comm *c, uint32_t seq)
{
	struct core_request *s = core_request_p2p(REQ_SEND, (void *)x->sbuf, x->sn, x->st, x->dst, x->stag, c);
	struct core_request *r = core_request_p2p(REQ_RECV, x->rbuf, x->rn, x->rt, x->src, x->rtag, c);
	int rc = core_post_recv(t, r);

	if (rc) {
		core_request_drop(s);
		core_request_drop(r);
		return rc;
	}
	rc = core_post_send(t, s);
	if (rc) {
		core_request_drop(s);
		if (r->lower)
			LOWER(t, core_lower->f.Cancel(&r->lower));
		core_request_wait(t, r, seq, 0);
		core_request_recycle(r);
		return rc;
	}
	core_request_wait(t, r, seq, 0);
	core_request_wait(t, s, mana_ctl->pending ? core_gate(t) : seq, 0);
	x->done[0] = r->st;
	rc = r->st.error ? r->st.error : s->st.error;
	core_request_recycle(r);
	core_request_recycle(s);
	return rc;
}

static int check(const struct core_comm *c, int dst, int src)
{
	if (unlikely(!c))
		return MPI_ERR_COMM;
	if (unlikely((unsigned)dst >= (unsigned)core_npeers(c) && dst != MPI_PROC_NULL))
		return MPI_ERR_RANK;
	return core_source_ok(c, src) || src == MPI_PROC_NULL ? MPI_SUCCESS : MPI_ERR_RANK;
}

static int sendrecv(volatile struct mana_thread *t, struct exchange *x, struct core_comm *c, uint32_t seq,
                    MPI_Status *status)
{
	int rc;

	if (unlikely(x->dst == MPI_PROC_NULL || x->src == MPI_PROC_NULL || core_ndrained))
		rc = in_turn(t, x, c, seq);
	else
		rc = exchange(t, x, c, seq);
	if (likely(rc == MPI_SUCCESS || rc == MPI_ERR_TRUNCATE))
		core_status_out(status, &x->done[0]);
	return rc;
}

int core_Sendrecv(const void *sbuf, MPI_Count sn, MPI_Datatype st, int dst, int stag, void *rbuf, MPI_Count rn,
                  MPI_Datatype rt, int src, int rtag, MPI_Comm comm, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct exchange x = {.sbuf = sbuf, .rbuf = rbuf, .sn = sn, .rn = rn, .st = st, .rt = rt,
	                     .dst = dst, .stag = stag, .src = src, .rtag = rtag};
	int rc = check(c, dst, src);

	if (likely(!rc))
		rc = sendrecv(self_, &x, c, seq_, status);
	LEAVE(rc);
}

int core_Sendrecv_replace(void *buf, MPI_Count n, MPI_Datatype type, int dst, int stag, int src, int rtag,
                          MPI_Comm comm, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct exchange x = {.rbuf = buf, .rn = n, .st = MPI_PACKED, .rt = type,
	                     .dst = dst, .stag = stag, .src = src, .rtag = rtag};
	void *copy = 0;
	int rc = check(c, dst, src);

	if (!rc)
		rc = core_pack_copy(self_, buf, n, type, c, &copy, &x.sn);
	if (!rc) {
		x.sbuf = copy;
		rc = sendrecv(self_, &x, c, seq_, status);
	}
	core_free(copy);
	LEAVE(rc);
}

/* The copy makes the send complete at once, as MPI allows for a standard send. */
static int isendrecv(volatile struct mana_thread *t, struct exchange *x, struct core_comm *c, MPI_Request *out)
{
	struct core_request *r;
	MPI_Count bytes = 0;
	void *copy = 0;
	int rc = check(c, x->dst, x->src);

	if (!rc && x->dst == MPI_PROC_NULL)
		rc = core_noproc(t, REQ_SEND, x->sbuf, x->sn, x->st, x->stag, c);
	else if (!rc)
		rc = core_pack_copy(t, x->sbuf, x->sn, x->st, c, &copy, &bytes);
	if (rc)
		return rc;
	r = core_request_p2p(REQ_RECV, x->rbuf, x->rn, x->rt, x->src, x->rtag, c);
	rc = core_post_recv(t, r);
	if (rc) {
		core_request_drop(r);
		core_free(copy);
		return rc;
	}
	if (x->dst != MPI_PROC_NULL)
		rc = core_send_packed(t, copy, bytes, 0, x->dst, x->stag, c);
	*out = core_request_handle(r);
	return rc;
}

int core_Isendrecv(const void *sbuf, MPI_Count sn, MPI_Datatype st, int dst, int stag, void *rbuf, MPI_Count rn,
                   MPI_Datatype rt, int src, int rtag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct exchange x = {.sbuf = sbuf, .rbuf = rbuf, .sn = sn, .rn = rn, .st = st, .rt = rt,
	                     .dst = dst, .stag = stag, .src = src, .rtag = rtag};

	LEAVE(isendrecv(self_, &x, core_comm_of(comm), out));
}

int core_Isendrecv_replace(void *buf, MPI_Count n, MPI_Datatype type, int dst, int stag, int src, int rtag,
                           MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct exchange x = {.sbuf = buf, .rbuf = buf, .sn = n, .rn = n, .st = type, .rt = type,
	                     .dst = dst, .stag = stag, .src = src, .rtag = rtag};

	LEAVE(isendrecv(self_, &x, core_comm_of(comm), out));
}
