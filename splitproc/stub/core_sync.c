/* core_sync.c - synchronous sends: over when the program receives, not when a drain does.
 *
 * The receive of a drain completes a synchronous send below. So, when every
 * message is in, its sender asks the receiver who took it. A channel
 * (communicator, sender, receiver, tag) is received in order: if more of its
 * messages stand in the receiver's queue than were sent after this one, this
 * one is among them. Its request then goes on as REQ_SYNC, with nothing below,
 * until the program has received the message and its rank acknowledges that.
 *
 * Threads that send on one channel at the same time have no order. Such a
 * message counts as sent after: the send may then be over too early, never late.
 */
#include "core_p2p.h"

enum { SYNC_ASKS = 1, SYNC_WAITS, SYNC_OVER };

/* Exists while synchronous sends of it are on their way. */
struct core_channel {
	struct core_channel *next;
	const struct core_comm *comm;
	int peer, tag;
	uint32_t sent; /* messages since it exists */
	uint32_t syncs;
};

struct acknowledgement {
	uint64_t seq;
	uint32_t vid;
};

struct question {
	struct acknowledgement ack; /* to be sent */
	uint64_t gid;
	int source, tag; /* source: rank in the communicator, as the receiver sees it */
	uint32_t after;  /* messages sent on the channel after this one */
};

#define BUCKETS 64

uint32_t core_syncs;
static struct core_channel *channels[BUCKETS];
static uint32_t asking; /* requests in SYNC_ASKS */
static uint32_t taking; /* a thread takes acknowledgements in */

/* ---- channels, under the lock ---- */

static struct core_channel **find(const struct core_comm *c, int peer, int tag)
{
	struct core_channel **at = &channels[((unsigned)peer * 31 + (unsigned)tag) % BUCKETS];

	while (*at && ((*at)->comm != c || (*at)->peer != peer || (*at)->tag != tag))
		at = &(*at)->next;
	return at;
}

void core_sync_begin(struct core_request *r)
{
	struct core_channel **at, *k;

	core_p2p_lock();
	at = find(r->comm, r->peer, r->tag);
	if (!(k = *at)) {
		k = *at = core_alloc(sizeof(*k));
		*k = (struct core_channel){.comm = r->comm, .peer = r->peer, .tag = r->tag};
	}
	k->syncs++;
	core_syncs++;
	r->channel = k;
	r->nth = ++k->sent;
	core_p2p_unlock();
}

void core_sync_end(struct core_request *r)
{
	struct core_channel *k = r->channel, **at;

	core_p2p_lock();
	core_syncs--;
	if (--k->syncs == 0) {
		at = find(k->comm, k->peer, k->tag);
		*at = k->next;
		core_free(k);
	}
	core_p2p_unlock();
	r->channel = 0;
	r->kind = REQ_SEND;
	r->poll = 0;
}

void core_sync_passed(const struct core_comm *c, int peer, int tag)
{
	struct core_channel *k;

	core_p2p_lock();
	k = *find(c, peer, tag);
	if (k)
		k->sent++;
	core_p2p_unlock();
}

/* ---- waiting for the receiver ---- */

static void note(const struct acknowledgement *a)
{
	struct core_request *r = core_table_get(&core_requests, a->vid);

	if (r && r->kind == REQ_SYNC && r->seq == a->seq)
		r->sync = SYNC_OVER;
}

static void take_acknowledgements(volatile struct mana_thread *t)
{
	struct mana_status st = {.error = 0};
	struct acknowledgement a;
	struct core_drained *d;
	MPI_Message m;
	int flag;

	while ((d = core_drained_take(&core_parts, MPI_ANY_SOURCE, CORE_SYNC_TAG))) {
		note((const struct acknowledgement *)d->data);
		core_free(d);
	}
	for (;;) {
		flag = 0;
		if (LOWER(t, core_lower->p.improbe(MPI_ANY_SOURCE, CORE_SYNC_TAG, core_private, &flag, &m, &st)) || !flag)
			return;
		if (LOWER(t, core_lower->p.mrecv(&a, sizeof(a), MPI_BYTE, &m, &st)))
			core_die("cannot receive the acknowledgement of a synchronous send");
		core_count(core_received, &core_parts, st.source, 1);
		note(&a);
	}
}

static void poll(volatile struct mana_thread *t, struct core_request *r)
{
	static const struct mana_status ok;

	if (!__atomic_exchange_n(&taking, 1, __ATOMIC_ACQUIRE)) {
		take_acknowledgements(t);
		__atomic_store_n(&taking, 0, __ATOMIC_RELEASE);
	}
	if (*(volatile uint8_t *)&r->sync == SYNC_OVER)
		core_request_complete(r, &ok);
}

void core_sync_acknowledge(volatile struct mana_thread *t, const struct core_drained *d)
{
	struct acknowledgement *a = core_alloc(sizeof(*a));

	*a = (struct acknowledgement){d->sync_seq, d->sync_vid};
	if (core_send_packed(t, a, sizeof(*a), 0, d->sync_rank, CORE_SYNC_TAG, &core_parts))
		core_die("cannot acknowledge a synchronous send of rank %d", d->sync_rank);
}

