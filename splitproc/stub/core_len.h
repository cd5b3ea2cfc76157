/* core_len.h - lengths of arrays that depend on the communicator. */
#ifndef MANA_CORE_LEN_H
#define MANA_CORE_LEN_H

#include "core.h"

/* Entries of an array that has one per process of the other side (v and w collectives). */
static inline int core_np(const struct core_comm *c)
{
	return !c ? 0 : c->inter ? c->remote_size : c->size;
}

static inline int core_lp(const struct core_comm *c)
{
	return c ? c->size : 0;
}

/* Neighbours in the communicator's topology. */
static inline int core_degree(const struct core_comm *c, int out)
{
	const struct core_topo *t = c ? c->topo : 0;
	if (!t)
		return 0;
	switch (t->kind) {
	case MPI_CART:
		return 2 * t->ndims;
	case MPI_GRAPH:
		return t->index[c->rank] - (c->rank ? t->index[c->rank - 1] : 0);
	default:
		return out ? t->outdegree : t->indegree;
	}
}

#endif
