/* forward.h - what the generated collectives share: the gate, copies of handle
 * arrays, and what a nonblocking or persistent one keeps until it is over.
 */
#ifndef MANA_FORWARD_H
#define MANA_FORWARD_H

#include "core.h"

/* A collective over one process passes no clock: nobody waits for anybody. */
static inline volatile struct mana_thread *forward_enter(struct core_comm *c)
{
	if (c->size > 1 || c->inter) {
		ENTER_COLL(c);
		return self_;
	}
	ENTER();
	return self_;
}

/* Is this rank the root, where more arguments count? */
__attribute__((unused)) static inline int forward_root(const struct core_comm *c, int root)
{
	return c->inter ? root == MPI_ROOT : root == c->rank;
}

/* A copy of an array of datatypes as lower handles; the adapter writes into it. */
#define FORWARD_TYPES(name, from, n)                                                \
	MPI_Datatype small_##name[32];                                              \
	int len_##name = (from) ? (n) : 0;                                          \
	MPI_Datatype *name = len_##name <= 32 ? small_##name : core_alloc((size_t)len_##name * sizeof *name); \
	for (int i_ = 0; i_ < len_##name; i_++)                                     \
		name[i_] = core_type_lower((from)[i_])
#define FORWARD_TYPES_FREE(name)          \
	do {                              \
		if (name != small_##name) \
			core_free(name);  \
	} while (0)

/* Hangs from a request (aux) of a collective that outlives its call. */
struct coll {
	MPI_Op op;                /* referenced */
	MPI_Datatype scalar[2];   /* referenced */
	MPI_Datatype *types[2];   /* referenced copies of the program's arrays (persistent) */
	int n[2];
	MPI_Datatype *scratch[2]; /* lower handles, the adapter's until the operation is over */
};

/* The communicator that a persistent collective over p runs on, until core_lane_leave; collective. */
HIDDEN int core_lane_take(struct core_comm *p, struct core_comm **lane);
HIDDEN void core_lane_leave(struct core_comm *lane);

HIDDEN void *coll_attach(struct core_request *r, size_t size);
HIDDEN void coll_keep(struct coll *a, MPI_Datatype first, MPI_Datatype second, MPI_Op op);
HIDDEN MPI_Datatype *coll_keep_types(struct coll *a, int which, const MPI_Datatype *types, int n);
/* Lower handles of n types, into `to` or fresh memory; NULL of NULL. */
HIDDEN MPI_Datatype *coll_lower_types(const MPI_Datatype *types, int n, MPI_Datatype *to);
HIDDEN int coll_posted(struct core_request *r, int rc, MPI_Request *request);
HIDDEN void coll_persistent(struct core_request *r, int (*start)(struct core_request *r));
HIDDEN int coll_started(struct core_request *r, int rc);

#endif