/* ---- at a drain ---- */

void core_sync_taken(struct core_request *r)
{
	r->lower = 0;
	r->kind = REQ_SYNC;
	r->poll = poll;
	r->sync = SYNC_ASKS;
	asking++;
}

int core_sync_asking(void)
{
	return asking != 0;
}

static struct core_comm *comm_of(uint64_t gid)
{
	struct core_comm *c;

	if (gid == core_world.gid)
		return &core_world;
	if (gid == core_self.gid)
		return &core_self;
	for (uint32_t i = 0; i < core_comms.used; i++)
		if ((c = core_table_get(&core_comms, VID_BASE + i)) && c->gid == gid)
			return c;
	return 0;
}

/* Is the message still in the queue? Then its receive will be acknowledged to `from`. */
static char owe(const struct question *q, int from)
{
	struct core_comm *c = comm_of(q->gid);
	struct core_drained *d;
	int64_t before = -(int64_t)q->after - 1;

	for (d = c ? c->drained : 0; d; d = d->next)
		before += d->source == q->source && d->tag == q->tag;
	if (before < 0)
		return 0;
	for (d = c->drained;; d = d->next)
		if (d->source == q->source && d->tag == q->tag && before-- == 0)
			break;
	if (d->sync_vid) /* threads have sent side by side */
		return 0;
	d->sync_vid = q->ack.vid;
	d->sync_seq = q->ack.seq;
	d->sync_rank = from;
	return 1;
}

/* What goes to each rank and comes from it: counts and displacements. */
struct traffic {
	int *out, *out_at, *in, *in_at;
	int nout, nin;
};

static void displace(struct traffic *x, int size)
{
	x->nout = x->nin = 0;
	for (int i = 0; i < size; i++) {
		x->out_at[i] = x->nout;
		x->in_at[i] = x->nin;
		x->nout += x->out[i];
		x->nin += x->in[i];
	}
}

static int peer_world(const struct core_request *r)
{
	return core_peer_world(r->comm, r->peer);
}

/* The next request after *i that asks, or NULL. */
static struct core_request *next_asking(uint32_t *i)
{
	while (*i < core_requests.used) {
		struct core_request *r = core_table_get(&core_requests, VID_BASE + (*i)++);

		if (r && r->live && r->kind == REQ_SYNC && r->sync == SYNC_ASKS)
			return r;
	}
	return 0;
}

static void write_questions(struct traffic *x, struct question *q, struct core_request **who)
{
	struct core_request *r;

	for (uint32_t i = 0; (r = next_asking(&i));) {
		int k = x->out_at[peer_world(r)]++;

		q[k] = (struct question){{r->seq, r->vid}, r->comm->gid, r->comm->rank, r->tag, r->channel->sent - r->nth};
		who[k] = r;
	}
	displace(x, core_world.size);
}

static void scale(struct traffic *x, int size, int by, int from)
{
	for (int i = 0; i < size; i++) {
		x->out[i] = x->out[i] / from * by;
		x->in[i] = x->in[i] / from * by;
	}
	displace(x, size);
}

int core_sync_settle(volatile struct mana_thread *t)
{
	static const struct mana_status ok;
	int size = core_world.size, rc;
	struct traffic x = {.out = core_alloc(4 * (size_t)size * sizeof(int))};
	struct core_request *r, **who;
	struct question *mine, *theirs;
	char *answers, *got;

	x.out_at = x.out + size;
	x.in = x.out_at + size;
	x.in_at = x.in + size;
	for (uint32_t i = 0; (r = next_asking(&i));)
		x.out[peer_world(r)]++;
	rc = LOWER(t, core_lower->f.Alltoall(x.out, 1, MPI_INT, x.in, 1, MPI_INT, core_private));
	displace(&x, size);
	mine = core_alloc((x.nout + 1) * sizeof(*mine));
	who = core_alloc((x.nout + 1) * sizeof(*who));
	theirs = core_alloc((x.nin + 1) * sizeof(*theirs));
	answers = core_alloc(x.nin + 1);
	got = core_alloc(x.nout + 1);
	write_questions(&x, mine, who);
	scale(&x, size, sizeof(*mine), 1);
	if (!rc)
		rc = LOWER(t, core_lower->f.Alltoallv(mine, x.out, x.out_at, MPI_BYTE, theirs, x.in, x.in_at, MPI_BYTE, core_private));
	scale(&x, size, 1, sizeof(*mine));
	for (int from = 0; !rc && from < size; from++)
		for (int i = 0; i < x.in[from]; i++)
			answers[x.in_at[from] + i] = owe(&theirs[x.in_at[from] + i], from);
	if (!rc)
		rc = LOWER(t, core_lower->f.Alltoallv(answers, x.in, x.in_at, MPI_BYTE, got, x.out, x.out_at, MPI_BYTE, core_private));
	for (int i = 0; i < x.nout; i++) {
		if (!rc && got[i])
			who[i]->sync = SYNC_WAITS;
		else
			core_request_complete(who[i], &ok);
	}
	asking = 0;
	core_free(mine);
	core_free(who);
	core_free(theirs);
	core_free(answers);
	core_free(got);
	core_free(x.out);
	return rc;
}
