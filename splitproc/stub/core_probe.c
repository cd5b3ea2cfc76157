/* core_probe.c - probes, and matched probes with their receives.
 *
 * A matched message is an object of its own: native until a drain moves its
 * bytes into upper-half memory.
 */
#include "core_p2p.h"

/* Common start: returns an error, or -1 to go on; PROC_NULL is answered here. */
static int check(const struct core_comm *c, int src, MPI_Status *status)
{
	struct mana_status st = core_status_noproc();

	if (unlikely(!c))
		return MPI_ERR_COMM;
	if (likely(core_source_ok(c, src)))
		return -1;
	if (src != MPI_PROC_NULL)
		return MPI_ERR_RANK;
	core_status_out(status, &st);
	return MPI_SUCCESS;
}

/* Has a drain received a message that matches? */
static inline int drained(struct core_comm *c, int src, int tag, MPI_Status *status)
{
	struct mana_status st;

	if (likely(!core_ndrained) || !core_drained_describe(c, src, tag, &st))
		return 0;
	core_status_out(status, &st);
	return 1;
}

int core_Probe(int src, int tag, MPI_Comm comm, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct mana_status st;
	int rc = check(c, src, status);

	if (unlikely(rc >= 0))
		LEAVE(rc);
	for (;;) {
		if (unlikely(drained(c, src, tag, status)))
			LEAVE(MPI_SUCCESS);
		rc = LOWER_WAIT(self_, core_lower->p.probe(src, tag, c->lower, seq_, &st));
		if (likely(rc != MANA_INTERRUPTED))
			break;
		seq_ = core_gate(self_);
	}
	if (likely(!rc))
		core_status_out(status, &st);
	LEAVE(rc);
}

int core_Iprobe(int src, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct mana_status st;
	int rc = check(c, src, status);

	*flag = 1;
	if (unlikely(rc >= 0))
		LEAVE(rc);
	if (unlikely(drained(c, src, tag, status)))
		LEAVE(MPI_SUCCESS);
	rc = LOWER(self_, core_lower->p.iprobe(src, tag, c->lower, flag, &st));
	if (!rc && *flag)
		core_status_out(status, &st);
	LEAVE(rc);
}

/* ---- matched ---- */

static MPI_Message message_new(struct core_comm *c, MPI_Message lower, struct core_drained *d,
                               const struct mana_status *st)
{
	struct core_message *m = core_alloc(sizeof(*m));

	m->lower = lower;
	m->drained = d;
	m->comm = c;
	core_comm_ref(c);
	m->st = *st;
	m->vid = core_table_add(&core_messages, m);
	return (MPI_Message)(uintptr_t)m->vid;
}

static void message_free(struct core_message *m)
{
	core_table_del(&core_messages, m->vid);
	core_comm_unref(m->comm);
	core_free(m);
}

/* Takes a drained message out of the queue as a matched one. */
static int match_drained(struct core_comm *c, int src, int tag, MPI_Message *message, MPI_Status *status)
{
	struct core_drained *d = core_drained_take(c, src, tag);
	struct mana_status st;

	if (likely(!d))
		return 0;
	st = core_drained_status(d);
	*message = message_new(c, 0, d, &st);
	core_status_out(status, &st);
	return 1;
}

int core_Mprobe(int src, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_comm *c = core_comm_of(comm);
	struct mana_status st;
	MPI_Message lower;
	int rc = check(c, src, status);

	if (rc >= 0) {
		*message = rc ? *message : MPI_MESSAGE_NO_PROC;
		LEAVE(rc);
	}
	for (;;) {
		if (match_drained(c, src, tag, message, status))
			LEAVE(MPI_SUCCESS);
		rc = LOWER_WAIT(self_, core_lower->p.mprobe(src, tag, c->lower, seq_, &lower, &st));
		if (rc != MANA_INTERRUPTED)
			break;
		seq_ = core_gate(self_);
	}
	if (rc)
		LEAVE(rc);
	*message = message_new(c, lower, 0, &st);
	core_status_out(status, &st);
	LEAVE(MPI_SUCCESS);
}

int core_Improbe(int src, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct mana_status st;
	MPI_Message lower;
	int rc = check(c, src, status);

	*flag = 1;
	if (rc >= 0) {
		*message = rc ? *message : MPI_MESSAGE_NO_PROC;
		LEAVE(rc);
	}
	if (match_drained(c, src, tag, message, status))
		LEAVE(MPI_SUCCESS);
	rc = LOWER(self_, core_lower->p.improbe(src, tag, c->lower, flag, &lower, &st));
	if (rc || !*flag)
		LEAVE(rc);
	*message = message_new(c, lower, 0, &st);
	core_status_out(status, &st);
	LEAVE(MPI_SUCCESS);
}

/* Begins to receive *message as a request. */
static int mrecv_start(volatile struct mana_thread *t, void *buf, MPI_Count n, MPI_Datatype type, MPI_Message *message,
                       struct core_request **out)
{
	struct core_message *m = core_table_get(&core_messages, VID(*message));
	struct core_request *r;
	MPI_Datatype lt;
	int rc;

	if (*message == MPI_MESSAGE_NO_PROC) {
		r = core_request_alloc(REQ_RECV);
		r->st = core_status_noproc();
		r->state = REQ_DONE;
		*message = MPI_MESSAGE_NULL;
		*out = r;
		return MPI_SUCCESS;
	}
	if (!m)
		return MPI_ERR_REQUEST;
	r = core_request_p2p(REQ_RECV, buf, n, type, m->st.source, m->st.tag, m->comm);
	if (m->drained) {
		rc = core_drained_deliver(t, 0, m->drained, buf, n, type, &r->st);
		if (!rc || r->st.error) {
			rc = MPI_SUCCESS;
			r->state = REQ_DONE;
			core_request_unref(r);
		}
	} else {
		lt = core_type_lower(type);
		rc = LOWER(t, core_lower->f.Imrecv(buf, n, lt, &m->lower, &r->lower));
	}
	if (rc) {
		core_request_drop(r);
		return rc;
	}
	message_free(m);
	*message = MPI_MESSAGE_NULL;
	*out = r;
	return MPI_SUCCESS;
}

int core_Mrecv(void *buf, MPI_Count n, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
	ENTER_WAIT();
	struct core_request *r;
	int rc = mrecv_start(self_, buf, n, type, message, &r);

	if (rc)
		LEAVE(rc);
	core_request_wait(self_, r, seq_, 0);
	core_status_out(status, &r->st);
	rc = r->st.error;
	core_request_recycle(r);
	LEAVE(rc);
}

int core_Imrecv(void *buf, MPI_Count n, MPI_Datatype type, MPI_Message *message, MPI_Request *out)
{
	ENTER();
	struct core_request *r;
	int rc = mrecv_start(self_, buf, n, type, message, &r);

	if (!rc)
		*out = core_request_handle(r);
	LEAVE(rc);
}
