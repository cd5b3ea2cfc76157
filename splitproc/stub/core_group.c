/* core_group.c - groups: lists of world ranks, wholly in the upper half. */
#include "core_objects.h"

static struct core_group empty_group = {.refs = 1, .rank = MPI_UNDEFINED};

struct core_group *core_group_of(MPI_Group h)
{
	if (h == MPI_GROUP_EMPTY)
		return &empty_group;
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_groups, VID(h));
}

/* Takes over the list. */
static MPI_Group group_of_list(int n, int *ranks)
{
	if (n == 0) {
		core_free(ranks);
		return MPI_GROUP_EMPTY;
	}
	struct core_group *g = core_alloc(sizeof *g);
	g->refs = 1;
	g->size = n;
	g->ranks = ranks;
	g->rank = MPI_UNDEFINED;
	for (int i = 0; i < n; i++)
		if (ranks[i] == core_world.rank)
			g->rank = i;
	g->vid = core_table_add(&core_groups, g);
	return HANDLE(MPI_Group, g->vid);
}

MPI_Group core_group_new(int n, const int *world_ranks)
{
	return group_of_list(n, core_dup(world_ranks, (size_t)n * sizeof(int)));
}

/* A table world rank -> rank in the list, or -1; *max: its length. */
static int *inverse(int n, const int *ranks, int *max)
{
	int top = 0;
	for (int i = 0; i < n; i++)
		if (ranks[i] >= top)
			top = ranks[i] + 1;
	int *inv = core_alloc(((size_t)top + 1) * sizeof(int));
	for (int i = 0; i < top; i++)
		inv[i] = -1;
	for (int i = 0; i < n; i++)
		inv[ranks[i]] = i;
	*max = top;
	return inv;
}

static inline int lookup(const int *inv, int max, int world)
{
	return world < max ? inv[world] : -1;
}

int core_group_similar(int n, const int *a, const int *b)
{
	int same = 1, max, result = MPI_SIMILAR;
	for (int i = 0; i < n && same; i++)
		same = a[i] == b[i];
	if (same)
		return MPI_IDENT;
	int *inv = inverse(n, a, &max);
	for (int i = 0; i < n && result == MPI_SIMILAR; i++)
		if (lookup(inv, max, b[i]) < 0)
			result = MPI_UNEQUAL;
	core_free(inv);
	return result;
}

int core_group_positions(const struct core_group *g, int n, const int *world, int *at)
{
	int max, rc = MPI_SUCCESS, *inv = inverse(n, world, &max);
	for (int i = 0; i < g->size; i++)
		if ((at[i] = lookup(inv, max, g->ranks[i])) < 0)
			rc = MPI_ERR_GROUP;
	core_free(inv);
	return rc;
}

int core_Group_size(MPI_Group group, int *size)
{
	struct core_group *g = core_group_of(group);
	if (!g)
		return MPI_ERR_GROUP;
	*size = g->size;
	return MPI_SUCCESS;
}

int core_Group_rank(MPI_Group group, int *rank)
{
	struct core_group *g = core_group_of(group);
	if (!g)
		return MPI_ERR_GROUP;
	*rank = g->rank;
	return MPI_SUCCESS;
}

