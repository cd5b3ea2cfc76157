/* prim.c - point-to-point communication and what else the stub asks for by hand.
 *
 * Nothing here blocks inside the real library: operations are started
 * nonblocking and tested in a loop. A request of the lower half is 0 when it is
 * complete.
 */
#include "wait.h"

static inline int begin_send(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm,
                             native_Request *r)
{
	native_Datatype t = native_type(type);
	native_Comm c = native_comm(comm);
	dst = native_rank(dst);
	if (__builtin_expect(native_fits(n), 1))
		return native_err(native.Isend(native_buf(buf), (int)n, t, dst, tag, c, r));
	if (native.Isend_c)
		return native_err(native.Isend_c(native_buf(buf), n, t, dst, tag, c, r));
	return MPI_ERR_COUNT;
}

static int isend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *req)
{
	native_Request r;
	int rc = begin_send(buf, n, type, dst, tag, comm, &r);
	*req = 0;
	if (__builtin_expect(!rc && !native_over(r), 0))
		*req = native_request_out(r);
	return rc;
}

static int send(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, uint32_t seq,
                MPI_Request *req)
{
	native_Request r;
	int rc = begin_send(buf, n, type, dst, tag, comm, &r);
	*req = 0;
	if (rc || native_over(r))
		return rc;
	rc = finish(&r, seq, NATIVE_STATUS_IGNORE);
	if (rc == MANA_INTERRUPTED)
		*req = native_request_out(r);
	return rc;
}

static inline int begin_recv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, native_Request *r)
{
	native_Datatype t = native_type(type);
	native_Comm c = native_comm(comm);
	src = native_rank(src);
	tag = native_tag(tag);
	if (__builtin_expect(native_fits(n), 1))
		return native_err(native.Irecv(native_buf(buf), (int)n, t, src, tag, c, r));
	if (native.Irecv_c)
		return native_err(native.Irecv_c(native_buf(buf), n, t, src, tag, c, r));
	return MPI_ERR_COUNT;
}

static int irecv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, MPI_Request *req)
{
	native_Request r;
	int rc = begin_recv(buf, n, type, src, tag, comm, &r);
	if (__builtin_expect(!rc, 1))
		*req = native_request_out(r);
	return rc;
}

static int recv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, uint32_t seq,
                MPI_Request *req, struct mana_status *st)
{
	native_Status status;
	native_Request r;
	int rc = begin_recv(buf, n, type, src, tag, comm, &r);
	*req = 0;
	if (rc)
		return rc;
	rc = finish(&r, seq, &status);
	if (rc == MANA_INTERRUPTED)
		*req = native_request_out(r);
	else
		native_status_out(&status, rc, st);
	return rc;
}

/* ---- probes ---- */

static int iprobe(int src, int tag, MPI_Comm comm, int *flag, struct mana_status *st)
{
	native_Status status;
	int rc = native_err(native.Iprobe(native_rank(src), native_tag(tag), native_comm(comm), flag, &status));
	if (!rc && *flag)
		native_status_out(&status, 0, st);
	return rc;
}

static int probe(int src, int tag, MPI_Comm comm, uint32_t seq, struct mana_status *st)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = iprobe(src, tag, comm, &flag, st);
		if (rc || flag)
			return rc;
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

static int improbe(int src, int tag, MPI_Comm comm, int *flag, MPI_Message *m, struct mana_status *st)
{
	native_Status status;
	native_Message msg;
	int rc = native_err(native.Improbe(native_rank(src), native_tag(tag), native_comm(comm), flag, &msg, &status));
	if (!rc && *flag) {
		*m = native_message_out(msg);
		native_status_out(&status, 0, st);
	}
	return rc;
}

static int mprobe(int src, int tag, MPI_Comm comm, uint32_t seq, MPI_Message *m, struct mana_status *st)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = improbe(src, tag, comm, &flag, m, st);
		if (rc || flag)
			return rc;
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

/* The message is matched: its sender brings it here without more help than ours. */
static int mrecv(void *buf, MPI_Count n, MPI_Datatype type, MPI_Message *m, struct mana_status *st)
{
	native_Message msg = native_message(*m);
	native_Status status;
	native_Request r;
	int rc;
	if (native_fits(n))
		rc = native.Imrecv(native_buf(buf), (int)n, native_type(type), &msg, &r);
	else if (native.Imrecv_c)
		rc = native.Imrecv_c(native_buf(buf), n, native_type(type), &msg, &r);
	else
		return MPI_ERR_COUNT;
	if (rc)
		return native_err(rc);
	*m = native_message_out(msg);
	do
		rc = finish(&r, mana_ctl->intr, &status);
	while (rc == MANA_INTERRUPTED);
	native_status_out(&status, rc, st);
	return rc;
}

/* The library's functions as the stub calls them: see struct mana_direct. */
void adapter_direct(struct mana_direct *d)
{
	*(void **)&d->isend = (void *)native.Isend;
	*(void **)&d->irecv = (void *)native.Irecv;
	d->error = native_error;
	d->over_mask = OVER_MASK;
	d->over = OVER;
	for (int i = 0; i < MANA_PREDEFINED; i++)
		d->value[i] = (uintptr_t)native_predefined[i];
}

const struct mana_prims adapter_prims = {
	.isend = isend,
	.irecv = irecv,
	.send = send,
	.recv = recv,
	.wait = adapter_wait,
	.test = adapter_test,
	.over = adapter_over_all,
	.probe = probe,
	.iprobe = iprobe,
	.improbe = improbe,
	.mprobe = mprobe,
	.mrecv = mrecv,
	.members = adapter_members,
	.comm_from_ranks = adapter_comm_from_ranks,
	.comm_create = adapter_comm_create,
	.elements = adapter_elements,
	.op_create = adapter_op_create,
	.donor = adapter_donor,
	.donor_free = adapter_donor_free,
};
