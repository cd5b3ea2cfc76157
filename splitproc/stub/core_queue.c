/* core_queue.c - messages that a drain took in, until the program receives them.
 *
 * Delivery is a message to oneself on the private communicator, received with
 * the program's own buffer and type: truncation, partial elements and gaps
 * then come out as the library does them.
 */
#include <limits.h>

#include "core_p2p.h"

uint64_t core_ndrained;

struct core_drained *core_drained_new(int64_t bytes)
{
	struct core_drained *d = core_alloc(sizeof(*d) + bytes);

	d->bytes = bytes;
	return d;
}

void core_drained_append(struct core_comm *c, struct core_drained *d)
{
	static uint64_t seq;

	d->seq = ++seq;
	d->next = 0;
	if (!c->drained)
		c->drained_tail = &c->drained;
	*c->drained_tail = d;
	c->drained_tail = &d->next;
	core_ndrained++;
}

/* Puts a message back where it was. */
static void put_back(struct core_comm *c, struct core_drained *d)
{
	struct core_drained **p = &c->drained;

	core_p2p_lock();
	while (*p && (*p)->seq < d->seq)
		p = &(*p)->next;
	d->next = *p;
	*p = d;
	if (!d->next)
		c->drained_tail = &d->next;
	core_ndrained++;
	core_p2p_unlock();
}

/* Where the first message that matches hangs; the lock is held. */
static struct core_drained **find(struct core_comm *c, int src, int tag)
{
	struct core_drained **p, *d;

	for (p = &c->drained; (d = *p); p = &d->next)
		if ((src == MPI_ANY_SOURCE || src == d->source) && (tag == MPI_ANY_TAG || tag == d->tag))
			break;
	return p;
}

struct core_drained *core_drained_remove(struct core_comm *c, int src, int tag)
{
	struct core_drained **p, *d;

	core_p2p_lock();
	p = find(c, src, tag);
	d = *p;
	if (d) {
		*p = d->next;
		if (!d->next)
			c->drained_tail = p;
		core_ndrained--;
	}
	core_p2p_unlock();
	return d;
}

int core_drained_describe(struct core_comm *c, int src, int tag, struct mana_status *st)
{
	const struct core_drained *d;

	core_p2p_lock();
	d = *find(c, src, tag);
	if (d)
		*st = core_drained_status(d);
	core_p2p_unlock();
	return d != 0;
}

void core_drained_drop(struct core_comm *c)
{
	struct core_drained *d;

	while (c->drained && (d = core_drained_remove(c, MPI_ANY_SOURCE, MPI_ANY_TAG)))
		core_free(d);
}

int core_drained_any(void)
{
	return core_ndrained != 0;
}

#define PIECE (1 << 30)

int core_bytes_type(volatile struct mana_thread *t, int64_t bytes, MPI_Count *n, MPI_Datatype *type)
{
	int pieces = bytes / PIECE + 1, rc;
	int *lengths;
	MPI_Aint *at;

	*n = bytes;
	*type = MPI_BYTE;
	if (likely(bytes <= INT_MAX))
		return MPI_SUCCESS;
	*n = 1;
	lengths = core_alloc(pieces * sizeof(*lengths));
	at = core_alloc(pieces * sizeof(*at));
	for (int i = 0; i < pieces; i++) {
		at[i] = (MPI_Aint)i * PIECE;
		lengths[i] = i < pieces - 1 ? PIECE : bytes % PIECE;
	}
	rc = LOWER(t, core_lower->f.Type_create_hindexed(pieces, lengths, at, MPI_BYTE, type));
	if (!rc)
		rc = LOWER(t, core_lower->f.Type_commit(type));
	core_free(lengths);
	core_free(at);
	return rc;
}

void core_bytes_type_free(volatile struct mana_thread *t, MPI_Datatype *type)
{
	if (unlikely(*type != MPI_BYTE))
		LOWER(t, core_lower->f.Type_free(type));
}

