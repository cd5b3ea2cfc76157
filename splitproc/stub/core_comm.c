/* core_comm.c - communicator objects: lists of members, queries, release. */
#include <string.h>

#include "core_local.h"

struct core_comm core_world = {.vid = 0x101, .refs = 1, .rank = MPI_UNDEFINED, .name = "MPI_COMM_WORLD"};
struct core_comm core_self = {.vid = 0x102, .refs = 1, .rank = MPI_UNDEFINED, .name = "MPI_COMM_SELF"};

void *core_dup(const void *p, size_t n)
{
	if (!n)
		return 0;
	void *q = core_alloc(n);
	memcpy(q, p, n);
	return q;
}

void core_copy_name(char *dst, const char *src, size_t max)
{
	size_t n = strlen(src);
	if (n >= max)
		n = max - 1;
	memcpy(dst, src, n);
	dst[n] = 0;
}

void core_need_mpi(const char *function)
{
	if (mana_ctl->inited != MANA_INITED)
		core_die("%s: called %s", function,
		         mana_ctl->inited == MANA_FINALIZED ? "after MPI_Finalize" : "before MPI_Init");
}

int core_comm_set_lists(struct core_comm *c, int n, int *world)
{
	int me = core_world.rank; /* c may be the world itself */
	c->size = n;
	c->world = world;
	c->rank = MPI_UNDEFINED;
	for (int i = 0; i < n; i++)
		if (world[i] == me)
			c->rank = i;
	return c->rank;
}

struct core_comm *core_comm_new(MPI_Comm lower, int n, int *world, uint64_t gid)
{
	struct core_comm *c = core_alloc(sizeof *c);
	c->lower = lower;
	c->refs = 1;
	c->gid = gid;
	core_comm_set_lists(c, n, world);
	c->clock = core_clock_comm(gid);
	c->errh = 0; /* the default */
	c->vid = core_table_add(&core_comms, c);
	return c;
}

void core_comm_unref(struct core_comm *c)
{
	if (core_comm_fixed(c) || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	core_drained_drop(c);
	core_table_del(&core_comms, c->vid);
	core_free(c->world);
	core_free(c->remote_world);
	core_free(c->lanes);
	core_topo_drop(c->topo);
	core_info_drop(c->info);
	core_free(c->buffer); /* no request charged to it is left: each holds a reference to c */
	core_free(c);
}

int core_comm_members(volatile struct mana_thread *t, MPI_Comm lower, int remote, int *n, int **ranks)
{
	MPI_Comm world = core_world.lower;
	int rc = remote ? LOWER(t, core_lower->f.Comm_remote_size(lower, n)) : LOWER(t, core_lower->f.Comm_size(lower, n));
	if (rc != MPI_SUCCESS)
		return rc;
	*ranks = core_alloc((size_t)*n * sizeof(int));
	rc = LOWER(t, core_lower->p.members(lower, remote, world, *n, *ranks));
	if (rc != MPI_SUCCESS)
		core_free(*ranks);
	return rc;
}

/* The clock of what is collective over the members of c, both sides together. */
static volatile struct mana_clock *members_clock(const struct core_comm *c)
{
	if (!c->inter)
		return core_clock_group(c->size, c->world);
	int n = c->size + c->remote_size;
	int *all = core_alloc((size_t)n * sizeof(int));
	memcpy(all, c->world, (size_t)c->size * sizeof(int));
	memcpy(all + c->size, c->remote_world, (size_t)c->remote_size * sizeof(int));
	volatile struct mana_clock *k = core_clock_group(n, all);
	core_free(all);
	return k;
}

static int free_lower(struct core_comm *c, volatile struct mana_clock *k)
{
	ENTER_CLOCK(k);
	MPI_Comm lower = c->lower;
	c->freed = 1;
	c->lower = MPI_COMM_NULL;
	core_clock_drop(c->clock);
	c->clock = 0;
	core_errh_unref(c->errh);
	int rc = LOWER(self_, core_lower->f.Comm_free(&lower));
	core_comm_unref(c);
	LEAVE(rc);
}

int core_comm_end(struct core_comm *c)
{
	volatile struct mana_thread *t = core_self_thread();
	t->state = MANA_IN;
	return free_lower(c, members_clock(c));
}

int core_Comm_free(MPI_Comm *comm)
{
	struct core_comm *c = core_comm_of(*comm);
	if (!c || core_comm_fixed(c) || c->freed)
		return MPI_ERR_COMM;
	int rc = core_attrs_delete(KEYVAL_COMM, VID(*comm), &c->attrs);
	if (rc != MPI_SUCCESS)
		return rc;
	*comm = MPI_COMM_NULL;
	rc = core_lanes_free(c);
	return rc == MPI_SUCCESS ? core_comm_end(c) : rc;
}

int core_Comm_disconnect(MPI_Comm *comm)
{
	return core_Comm_free(comm);
}

int core_Comm_rank(MPI_Comm comm, int *rank)
{
	return core_local_Comm_rank(comm, rank);
}

int core_Comm_size(MPI_Comm comm, int *size)
{
	return core_local_Comm_size(comm, size);
}

int core_Comm_remote_size(MPI_Comm comm, int *size)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || !c->inter)
		return MPI_ERR_COMM;
	*size = c->remote_size;
	return MPI_SUCCESS;
}