int core_Group_free(MPI_Group *group)
{
	struct core_group *g = core_group_of(*group);
	if (!g)
		return MPI_ERR_GROUP;
	*group = MPI_GROUP_NULL;
	if (g == &empty_group)
		return MPI_SUCCESS;
	ENTER_LOCAL();
	core_table_del(&core_groups, g->vid);
	core_free(g->ranks);
	core_free(g);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Group_compare(MPI_Group group1, MPI_Group group2, int *result)
{
	struct core_group *a = core_group_of(group1), *b = core_group_of(group2);
	if (!a || !b)
		return MPI_ERR_GROUP;
	if (a->size != b->size) {
		*result = MPI_UNEQUAL;
		return MPI_SUCCESS;
	}
	ENTER_LOCAL();
	*result = core_group_similar(a->size, a->ranks, b->ranks);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Group_translate_ranks(MPI_Group group1, int n, const int ranks1[], MPI_Group group2, int ranks2[])
{
	struct core_group *a = core_group_of(group1), *b = core_group_of(group2);
	int max, bad = 0;
	if (!a || !b)
		return MPI_ERR_GROUP;
	if (n < 0 || (n && (!ranks1 || !ranks2)))
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	int *inv = inverse(b->size, b->ranks, &max);
	for (int i = 0; i < n && !bad; i++) {
		if (ranks1[i] == MPI_PROC_NULL) {
			ranks2[i] = MPI_PROC_NULL;
			continue;
		}
		bad = ranks1[i] < 0 || ranks1[i] >= a->size;
		if (bad)
			break;
		int r = lookup(inv, max, a->ranks[ranks1[i]]);
		ranks2[i] = r < 0 ? MPI_UNDEFINED : r;
	}
	core_free(inv);
	LEAVE_LOCAL(bad ? MPI_ERR_RANK : MPI_SUCCESS);
}

/* Members of a, in order, that are (or are not) in b; then, for a union, the rest of b. */
static int combine(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup, int common, int rest)
{
	struct core_group *a = core_group_of(group1), *b = core_group_of(group2);
	int max, n = 0;
	if (!a || !b)
		return MPI_ERR_GROUP;
	ENTER_LOCAL();
	int *out = core_alloc(((size_t)a->size + b->size + 1) * sizeof(int));
	int *inv = inverse(b->size, b->ranks, &max);
	for (int i = 0; i < a->size; i++)
		if (rest || (lookup(inv, max, a->ranks[i]) >= 0) == common)
			out[n++] = a->ranks[i];
	core_free(inv);
	if (rest) {
		inv = inverse(a->size, a->ranks, &max);
		for (int i = 0; i < b->size; i++)
			if (lookup(inv, max, b->ranks[i]) < 0)
				out[n++] = b->ranks[i];
		core_free(inv);
	}
	*newgroup = group_of_list(n, out);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Group_union(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
	return combine(group1, group2, newgroup, 0, 1);
}

int core_Group_intersection(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
	return combine(group1, group2, newgroup, 1, 0);
}

int core_Group_difference(MPI_Group group1, MPI_Group group2, MPI_Group *newgroup)
{
	return combine(group1, group2, newgroup, 0, 0);
}

/* The members at the listed positions, in that order; or all others, in group order. */
static int select_ranks(struct core_group *g, int n, const int ranks[], int exclude, MPI_Group *newgroup)
{
	int rc = MPI_SUCCESS, k = 0;
	ENTER_LOCAL();
	int *out = core_alloc(((size_t)g->size + 1) * sizeof(int));
	char *seen = core_alloc((size_t)g->size + 1);
	for (int i = 0; i < n && rc == MPI_SUCCESS; i++) {
		if (ranks[i] < 0 || ranks[i] >= g->size || seen[ranks[i]]) {
			rc = MPI_ERR_RANK;
			break;
		}
		seen[ranks[i]] = 1;
		if (!exclude)
			out[k++] = g->ranks[ranks[i]];
	}
	for (int i = 0; i < g->size && exclude; i++)
		if (!seen[i])
			out[k++] = g->ranks[i];
	core_free(seen);
	if (rc == MPI_SUCCESS)
		*newgroup = group_of_list(k, out);
	else
		core_free(out);
	LEAVE_LOCAL(rc);
}

int core_Group_incl(MPI_Group group, int n, const int ranks[], MPI_Group *newgroup)
{
	struct core_group *g = core_group_of(group);
	if (!g)
		return MPI_ERR_GROUP;
	return n < 0 ? MPI_ERR_ARG : select_ranks(g, n, ranks, 0, newgroup);
}

int core_Group_excl(MPI_Group group, int n, const int ranks[], MPI_Group *newgroup)
{
	struct core_group *g = core_group_of(group);
	if (!g)
		return MPI_ERR_GROUP;
	return n < 0 ? MPI_ERR_ARG : select_ranks(g, n, ranks, 1, newgroup);
}

static int select_ranges(MPI_Group group, int n, const int ranges[][3], int exclude, MPI_Group *newgroup)
{
	struct core_group *g = core_group_of(group);
	int k = 0;
	if (!g)
		return MPI_ERR_GROUP;
	if (n < 0)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	int *list = core_alloc(((size_t)g->size + 1) * sizeof(int)), rc = MPI_SUCCESS;
	for (int i = 0; i < n && rc == MPI_SUCCESS; i++) {
		int64_t first = ranges[i][0], last = ranges[i][1], stride = ranges[i][2];
		if (stride == 0) {
			rc = MPI_ERR_ARG;
			break;
		}
		for (int64_t r = first; stride > 0 ? r <= last : r >= last; r += stride) {
			if (r < 0 || r >= g->size || k == g->size) {
				rc = MPI_ERR_RANK;
				break;
			}
			list[k++] = (int)r;
		}
	}
	if (rc == MPI_SUCCESS)
		rc = select_ranks(g, k, list, exclude, newgroup);
	core_free(list);
	LEAVE_LOCAL(rc);
}

int core_Group_range_incl(MPI_Group group, int n, int ranges[][3], MPI_Group *newgroup)
{
	return select_ranges(group, n, (const int(*)[3])ranges, 0, newgroup);
}

int core_Group_range_excl(MPI_Group group, int n, int ranges[][3], MPI_Group *newgroup)
{
	return select_ranges(group, n, (const int(*)[3])ranges, 1, newgroup);
}
