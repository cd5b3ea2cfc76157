/* core_comm_make.c - calls that make communicators.
 *
 * Each is a collective on its parent (create_group: on the member set). The
 * new object exists before the call leaves the collective state, so a
 * checkpoint finds it on all members or on none.
 */
#include <string.h>

#include "core_objects.h"

/* Same on all ranks of the parent, since creating calls are ordered there. */
uint64_t core_comm_child_gid(struct core_comm *parent)
{
	uint64_t n = parent->children++;
	return core_hash(parent->gid, &n, sizeof n);
}

/* Children of one call differ in their first member. */
uint64_t core_gid_first(uint64_t gid, int first)
{
	return core_hash(gid, &first, sizeof first);
}

int core_comm_child(volatile struct mana_thread *t, struct core_comm *parent, MPI_Comm lower, uint64_t seed,
                    struct core_comm **out)
{
	int n, rn = 0, inter = 0, *ranks, *remote = 0;
	*out = 0;
	if (lower == MPI_COMM_NULL)
		return MPI_SUCCESS;
	int rc = core_comm_members(t, lower, 0, &n, &ranks);
	if (rc == MPI_SUCCESS && parent->inter)
		rc = LOWER(t, core_lower->f.Comm_test_inter(lower, &inter));
	if (rc == MPI_SUCCESS && inter)
		rc = core_comm_members(t, lower, 1, &rn, &remote);
	if (rc != MPI_SUCCESS)
		return rc;
	int first = inter && remote[0] < ranks[0] ? remote[0] : ranks[0];
	struct core_comm *c = core_comm_new(lower, n, ranks, core_gid_first(seed, first));
	c->inter = inter;
	c->remote_size = rn;
	c->remote_world = remote;
	core_errh_ref(parent->errh);
	c->errh = parent->errh;
	*out = c;
	return MPI_SUCCESS;
}

static MPI_Comm handle_of(const struct core_comm *c)
{
	return c ? COMM_HANDLE(c) : MPI_COMM_NULL;
}

/* Same members, same topology; hints are the caller's. */
int core_comm_twin(struct core_comm *p, const struct core_info *hints, struct core_comm **out)
{
	MPI_Comm lower = MPI_COMM_NULL;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Comm_dup(from, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, out);
	if (rc == MPI_SUCCESS) {
		(*out)->topo = core_topo_copy(p->topo);
		(*out)->info = core_info_copy(hints);
	}
	LEAVE(rc);
}

static int dup(MPI_Comm comm, const struct core_info *info, MPI_Comm *newcomm)
{
	struct core_comm *p = core_comm_of(comm), *c = 0;
	*newcomm = MPI_COMM_NULL;
	if (!p)
		return MPI_ERR_COMM;
	int rc = core_comm_twin(p, info, &c);
	if (rc != MPI_SUCCESS)
		return rc;
	*newcomm = COMM_HANDLE(c);
	rc = core_attrs_copy(KEYVAL_COMM, VID(comm), p->attrs, &c->attrs);
	if (rc != MPI_SUCCESS)
		core_Comm_free(newcomm);
	return rc;
}

int core_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
{
	return dup(comm, 0, newcomm); /* hints are not inherited since MPI-4 */
}

int core_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm)
{
	return dup(comm, core_info_of(info), newcomm);
}

int core_Comm_split(MPI_Comm comm, int color, int key, MPI_Comm *newcomm)
{
	struct core_comm *p = core_comm_of(comm), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	if (!p)
		return MPI_ERR_COMM;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Comm_split(from, color, key, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	*newcomm = handle_of(c);
	LEAVE(rc);
}

int core_Comm_split_type(MPI_Comm comm, int split_type, int key, MPI_Info info, MPI_Comm *newcomm)
{
	struct core_comm *p = core_comm_of(comm), *c = 0;
	struct core_info *i = core_info_of(info);
	MPI_Comm lower = MPI_COMM_NULL;
	MPI_Info hints;
	if (!p)
		return MPI_ERR_COMM;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = core_info_lower(self_, i, &hints);
	if (rc == MPI_SUCCESS)
		rc = LOWER(self_, core_lower->f.Comm_split_type(from, split_type, key, hints, &lower));
	core_info_lower_done(self_, &hints, i, split_type == MPI_COMM_TYPE_HW_UNGUIDED ? "mpi_hw_resource_type" : 0);
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c)
		c->info = core_info_copy(i);
	*newcomm = handle_of(c);
	LEAVE(rc);
}

/* Not by a split: MPICH 4.0 hangs on what that gives when the first process of
 * a side has no colour. */
static int create_inter(struct core_comm *p, int n, const int *at, MPI_Comm *newcomm)
{
	struct core_comm *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->p.comm_create(from, n, at, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	*newcomm = handle_of(c);
	LEAVE(rc);
}

/* Positions of the group's members in p, as a fresh list. */
static int positions(const struct core_comm *p, const struct core_group *g, int **at)
{
	ENTER_LOCAL();
	*at = core_alloc(((size_t)g->size + 1) * sizeof(int));
	LEAVE_LOCAL(core_group_positions(g, p->size, p->world, *at));
}

/* Groups live in the core, so the lower half is told by colour and key: the
 * group's first member, and the position in the group. */
int core_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm *newcomm)
{
	struct core_comm *p = core_comm_of(comm);
	struct core_group *g = core_group_of(group);
	int *at;
	if (!p)
		return MPI_ERR_COMM;
	if (!g)
		return MPI_ERR_GROUP;
	int rc = positions(p, g, &at);
	if (rc == MPI_SUCCESS && p->inter)
		rc = create_inter(p, g->size, at, newcomm);
	else if (rc == MPI_SUCCESS)
		rc = core_Comm_split(comm, g->rank == MPI_UNDEFINED ? MPI_UNDEFINED : g->ranks[0], g->rank, newcomm);
	core_free(at);
	return rc;
}

/* Collective over the group only, which therefore agrees on a gid of its own:
 * the first member's choice. Below it is made of the program's own communicator,
 * as libraries do not keep those apart that threads make of one at the same time. */
static int create_group(struct core_comm *p, const struct core_group *g, const int *at, int tag, struct core_comm **c)
{
	static uint64_t made;
	volatile struct mana_thread *t = core_self_thread();
	t->state = MANA_IN;
	volatile struct mana_clock *k = core_clock_group(g->size, g->ranks);
	ENTER_CLOCK(k);
	MPI_Comm lower = MPI_COMM_NULL, from = p->lower;
	uint64_t n = __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	uint64_t seed = core_gid_first(core_hash(p->gid ^ (uint64_t)tag, &n, sizeof n), -1);
	int rc = LOWER(self_, core_lower->p.comm_from_ranks(from, g->size, at, tag, &lower));
	if (rc == MPI_SUCCESS)
		rc = LOWER(self_, core_lower->f.Bcast(&seed, 1, MPI_UINT64_T, 0, lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, c);
	LEAVE(rc);
}

int core_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag, MPI_Comm *newcomm)
{
	struct core_comm *p = core_comm_of(comm), *c = 0;
	struct core_group *g = core_group_of(group);
	*newcomm = MPI_COMM_NULL;
	if (!p || p->inter)
		return MPI_ERR_COMM;
	if (!g)
		return MPI_ERR_GROUP;
	if (g->rank == MPI_UNDEFINED)
		return MPI_SUCCESS;
	int *at, rc = positions(p, g, &at);
	if (rc == MPI_SUCCESS)
		rc = create_group(p, g, at, tag, &c);
	core_free(at);
	*newcomm = handle_of(c);
	return rc;
}