/* No job here was spawned by another. */
int core_Comm_get_parent(MPI_Comm *parent)
{
	*parent = MPI_COMM_NULL;
	return MPI_SUCCESS;
}

int core_Comm_test_inter(MPI_Comm comm, int *flag)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	*flag = c->inter;
	return MPI_SUCCESS;
}

int core_Comm_group(MPI_Comm comm, MPI_Group *group)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	core_need_mpi("MPI_Comm_group");
	ENTER_LOCAL();
	*group = core_group_new(c->size, c->world);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_remote_group(MPI_Comm comm, MPI_Group *group)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || !c->inter)
		return MPI_ERR_COMM;
	ENTER_LOCAL();
	*group = core_group_new(c->remote_size, c->remote_world);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_compare(MPI_Comm comm1, MPI_Comm comm2, int *result)
{
	struct core_comm *a = core_comm_of(comm1), *b = core_comm_of(comm2);
	if (!a || !b)
		return MPI_ERR_COMM;
	*result = a == b ? MPI_IDENT : MPI_UNEQUAL;
	if (a == b || a->inter != b->inter || a->size != b->size || a->remote_size != b->remote_size)
		return MPI_SUCCESS;
	ENTER_LOCAL();
	int l = core_group_similar(a->size, a->world, b->world);
	int r = core_group_similar(a->remote_size, a->remote_world, b->remote_world);
	if (l == MPI_IDENT && r == MPI_IDENT)
		*result = MPI_CONGRUENT;
	else if (l != MPI_UNEQUAL && r != MPI_UNEQUAL)
		*result = MPI_SIMILAR;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_set_name(MPI_Comm comm, const char *comm_name)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	core_copy_name(c->name, comm_name, sizeof c->name);
	return MPI_SUCCESS;
}

int core_Comm_get_name(MPI_Comm comm, char *comm_name, int *resultlen)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	core_copy_name(comm_name, c->name, MPI_MAX_OBJECT_NAME);
	*resultlen = (int)strlen(comm_name);
	return MPI_SUCCESS;
}

int core_Comm_set_info(MPI_Comm comm, MPI_Info info)
{
	struct core_comm *c = core_comm_of(comm);
	struct core_info *i = core_info_of(info);
	if (!c)
		return MPI_ERR_COMM;
	if (!i && info != MPI_INFO_NULL)
		return MPI_ERR_INFO;
	ENTER_LOCAL();
	core_info_drop(c->info);
	c->info = core_info_copy(i);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_get_info(MPI_Comm comm, MPI_Info *info_used)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	if (!c->info)
		return core_Info_create(info_used);
	ENTER_LOCAL();
	struct core_info *used = core_info_copy(c->info);
	core_info_keep(used, "mpi_"); /* what the standard defines: no other hint has an effect */
	*info_used = core_info_handle(used);
	LEAVE_LOCAL(MPI_SUCCESS);
}
