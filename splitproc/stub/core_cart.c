/* core_cart.c - Cartesian topologies: all answers come from the core. */
#include <string.h>

#include "core_objects.h"

static struct core_topo *cart_new(int ndims, const int *dims, const int *periods, int rank)
{
	struct core_topo *t = core_alloc(sizeof *t);
	t->kind = MPI_CART;
	t->ndims = ndims;
	t->dims = core_dup(dims, (size_t)ndims * sizeof(int));
	t->periods = core_dup(periods, (size_t)ndims * sizeof(int));
	t->coords = core_alloc(((size_t)ndims + 1) * sizeof(int));
	for (int i = ndims - 1; i >= 0; i--) {
		t->periods[i] = t->periods[i] != 0;
		t->coords[i] = rank % dims[i];
		rank /= dims[i];
	}
	return t;
}

static struct core_topo *cart_of(MPI_Comm comm, int *rc)
{
	struct core_comm *c = core_comm_of(comm);
	*rc = !c ? MPI_ERR_COMM : !c->topo || c->topo->kind != MPI_CART ? MPI_ERR_TOPOLOGY : MPI_SUCCESS;
	return *rc == MPI_SUCCESS ? c->topo : 0;
}

/* Number of processes in the grid, or -1. */
static int64_t grid_size(int ndims, const int *dims)
{
	int64_t n = 1;
	for (int i = 0; i < ndims; i++) {
		if (dims[i] <= 0)
			return -1;
		n *= dims[i];
		if (n > INT32_MAX)
			return n;
	}
	return n;
}

int core_Cart_create(MPI_Comm comm_old, int ndims, const int dims[], const int periods[], int reorder,
                     MPI_Comm *comm_cart)
{
	struct core_comm *p = core_comm_of(comm_old), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	(void)reorder; /* ranks stay as they are: a restart must find them so */
	if (!p || p->inter)
		return MPI_ERR_COMM;
	int64_t n = ndims < 0 ? -1 : grid_size(ndims, dims);
	if (n < 0)
		return MPI_ERR_DIMS;
	if (n > p->size)
		return MPI_ERR_ARG;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Cart_create(from, ndims, dims, periods, 0, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c)
		c->topo = cart_new(ndims, dims, periods, c->rank);
	*comm_cart = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}

int core_Cart_sub(MPI_Comm comm, const int remain_dims[], MPI_Comm *newcomm)
{
	int rc, n = 0;
	struct core_topo *t = cart_of(comm, &rc);
	struct core_comm *p = core_comm_of(comm), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	if (!t)
		return rc;
	ENTER_COLL(p);
	int *dims = core_alloc(2 * ((size_t)t->ndims + 1) * sizeof(int)), *periods = dims + t->ndims + 1;
	for (int i = 0; i < t->ndims; i++)
		if (remain_dims[i]) {
			dims[n] = t->dims[i];
			periods[n++] = t->periods[i];
		}
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	rc = LOWER(self_, core_lower->f.Cart_sub(from, remain_dims, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c)
		c->topo = cart_new(n, dims, periods, c->rank);
	core_free(dims);
	*newcomm = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}

int core_Cartdim_get(MPI_Comm comm, int *ndims)
{
	int rc;
	struct core_topo *t = cart_of(comm, &rc);
	if (t)
		*ndims = t->ndims;
	return rc;
}

int core_Cart_get(MPI_Comm comm, int maxdims, int dims[], int periods[], int coords[])
{
	int rc;
	struct core_topo *t = cart_of(comm, &rc);
	if (!t)
		return rc;
	if (maxdims < t->ndims)
		return MPI_ERR_ARG;
	for (int i = 0; i < t->ndims; i++) {
		dims[i] = t->dims[i];
		periods[i] = t->periods[i];
		coords[i] = t->coords[i];
	}
	return MPI_SUCCESS;
}

int core_Cart_coords(MPI_Comm comm, int rank, int maxdims, int coords[])
{
	int rc;
	struct core_topo *t = cart_of(comm, &rc);
	if (!t)
		return rc;
	if (rank < 0 || rank >= core_comm_of(comm)->size)
		return MPI_ERR_RANK;
	if (maxdims < t->ndims)
		return MPI_ERR_ARG;
	for (int i = t->ndims - 1; i >= 0; i--) {
		coords[i] = rank % t->dims[i];
		rank /= t->dims[i];
	}
	return MPI_SUCCESS;
}

/* Rank at the coordinates; periodic dimensions wrap, others give MPI_PROC_NULL. */
static int rank_at(const struct core_topo *t, const int *coords)
{
	int rank = 0;
	for (int i = 0; i < t->ndims; i++) {
		int x = coords[i], d = t->dims[i];
		if (x < 0 || x >= d) {
			if (!t->periods[i])
				return MPI_PROC_NULL;
			x = (x % d + d) % d;
		}
		rank = rank * d + x;
	}
	return rank;
}

int core_Cart_rank(MPI_Comm comm, const int coords[], int *rank)
{
	int rc;
	struct core_topo *t = cart_of(comm, &rc);
	if (!t)
		return rc;
	int r = rank_at(t, coords);
	if (r == MPI_PROC_NULL)
		return MPI_ERR_ARG;
	*rank = r;
	return MPI_SUCCESS;
}

static int neighbour(const struct core_topo *t, int direction, int64_t disp)
{
	int64_t x = t->coords[direction] + disp, d = t->dims[direction];
	if (x < 0 || x >= d) {
		if (!t->periods[direction])
			return MPI_PROC_NULL;
		x = (x % d + d) % d;
	}
	int rank = 0;
	for (int i = 0; i < t->ndims; i++)
		rank = rank * t->dims[i] + (i == direction ? (int)x : t->coords[i]);
	return rank;
}

int core_Cart_shift(MPI_Comm comm, int direction, int disp, int *rank_source, int *rank_dest)
{
	int rc;
	struct core_topo *t = cart_of(comm, &rc);
	if (!t)
		return rc;
	if (direction < 0 || direction >= t->ndims)
		return t->ndims ? MPI_ERR_ARG : MPI_ERR_DIMS;
	*rank_source = neighbour(t, direction, -(int64_t)disp);
	*rank_dest = neighbour(t, direction, disp);
	return MPI_SUCCESS;
}

int core_Cart_map(MPI_Comm comm, int ndims, const int dims[], const int periods[], int *newrank)
{
	struct core_comm *c = core_comm_of(comm);
	(void)periods;
	if (!c || c->inter)
		return MPI_ERR_COMM;
	int64_t n = ndims < 0 ? -1 : grid_size(ndims, dims);
	if (n < 0)
		return MPI_ERR_DIMS;
	if (n > c->size)
		return MPI_ERR_ARG;
	*newrank = c->rank < n ? c->rank : MPI_UNDEFINED;
	return MPI_SUCCESS;
}
