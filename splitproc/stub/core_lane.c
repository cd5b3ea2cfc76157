/* core_lane.c - the communicators that persistent collectives run on.
 *
 * Processes may start persistent collectives in different orders (MPI-4.0,
 * 6.13), and each start is a nonblocking collective, of which those of one
 * communicator must begin in the same order everywhere. So each has a *lane*,
 * a duplicate of its communicator, to itself. Lanes are made while a persistent
 * collective is, which is collective too, and used again when all members have
 * freed the request that they belonged to.
 */
#include "core_objects.h"
#include "forward.h"

/* One byte per lane of p: 255 if nobody among its members uses it. *idle is core_free'd by the caller. */
static int agree(struct core_comm *p, unsigned char **idle)
{
	int n = p->nlanes, rc = MPI_SUCCESS;
	unsigned char *mine, *all;

	*idle = 0;
	if (!n)
		return MPI_SUCCESS;
	mine = core_alloc((size_t)n);
	all = *idle = core_alloc((size_t)n);
	ENTER_COLL(p);
	for (int i = 0; i < n; i++)
		all[i] = p->lanes[i]->busy ? 0 : 255;
	/* Between two groups each learns about the other: the second round brings back what that has learnt. */
	for (int round = 0; round <= p->inter && rc == MPI_SUCCESS; round++) {
		for (int i = 0; i < n; i++)
			mine[i] = round ? mine[i] & all[i] : all[i];
		rc = LOWER(self_, core_lower->f.Allreduce(mine, all, n, MPI_UNSIGNED_CHAR, MPI_BAND, p->lower));
	}
	core_free(mine);
	LEAVE(rc);
}

static int find(struct core_comm *p, struct core_comm **lane)
{
	unsigned char *idle;
	int rc = agree(p, &idle);

	*lane = 0;
	for (int i = 0; rc == MPI_SUCCESS && i < p->nlanes && !*lane; i++)
		if (idle[i])
			*lane = p->lanes[i];
	core_free(idle);
	return rc;
}

static int make(struct core_comm *p, struct core_comm **lane)
{
	int rc = core_comm_twin(p, 0, lane);

	if (rc != MPI_SUCCESS)
		return rc;
	(*lane)->lane_of = p;
	p->lanes = core_realloc(p->lanes, (size_t)(p->nlanes + 1) * sizeof(*p->lanes));
	p->lanes[p->nlanes++] = *lane;
	return MPI_SUCCESS;
}

int core_lane_take(struct core_comm *p, struct core_comm **lane)
{
	int rc;

	if (p->size == 1 && !p->inter) { /* nobody to be in step with */
		*lane = p;
		return MPI_SUCCESS;
	}
	rc = find(p, lane);
	if (rc == MPI_SUCCESS && !*lane)
		rc = make(p, lane);
	if (rc == MPI_SUCCESS)
		(*lane)->busy = 1;
	return rc;
}

void core_lane_leave(struct core_comm *lane)
{
	lane->busy = 0;
}

int core_lanes_free(struct core_comm *p)
{
	unsigned char *idle;
	int rc = agree(p, &idle);

	for (int i = 0; i < p->nlanes && rc == MPI_SUCCESS; i++) {
		p->lanes[i]->lane_of = 0; /* a request that somebody still has keeps it */
		if (idle[i])
			rc = core_comm_end(p->lanes[i]);
	}
	p->nlanes = 0;
	core_free(idle);
	return rc;
}