struct core_drained *core_drained_receive(volatile struct mana_thread *t, struct core_comm *c, MPI_Message *m,
                                          const struct mana_status *st)
{
	struct core_drained *d = core_drained_new(st->bytes);
	struct mana_status got = {.error = 0};
	MPI_Count n;
	MPI_Datatype type;

	/* matched, it can only be received: without memory or a type for it nothing could go on */
	if (core_bytes_type(t, st->bytes, &n, &type) || LOWER(t, core_lower->p.mrecv(d->data, n, type, m, &got)))
		core_die("cannot take in a message of %ld bytes from rank %d", (long)st->bytes, st->source);
	core_bytes_type_free(t, &type);
	d->source = st->source;
	d->tag = st->tag;
	core_count(core_received, c, st->source, 1);
	return d;
}

struct core_drained *core_parts_take(volatile struct mana_thread *t, int tag)
{
	struct mana_status st = {.error = 0};
	struct core_drained *d = core_drained_take(&core_parts, MPI_ANY_SOURCE, tag);
	MPI_Comm c = core_private;
	MPI_Message m;
	int flag = 0;

	if (d)
		return d;
	if (LOWER(t, core_lower->p.improbe(MPI_ANY_SOURCE, tag, c, &flag, &m, &st)) || !flag)
		return 0;
	return core_drained_receive(t, &core_parts, &m, &st);
}

struct delivery {
	const struct core_drained *d;
	MPI_Count sn, rn;
	MPI_Datatype st, rt; /* lower: of the bytes, of the program's buffer */
	void *buf;
	int me, tag; /* the tag keeps threads apart */
};

/* Runs with the lower half's fs. */
static int deliver_below(const struct mana_lower *l, const struct delivery *x, struct mana_status *st)
{
	MPI_Request q[2];
	struct mana_status done[2] = {{.error = 0}, {.error = 0}};
	int ndone, which[2];
	int rc = l->p.irecv(x->buf, x->rn, x->rt, x->me, x->tag, core_private, &q[0]);

	if (rc)
		return rc;
	rc = l->p.isend(x->d->data, x->sn, x->st, x->me, x->tag, core_private, &q[1]);
	if (rc) {
		l->f.Cancel(&q[0]);
		l->f.Request_free(&q[0]);
		return rc;
	}
	do
		rc = l->p.wait(2, q, MANA_WAIT_ALL, mana_ctl->intr, &ndone, which, done);
	while (rc == MANA_INTERRUPTED);
	*st = done[0];
	if (rc && !st->error)
		st->error = rc == MPI_ERR_IN_STATUS ? done[1].error : rc;
	return st->error;
}

int core_drained_deliver(volatile struct mana_thread *t, struct core_comm *c, struct core_drained *d, void *buf,
                         MPI_Count n, MPI_Datatype type, struct mana_status *st)
{
	struct delivery x = {.d = d, .buf = buf, .rn = n, .me = core_world.rank, .tag = t - mana_ctl->threads};
	int rc;

	x.rt = core_type_lower(type);
	st->error = 0;
	rc = core_bytes_type(t, d->bytes, &x.sn, &x.st);
	if (likely(!rc))
		rc = LOWER(t, deliver_below(core_lower, &x, st));
	core_bytes_type_free(t, &x.st);
	if (unlikely(rc && !st->error)) {
		if (c)
			put_back(c, d);
		return rc;
	}
	/* Open MPI 4.1 says nothing when a short message to oneself is truncated by a receive posted before. */
	if (unlikely(!rc && st->bytes < d->bytes))
		rc = st->error = MPI_ERR_TRUNCATE;
	st->source = d->source;
	st->tag = d->tag;
	st->cancelled = 0;
	if (unlikely(d->sync_vid))
		core_sync_acknowledge(t, d);
	core_free(d);
	return rc;
}
