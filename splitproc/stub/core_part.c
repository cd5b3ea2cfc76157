/* core_part.c - partitioned communication, wholly in the upper half.
 *
 * A message goes out when its last partition is ready (the standard lets a
 * library put partitions together as it likes), packed behind a header, on a
 * communicator of our own: partitioned messages never match ordinary ones.
 * Sends and receives of the same communicator, tag and peers match in the order
 * of their init calls (MPI-4.0, 4.2), so counting these on both sides names the
 * channel. What has come in for a channel that is not receiving yet waits here.
 */
#include <string.h>

#include "core_p2p.h"

struct header {
	uint64_t gid, nth;
	int64_t tag;
};

struct part {
	int sending, peer; /* peer: world rank, or MPI_PROC_NULL */
	struct header h;
	int partitions, nready;
	MPI_Count count; /* of a partition */
	uint8_t ready[];
};

/* How many channels there were to or from a peer, by communicator and tag. */
struct channels {
	struct channels *next;
	int sending, peer;
	struct header h; /* nth: so far */
};

struct core_comm core_parts = {.refs = 1};
static struct channels *channels;
static struct core_drained *arrived, **arrived_tail = &arrived;
static uint32_t receiving; /* a thread takes messages in, which keeps them in order */

static uint64_t next_channel(int sending, int peer, uint64_t gid, int tag)
{
	struct channels *k, *made = core_alloc(sizeof(*made));
	uint64_t nth;

	core_p2p_lock();
	for (k = channels; k; k = k->next)
		if (k->sending == sending && k->peer == peer && k->h.gid == gid && k->h.tag == tag)
			break;
	if (!k) {
		*made = (struct channels){channels, sending, peer, {gid, 0, tag}};
		channels = k = made;
		made = 0;
	}
	nth = k->h.nth++;
	core_p2p_unlock();
	core_free(made);
	return nth;
}

/* ---- sending ---- */

static int send_all(volatile struct mana_thread *t, struct core_request *r)
{
	static const struct mana_status ok;
	struct part *p = r->aux;
	MPI_Datatype lt = core_type_lower(core_request_type(r));
	MPI_Count size = 0, position = sizeof(p->h), n = p->count * p->partitions;
	MPI_Comm c = core_private;
	char *data;
	int rc = LOWER(t, core_lower->f.Pack_size(n, lt, c, &size));

	if (rc)
		return rc;
	data = core_alloc(sizeof(p->h) + (size_t)size);
	memcpy(data, &p->h, sizeof(p->h));
	rc = core_pack(t, r->buf, n, lt, data, (MPI_Count)sizeof(p->h) + size, &position, c);
	if (rc) {
		core_free(data);
		return rc;
	}
	rc = core_send_packed(t, data, position, 0, p->peer, CORE_PART_TAG, &core_parts);
	if (!rc)
		core_request_complete(r, &ok);
	return rc;
}

/* ---- receiving ---- */

static struct core_drained *find(const struct part *p)
{
	struct core_drained **at, *d;

	core_p2p_lock();
	for (at = &arrived; (d = *at); at = &d->next)
		if (d->source == p->peer && !memcmp(d->data, &p->h, sizeof(p->h)))
			break;
	if (d && !(*at = d->next))
		arrived_tail = at;
	core_p2p_unlock();
	return d;
}

static void receive(volatile struct mana_thread *t, struct core_request *r)
{
	struct part *p = r->aux;
	struct mana_status st = {.error = 0};
	struct core_drained *d;

	while ((d = core_parts_take(t, CORE_PART_TAG))) {
		core_p2p_lock();
		d->next = 0;
		*arrived_tail = d;
		arrived_tail = &d->next;
		core_p2p_unlock();
	}
	if (!(d = find(p)))
		return;
	d->bytes -= (int64_t)sizeof(p->h);
	memmove(d->data, d->data + sizeof(p->h), (size_t)d->bytes);
	int rc = core_drained_deliver(t, 0, d, r->buf, p->count * p->partitions, core_request_type(r), &st);
	if (rc && !st.error)
		st.error = rc;
	core_request_complete(r, &st);
	st.source = r->peer;
	st.tag = r->tag;
	r->st = st;
}

static void poll(volatile struct mana_thread *t, struct core_request *r)
{
	const struct part *p = r->aux;

	if (p->sending || __atomic_exchange_n(&receiving, 1, __ATOMIC_ACQUIRE))
		return;
	/* Another thread may just have ended it: the next message is for the next start. */
	if (*(volatile uint8_t *)&r->state == REQ_ACTIVE)
		receive(t, r);
	__atomic_store_n(&receiving, 0, __ATOMIC_RELEASE);
}

