/* core_repost.c - after a restart: pending receives are posted again, in the
 * order in which the program posted them. Sends and collectives were completed
 * by the drain, and persistent requests that are not started need nothing. */
#include "core_p2p.h"

/* Heap sort by seq: no recursion, no memory. */
static void sift(struct core_request **a, int i, int n)
{
	for (int k; (k = 2 * i + 1) < n; i = k) {
		struct core_request *tmp = a[i];

		if (k + 1 < n && a[k + 1]->seq > a[k]->seq)
			k++;
		if (tmp->seq >= a[k]->seq)
			return;
		a[i] = a[k];
		a[k] = tmp;
	}
}

static void sort_by_seq(struct core_request **a, int n)
{
	for (int i = n / 2; i-- > 0;)
		sift(a, i, n);
	for (int i = n; i-- > 1;) {
		struct core_request *tmp = a[0];

		a[0] = a[i];
		a[i] = tmp;
		sift(a, 0, i);
	}
}

static void post(volatile struct mana_thread *t, struct core_request *r)
{
	MPI_Datatype lt;
	int rc;

	r->lower = 0;
	if (r->comm->freed)
		return; /* no message can come any more: all members have freed it, and the drain took in the rest */
	lt = core_type_lower(core_request_type(r));
	rc = LOWER(t, core_lower->p.irecv(r->buf, r->count, lt, r->peer, r->tag, r->comm->lower, &r->lower));
	if (rc)
		core_die("cannot post a receive again after the restart (error class %d)", rc);
	if (r->cancel)
		LOWER(t, core_lower->f.Cancel(&r->lower));
}

void core_repost_receives(void)
{
	volatile struct mana_thread *t = core_self_thread();
	int max = core_requests.used, n = 0;
	struct core_request **a = core_alloc((max + 1) * sizeof(*a));

	for (int i = 0; i < max; i++) {
		struct core_request *r = core_table_get(&core_requests, VID_BASE + i);

		if (!r || !r->live || r->state != REQ_ACTIVE || r->kind == REQ_GENERALIZED || r->poll)
			continue;
		if (r->kind != REQ_RECV)
			core_die("a request of kind %d was not completed before the checkpoint", r->kind);
		a[n++] = r;
	}
	sort_by_seq(a, n);
	for (int i = 0; i < n; i++)
		post(t, a[i]);
	core_free(a);
}
