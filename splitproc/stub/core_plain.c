/* core_plain.c - completion of many usual requests at once, without statuses. */
#include "core_plain.h"

/* Records what is over. failed: one of that has failed; which one nobody will ask, since all are of one communicator. */
static __attribute__((noinline, cold)) void record(struct core_plain *p, int n, int failed)
{
	struct mana_status st = {.error = failed};

	for (int i = 0; i < n; i++)
		if (!p->lower[i]) {
			core_request_complete(p->r[i], &st);
			st.error = 0;
		}
}

/* The requests go back to the pool together and count together: a store that the next one has to load again takes as
 * long as all the rest. */
static void end_all(struct core_plain *p, int n)
{
	struct core_comm *comm = p->r[0]->comm;
	const int *world = comm->inter ? comm->remote_world : comm->world;
	struct core_request *first = 0;
	uint64_t *count = core_received, by = 0;

	for (int i = n; i-- > 0;) {
		struct core_request *r = p->r[i];

		if (r->kind == REQ_RECV) {
			uint64_t *c = &core_received[world[r->peer]];

			if (unlikely(c != count)) {
				core_add(count, (int64_t)by);
				count = c;
				by = 0;
			}
			by++;
		}
		if (unlikely(r->type >= VID_BASE))
			core_type_unref(core_request_type(r));
		r->head = CORE_HEAD(REQ_RECV, REQ_INACTIVE, 0);
		r->comm = 0;
		r->next_free = first;
		first = r;
	}
	core_add(count, (int64_t)by);
	for (int i = 0; i < n && !core_comm_fixed(comm); i++)
		core_comm_unref(comm);
	core_requests_give(first, p->r[n - 1]);
}

int core_plain_over(volatile struct mana_thread *t, struct core_plain *p, int n, const uint32_t *seq)
{
	int rc = LOWER_WAIT(t, core_lower->p.over(n, p->lower, seq));

	if (unlikely(rc)) {
		record(p, n, rc == MANA_INTERRUPTED ? 0 : rc);
		return rc == MANA_INTERRUPTED && !seq ? 0 : -1;
	}
	end_all(p, n);
	return 1;
}
