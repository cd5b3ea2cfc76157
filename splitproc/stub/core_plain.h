/* core_plain.h - completion of many usual requests at once, without statuses.
 *
 * The front ends try this first when a program ignores the statuses: sends and
 * receives of one communicator from known ranks. Of such nobody need know more
 * than that they are over.
 */
#ifndef MANA_CORE_PLAIN_H
#define MANA_CORE_PLAIN_H

#include "core_p2p.h"

#define PLAIN_MAX MANA_OVER_MAX

struct core_plain {
	struct core_request *r[PLAIN_MAX];
	MPI_Request lower[PLAIN_MAX]; /* of each */
};

/* The request that h names, if it is a usual one; core_over also for none at all; NULL: something else. */
static inline struct core_request *core_plain_of(MPI_Request h)
{
	struct core_request *r = core_table_get(&core_requests, VID(h));

	if (unlikely(!r))
		return h == MPI_REQUEST_NULL ? &core_over : 0;
	if (likely(r->head == CORE_HEAD(REQ_RECV, REQ_ACTIVE, 1)))
		return likely(r->lower && r->peer >= 0) ? r : 0;
	return r == &core_over || (r->head == CORE_HEAD(REQ_SEND, REQ_ACTIVE, 1) && r->lower) ? r : 0;
}

/* Are n of them, all of one communicator, over? Waits unless seq is NULL. 1: they are, and back in the pool. 0: a test
 * that says no, and has changed nothing. Negative: a checkpoint is announced or one has failed, what is over is recorded,
 * and the call must go on as any other. */
HIDDEN int core_plain_over(volatile struct mana_thread *t, struct core_plain *p, int n, const uint32_t *seq);

#endif
