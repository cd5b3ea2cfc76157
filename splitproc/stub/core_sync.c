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
	int waits;       /* the answer */
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
	r->seq = ++core_request_seq; /* with its number, its name */
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

static void poll(volatile struct mana_thread *t, struct core_request *r)
{
	static const struct mana_status ok;
	struct core_drained *d;

	if (!__atomic_exchange_n(&taking, 1, __ATOMIC_ACQUIRE)) {
		while ((d = core_parts_take(t, CORE_SYNC_TAG))) {
			note((const struct acknowledgement *)d->data);
			core_free(d);
		}
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
static int owe(const struct question *q, int from)
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

/* What goes to each rank and comes from it, in bytes; answers go the other way. */
struct traffic {
	int *out, *out_at, *in, *in_at;
	int nout, nin;
};

static void displace(struct traffic *x)
{
	x->nout = x->nin = 0;
	for (int i = 0; i < core_world.size; i++) {
		x->out_at[i] = x->nout;
		x->in_at[i] = x->nin;
		x->nout += x->out[i];
		x->nin += x->in[i];
	}
}

/* The next request after *i that asks, or NULL; *peer: its receiver. */
static struct core_request *next_asking(uint32_t *i, int *peer)
{
	while (*i < core_requests.used) {
		struct core_request *r = core_table_get(&core_requests, VID_BASE + (*i)++);

		if (r && r->live && r->kind == REQ_SYNC && r->sync == SYNC_ASKS) {
			*peer = core_peer_world(r->comm, r->peer);
			return r;
		}
	}
	return 0;
}

static int count_questions(volatile struct mana_thread *t, struct traffic *x)
{
	size_t size = (size_t)core_world.size;
	int peer, rc;

	x->out = core_alloc(4 * size * sizeof(int));
	x->out_at = x->out + size;
	x->in = x->out_at + size;
	x->in_at = x->in + size;
	for (uint32_t i = 0; next_asking(&i, &peer);)
		x->out[peer] += sizeof(struct question);
	rc = LOWER(t, core_lower->f.Alltoall(x->out, 1, MPI_INT, x->in, 1, MPI_INT, core_private));
	displace(x);
	return rc;
}

static void write_questions(struct traffic *x, struct question *q, struct core_request **who)
{
	struct core_request *r;
	int peer;

	for (uint32_t i = 0; (r = next_asking(&i, &peer));) {
		size_t k = (size_t)x->out_at[peer] / sizeof(*q);

		q[k] = (struct question){{r->seq, r->vid}, r->comm->gid, r->comm->rank, r->tag, r->channel->sent - r->nth, 0};
		who[k] = r;
		x->out_at[peer] += sizeof(*q);
	}
	displace(x);
}

static int ask(volatile struct mana_thread *t, const struct traffic *x, struct question *mine, struct question *theirs)
{
	MPI_Comm c = core_private;
	int rc = LOWER(t, core_lower->f.Alltoallv(mine, x->out, x->out_at, MPI_BYTE, theirs, x->in, x->in_at, MPI_BYTE, c));

	if (rc)
		return rc;
	for (int from = 0, k = 0; from < core_world.size; from++)
		for (int n = x->in[from] / (int)sizeof(*theirs); n > 0; n--, k++)
			theirs[k].waits = owe(&theirs[k], from);
	return LOWER(t, core_lower->f.Alltoallv(theirs, x->in, x->in_at, MPI_BYTE, mine, x->out, x->out_at, MPI_BYTE, c));
}

int core_sync_settle(volatile struct mana_thread *t)
{
	static const struct mana_status ok;
	struct traffic x;
	int rc = count_questions(t, &x), n = x.nout / (int)sizeof(struct question);
	struct question *mine = core_alloc((size_t)x.nout + 1), *theirs = core_alloc((size_t)x.nin + 1);
	struct core_request **who = core_alloc((size_t)(n + 1) * sizeof(*who));

	write_questions(&x, mine, who);
	if (!rc)
		rc = ask(t, &x, mine, theirs);
	for (int i = 0; i < n; i++) {
		if (!rc && mine[i].waits)
			who[i]->sync = SYNC_WAITS;
		else
			core_request_complete(who[i], &ok);
	}
	asking = 0;
	core_free(mine);
	core_free(theirs);
	core_free(who);
	core_free(x.out);
	return rc;
}