/* ---- the calls ---- */

static int start(struct core_request *r)
{
	static const struct mana_status ok;
	struct part *p = r->aux;

	memset(p->ready, 0, (size_t)p->partitions);
	p->nready = 0;
	r->state = REQ_ACTIVE;
	if (p->peer == MPI_PROC_NULL) {
		core_request_complete(r, &ok);
		if (!p->sending)
			r->st = core_status_noproc();
	}
	return MPI_SUCCESS;
}

static int init(int sending, const void *buf, int partitions, MPI_Count count, MPI_Datatype type, int peer, int tag,
                MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	struct core_request *r;
	struct part *p;

	if (!c)
		LEAVE(MPI_ERR_COMM);
	if (partitions < 1)
		LEAVE(MPI_ERR_ARG);
	if (count < 0)
		LEAVE(MPI_ERR_COUNT);
	if (peer != MPI_PROC_NULL && (unsigned)peer >= (unsigned)core_npeers(c))
		LEAVE(MPI_ERR_RANK);
	if (tag < 0)
		LEAVE(MPI_ERR_TAG);
	if (core_type_lower(type) == MPI_DATATYPE_NULL)
		LEAVE(MPI_ERR_TYPE);
	p = core_alloc(sizeof(*p) + (size_t)partitions);
	p->sending = sending;
	p->peer = peer == MPI_PROC_NULL ? peer : core_peer_world(c, peer);
	p->partitions = partitions;
	p->count = count;
	p->h = (struct header){c->gid, next_channel(sending, p->peer, c->gid, tag), tag};
	r = core_request_p2p(REQ_PART, (void *)buf, count, type, peer, tag, c);
	r->state = REQ_INACTIVE;
	r->persistent = 1;
	r->aux = p;
	r->start = start;
	r->poll = poll;
	*out = core_request_handle(r);
	LEAVE(MPI_SUCCESS);
}

int core_Psend_init(const void *buf, int partitions, MPI_Count count, MPI_Datatype datatype, int dest, int tag,
                    MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	(void)info;
	return init(1, buf, partitions, count, datatype, dest, tag, comm, request);
}

int core_Precv_init(void *buf, int partitions, MPI_Count count, MPI_Datatype datatype, int dest, int tag,
                    MPI_Comm comm, MPI_Info info, MPI_Request *request)
{
	(void)info;
	return init(0, buf, partitions, count, datatype, dest, tag, comm, request);
}

static struct part *part_of(MPI_Request h, int sending)
{
	struct core_request *r = core_request_of(h);
	struct part *p = r && r->kind == REQ_PART ? r->aux : 0;

	return p && p->sending == sending ? p : 0;
}

/* Partitions low to high, or those listed, are ready; several threads may call at once. */
static int ready(MPI_Request h, int low, int high, const int *list)
{
	struct part *p = part_of(h, 1);
	struct core_request *r = core_request_of(h);
	int rc = MPI_SUCCESS, n = 0;

	if (!p || (r->state != REQ_ACTIVE && p->peer != MPI_PROC_NULL))
		return MPI_ERR_REQUEST;
	for (int i = low; i <= high; i++) {
		int k = list ? list[i] : i;
		if (k < 0 || k >= p->partitions)
			return MPI_ERR_ARG;
	}
	if (p->peer == MPI_PROC_NULL)
		return MPI_SUCCESS;
	ENTER();
	for (int i = low; i <= high; i++)
		n += !__atomic_exchange_n(&p->ready[list ? list[i] : i], 1, __ATOMIC_ACQ_REL);
	if (n && __atomic_add_fetch(&p->nready, n, __ATOMIC_ACQ_REL) == p->partitions)
		rc = send_all(self_, r);
	LEAVE(rc);
}

int core_Pready(int partition, MPI_Request request)
{
	return ready(request, partition, partition, 0);
}

int core_Pready_range(int partition_low, int partition_high, MPI_Request request)
{
	return partition_low > partition_high ? MPI_ERR_ARG : ready(request, partition_low, partition_high, 0);
}

int core_Pready_list(int length, const int array_of_partitions[], MPI_Request request)
{
	return ready(request, 0, length - 1, array_of_partitions);
}

/* The partitions of a message arrive together. */
int core_Parrived(MPI_Request request, int partition, int *flag)
{
	struct part *p = part_of(request, 0);
	struct core_request *r = core_request_of(request);

	if (!p)
		return MPI_ERR_REQUEST;
	if (partition < 0 || partition >= p->partitions)
		return MPI_ERR_ARG;
	ENTER();
	core_request_test(self_, r);
	*flag = r->state != REQ_ACTIVE;
	LEAVE(MPI_SUCCESS);
}
