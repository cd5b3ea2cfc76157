/* core_persist.c - persistent requests: the arguments are kept here, and each
 * Start posts an ordinary nonblocking operation below. */
#include "core_p2p.h"

static int init(int kind, int mode, const void *buf, MPI_Count n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct core_request *r;

	if (!c)
		LEAVE(MPI_ERR_COMM);
	if (n < 0)
		LEAVE(MPI_ERR_COUNT);
	if (peer != MPI_PROC_NULL && !(kind == REQ_RECV ? core_source_ok(c, peer) : (unsigned)peer < (unsigned)core_npeers(c)))
		LEAVE(MPI_ERR_RANK);
	if (core_type_lower(type) == MPI_DATATYPE_NULL)
		LEAVE(MPI_ERR_TYPE);
	r = core_request_p2p(kind, (void *)buf, n, type, peer, tag, c);
	r->state = REQ_INACTIVE;
	r->persistent = 1;
	r->mode = mode;
	*out = core_request_handle(r);
	LEAVE(MPI_SUCCESS);
}

int core_Send_init(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	return init(REQ_SEND, SEND_STANDARD, buf, n, type, dst, tag, comm, out);
}

int core_Rsend_init(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	return init(REQ_SEND, SEND_STANDARD, buf, n, type, dst, tag, comm, out);
}

int core_Ssend_init(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	return init(REQ_SEND, SEND_SYNC, buf, n, type, dst, tag, comm, out);
}

int core_Bsend_init(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *out)
{
	return init(REQ_SEND, SEND_BUFFERED, buf, n, type, dst, tag, comm, out);
}

int core_Recv_init(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, MPI_Request *out)
{
	return init(REQ_RECV, 0, buf, n, type, src, tag, comm, out);
}

int core_Start(MPI_Request *h)
{
	struct core_request *r = core_request_of(*h);
	int rc;

	if (unlikely(!r || !r->persistent || r->state != REQ_INACTIVE))
		return MPI_ERR_REQUEST;
	if (r->start)
		return r->start(r); /* a collective: it has a gate of its own */
	ENTER();
	r->cancel = 0;
	r->state = REQ_ACTIVE;
	if (core_threaded()) {
		r->seq = __atomic_add_fetch(&core_request_seq, 1, __ATOMIC_RELAXED);
	} else {
		r->seq = ++core_request_seq;
	}
	rc = r->kind == REQ_RECV ? core_post_recv(self_, r) : core_post_send(self_, r);
	if (unlikely(rc))
		r->state = REQ_INACTIVE;
	LEAVE(rc);
}

int core_Startall(int n, MPI_Request h[])
{
	for (int i = 0; i < n; i++) {
		int rc = core_Start(&h[i]);

		if (unlikely(rc))
			return rc;
	}
	return MPI_SUCCESS;
}
