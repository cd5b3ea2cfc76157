/* core_drain.c - takes in every message that is on its way, on all ranks at once.
 *
 * Runs on the thread that initialised MPI while all other threads stand at the
 * gate or outside MPI. Each rank learns how many messages every peer has sent
 * it and receives until its own counts say the same; meanwhile its sends and
 * collectives complete. Which synchronous sends are not over although they
 * completed below is found out in the end (core_sync.c).
 */
#include <time.h>

#include "core_p2p.h"
#include "core_win.h"

#define GIVE_UP_SECONDS 60 /* without any progress: a message was lost, or never received below */

struct drain {
	volatile struct mana_thread *t;
	uint64_t *expect;          /* messages each world rank has sent me */
	int n;                     /* of the following */
	struct core_request **r;   /* active below */
	MPI_Request *lower;
	struct mana_status *st;
	int *which;
	int waiting;               /* of these, how many must complete */
};

static int64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* A receive may stay active; everything else must end. */
static int must_end(const struct core_request *r)
{
	return r->kind != REQ_RECV;
}

/* Lists what is active below. No request is made or freed during the drain. */
static void list_active(struct drain *d)
{
	struct core_request *r;
	int n = core_requests.used;

	d->r = core_alloc((n + 1) * sizeof(*d->r));
	for (int i = 0; i < n; i++) {
		r = core_table_get(&core_requests, VID_BASE + i);
		if (r && r->live && r->state == REQ_ACTIVE && r->lower) {
			d->r[d->n++] = r;
			d->waiting += must_end(r);
		}
	}
	d->lower = core_alloc((d->n + 1) * sizeof(*d->lower));
	d->st = core_alloc((d->n + 1) * sizeof(*d->st));
	d->which = core_alloc((d->n + 1) * sizeof(*d->which));
}

/* Tests them all once; returns how many completed. */
static int test_active(struct drain *d)
{
	int n = 0, kept = 0, ndone = 0;

	if (!d->n)
		return 0;
	for (int i = 0; i < d->n; i++)
		d->lower[i] = d->r[i]->lower;
	LOWER(d->t, core_lower->p.test(d->n, d->lower, MANA_WAIT_SOME, &ndone, d->which, d->st));
	for (int i = 0; i < d->n; i++) {
		struct core_request *r = d->r[i];

		if (d->lower[i]) {
			d->r[kept++] = r;
			continue;
		}
		d->waiting -= must_end(r);
		if (r->kind == REQ_SEND && r->mode == SEND_SYNC && !d->st[i].error && !d->st[i].cancelled)
			core_sync_taken(r);
		else
			core_request_complete(r, &d->st[i]);
		n++;
	}
	d->n = kept;
	return n;
}

/* Messages that the program matched but has not received. */
static void take_matched(struct drain *d)
{
	for (uint32_t i = 0; i < core_messages.used; i++) {
		struct core_message *m = core_table_get(&core_messages, VID_BASE + i);

		if (!m || !m->lower)
			continue;
		m->drained = core_drained_receive(d->t, m->comm, &m->lower, &m->st);
		m->lower = 0;
	}
}

static int take_from(struct drain *d, struct core_comm *c)
{
	struct mana_status st;
	MPI_Message m;
	int flag, n = 0;

	if (!c || c->freed || !VID(c->lower))
		return 0;
	for (;;) {
		flag = 0;
		if (LOWER(d->t, core_lower->p.improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->lower, &flag, &m, &st)) || !flag)
			return n;
		core_drained_append(c, core_drained_receive(d->t, c, &m, &st));
		n++;
	}
}

static int take_all(struct drain *d)
{
	int n = take_from(d, &core_world) + take_from(d, &core_self) + take_from(d, &core_parts);

	for (uint32_t i = 0; i < core_comms.used; i++)
		n += take_from(d, core_table_get(&core_comms, VID_BASE + i));
	return n;
}

/* World rank of a peer whose messages have not all come, or -1. */
static int missing(const struct drain *d)
{
	for (int i = 0; i < core_world.size; i++)
		if (core_received[i] < d->expect[i])
			return i;
	return -1;
}

static int until_quiet(struct drain *d)
{
	int64_t last = seconds();
	int from, progress;

	while ((from = missing(d)) >= 0 || d->waiting > 0) {
		progress = test_active(d);
		if (missing(d) >= 0)
			progress += take_all(d);
		if (progress)
			last = seconds();
		else if (seconds() - last > GIVE_UP_SECONDS)
			return -1;
	}
	return 0;
}

/* Puts the reason into the control page. */
static void explain(const struct drain *d)
{
	static const char sends[] = "drain: a send or a nonblocking collective does not complete";
	static const char lost[] = "drain: a message that was sent to this rank does not arrive";
	const char *why = missing(d) >= 0 ? lost : sends;
	int i;

	for (i = 0; why[i]; i++)
		mana_ctl->errmsg[i] = why[i];
	mana_ctl->errmsg[i] = 0;
}

int core_drain_messages(void)
{
	struct drain d = {.t = core_self_thread()};
	int failed, shared, anyone = 0;
	struct {
		int failed, asking; /* 0 or -1 */
	} mine, any = {0, 0};

	d.expect = core_alloc(core_world.size * sizeof(*d.expect));
	if (LOWER(d.t, core_lower->f.Alltoall(core_sent, 1, MPI_INT64_T, d.expect, 1, MPI_INT64_T, core_private)))
		return -1;
	take_matched(&d);
	list_active(&d);
	failed = until_quiet(&d);
	if (failed)
		explain(&d);
	if (core_win_drain(d.t)) /* collective: also where this rank has failed already */
		failed = -1;
	mine.failed = failed;
	mine.asking = -core_sync_asking();
	LOWER(d.t, core_lower->f.Allreduce(&mine, &any, 2, MPI_INT, MPI_MIN, core_private));
	if (any.asking && core_sync_settle(d.t))
		any.failed = -1;
	if (!any.failed) { /* now nothing moves anywhere, until the last barrier: no rank has been let go yet */
		shared = core_win_save();
		LOWER(d.t, core_lower->f.Allreduce(&shared, &anyone, 1, MPI_INT, MPI_MAX, core_private));
	}
	core_free(d.expect);
	core_free(d.r);
	core_free(d.lower);
	core_free(d.st);
	core_free(d.which);
	return any.failed;
}
