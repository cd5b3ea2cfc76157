/* core_type_make.c - datatype constructors: each records its arguments. */
#include <limits.h>
#include <string.h>

#include "core_objects.h"

static struct core_type *record(int combiner, MPI_Count ni, MPI_Count na, MPI_Count nc, MPI_Count nd)
{
	struct core_type *c = core_alloc(sizeof *c);
	c->combiner = combiner;
	c->ni = ni;
	c->na = na;
	c->nc = nc;
	c->nd = nd;
	c->ints = ni ? core_alloc((size_t)ni * sizeof *c->ints) : 0;
	c->addrs = na ? core_alloc((size_t)na * sizeof *c->addrs) : 0;
	c->counts = nc ? core_alloc((size_t)nc * sizeof *c->counts) : 0;
	c->types = nd ? core_alloc((size_t)nd * sizeof *c->types) : 0;
	return c;
}

static int fits(MPI_Count v)
{
	return v >= INT_MIN && v <= INT_MAX;
}

static void put_ints(int **to, const int *from, MPI_Count n)
{
	if (n)
		memcpy(*to, from, (size_t)n * sizeof **to);
	*to += n;
}

static void put_counts(MPI_Count **to, const MPI_Count *from, MPI_Count n)
{
	if (n)
		memcpy(*to, from, (size_t)n * sizeof **to);
	*to += n;
}

static void put_addrs(struct core_type *c, const MPI_Aint *from, MPI_Count n)
{
	if (n)
		memcpy(c->addrs, from, (size_t)n * sizeof *from);
}

/* n scalars: as ints where all fit, else as counts. */
static int scalars(int combiner, int n, const MPI_Count *v, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	int small = 1;
	for (int i = 0; i < n; i++)
		small &= fits(v[i]);
	struct core_type *c = record(combiner, small ? n : 0, 0, small ? 0 : n, 1);
	for (int i = 0; i < n; i++)
		if (small)
			c->ints[i] = (int)v[i];
		else
			c->counts[i] = v[i];
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_contiguous(MPI_Count count, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	return scalars(MPI_COMBINER_CONTIGUOUS, 1, &count, oldtype, newtype);
}

int core_Type_vector(MPI_Count count, MPI_Count blocklength, MPI_Count stride, MPI_Datatype oldtype,
                     MPI_Datatype *newtype)
{
	return scalars(MPI_COMBINER_VECTOR, 3, (MPI_Count[]){count, blocklength, stride}, oldtype, newtype);
}

int core_Type_create_hvector(MPI_Count count, MPI_Count blocklength, MPI_Count stride, MPI_Datatype oldtype,
                             MPI_Datatype *newtype)
{
	if (!fits(count) || !fits(blocklength))
		return scalars(MPI_COMBINER_HVECTOR, 3, (MPI_Count[]){count, blocklength, stride}, oldtype, newtype);
	struct core_type *c = record(MPI_COMBINER_HVECTOR, 2, 1, 0, 1);
	c->ints[0] = (int)count;
	c->ints[1] = (int)blocklength;
	c->addrs[0] = stride;
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_resized(MPI_Datatype oldtype, MPI_Count lb, MPI_Count extent, MPI_Datatype *newtype)
{
	struct core_type *c = record(MPI_COMBINER_RESIZED, 0, 2, 0, 1);
	c->addrs[0] = lb;
	c->addrs[1] = extent;
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_dup(MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	struct core_type *o = core_type_of(oldtype), *n;
	struct core_type *c = record(MPI_COMBINER_DUP, 0, 0, 0, 1);
	c->types[0] = oldtype;
	c->committed = o ? o->committed : 1; /* a duplicate is as committed as what it is of */
	*newtype = MPI_DATATYPE_NULL;
	int rc = core_type_finish(c, newtype);
	if (rc != MPI_SUCCESS)
		return rc;
	n = core_type_of(*newtype);
	rc = core_attrs_copy(KEYVAL_TYPE, VID(oldtype), *core_type_attrs(oldtype), &n->attrs);
	if (rc != MPI_SUCCESS)
		core_Type_free(newtype);
	return rc;
}

/* ---- indexed kinds ---- */

int core_Type_indexed(int count, const int array_of_blocklengths[], const int array_of_displacements[],
                      MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(MPI_COMBINER_INDEXED, 2 * (MPI_Count)count + 1, 0, 0, 1);
	int *p = c->ints;
	put_ints(&p, &count, 1);
	put_ints(&p, array_of_blocklengths, count);
	put_ints(&p, array_of_displacements, count);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_hindexed(int count, const int array_of_blocklengths[], const MPI_Aint array_of_displacements[],
                              MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(MPI_COMBINER_HINDEXED, (MPI_Count)count + 1, count, 0, 1);
	int *p = c->ints;
	put_ints(&p, &count, 1);
	put_ints(&p, array_of_blocklengths, count);
	put_addrs(c, array_of_displacements, count);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_indexed_block(int count, int blocklength, const int array_of_displacements[],
                                   MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(MPI_COMBINER_INDEXED_BLOCK, (MPI_Count)count + 2, 0, 0, 1);
	int *p = c->ints;
	put_ints(&p, &count, 1);
	put_ints(&p, &blocklength, 1);
	put_ints(&p, array_of_displacements, count);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_hindexed_block(int count, int blocklength, const MPI_Aint array_of_displacements[],
                                    MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(MPI_COMBINER_HINDEXED_BLOCK, 2, count, 0, 1);
	c->ints[0] = count;
	c->ints[1] = blocklength;
	put_addrs(c, array_of_displacements, count);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_struct(int count, const int array_of_blocklengths[], const MPI_Aint array_of_displacements[],
                            const MPI_Datatype array_of_types[], MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(MPI_COMBINER_STRUCT, (MPI_Count)count + 1, count, 0, count);
	int *p = c->ints;
	put_ints(&p, &count, 1);
	put_ints(&p, array_of_blocklengths, count);
	put_addrs(c, array_of_displacements, count);
	if (count)
		memcpy(c->types, array_of_types, (size_t)count * sizeof *c->types);
	return core_type_finish(c, newtype);
}

/* ---- arrays ---- */

int core_Type_create_subarray(int ndims, const int array_of_sizes[], const int array_of_subsizes[],
                              const int array_of_starts[], int order, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (ndims < 0)
		return MPI_ERR_ARG;
	struct core_type *c = record(MPI_COMBINER_SUBARRAY, 3 * (MPI_Count)ndims + 2, 0, 0, 1);
	int *p = c->ints;
	put_ints(&p, &ndims, 1);
	put_ints(&p, array_of_sizes, ndims);
	put_ints(&p, array_of_subsizes, ndims);
	put_ints(&p, array_of_starts, ndims);
	put_ints(&p, &order, 1);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_darray(int size, int rank, int ndims, const int array_of_gsizes[], const int array_of_distribs[],
                            const int array_of_dargs[], const int array_of_psizes[], int order, MPI_Datatype oldtype,
                            MPI_Datatype *newtype)
{
	if (ndims < 0)
		return MPI_ERR_ARG;
	struct core_type *c = record(MPI_COMBINER_DARRAY, 4 * (MPI_Count)ndims + 4, 0, 0, 1);
	int *p = c->ints;
	put_ints(&p, &size, 1);
	put_ints(&p, &rank, 1);
	put_ints(&p, &ndims, 1);
	put_ints(&p, array_of_gsizes, ndims);
	put_ints(&p, array_of_distribs, ndims);
	put_ints(&p, array_of_dargs, ndims);
	put_ints(&p, array_of_psizes, ndims);
	put_ints(&p, &order, 1);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

/* ---- large counts ---- */

/* count, then (unless block) an array of block lengths, then displacements. */
static int large(int combiner, MPI_Count count, const MPI_Count *lengths, const MPI_Count *block,
                 const MPI_Count *displs, MPI_Count nd, const MPI_Datatype *types, MPI_Datatype *newtype)
{
	if (count < 0)
		return MPI_ERR_COUNT;
	struct core_type *c = record(combiner, 0, 0, 1 + count + (block ? 1 : count), nd);
	MPI_Count *p = c->counts;
	put_counts(&p, &count, 1);
	if (block)
		put_counts(&p, block, 1);
	else
		put_counts(&p, lengths, count);
	put_counts(&p, displs, count);
	if (nd)
		memcpy(c->types, types, (size_t)nd * sizeof *c->types);
	return core_type_finish(c, newtype);
}

int core_Type_indexed_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                        const MPI_Count array_of_displacements[], MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	return large(MPI_COMBINER_INDEXED, count, array_of_blocklengths, 0, array_of_displacements, 1, &oldtype, newtype);
}

int core_Type_create_hindexed_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                                const MPI_Count array_of_displacements[], MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	return large(MPI_COMBINER_HINDEXED, count, array_of_blocklengths, 0, array_of_displacements, 1, &oldtype, newtype);
}

int core_Type_create_indexed_block_c(MPI_Count count, MPI_Count blocklength, const MPI_Count array_of_displacements[],
                                     MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	return large(MPI_COMBINER_INDEXED_BLOCK, count, 0, &blocklength, array_of_displacements, 1, &oldtype, newtype);
}

int core_Type_create_hindexed_block_c(MPI_Count count, MPI_Count blocklength, const MPI_Count array_of_displacements[],
                                      MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	return large(MPI_COMBINER_HINDEXED_BLOCK, count, 0, &blocklength, array_of_displacements, 1, &oldtype, newtype);
}

int core_Type_create_struct_c(MPI_Count count, const MPI_Count array_of_blocklengths[],
                              const MPI_Count array_of_displacements[], const MPI_Datatype array_of_types[],
                              MPI_Datatype *newtype)
{
	return large(MPI_COMBINER_STRUCT, count, array_of_blocklengths, 0, array_of_displacements, count, array_of_types,
	             newtype);
}

int core_Type_create_subarray_c(int ndims, const MPI_Count array_of_sizes[], const MPI_Count array_of_subsizes[],
                                const MPI_Count array_of_starts[], int order, MPI_Datatype oldtype,
                                MPI_Datatype *newtype)
{
	if (ndims < 1)
		return MPI_ERR_ARG;
	struct core_type *c = record(MPI_COMBINER_SUBARRAY, 2, 0, 3 * (MPI_Count)ndims, 1);
	MPI_Count *p = c->counts;
	c->ints[0] = ndims;
	c->ints[1] = order;
	put_counts(&p, array_of_sizes, ndims);
	put_counts(&p, array_of_subsizes, ndims);
	put_counts(&p, array_of_starts, ndims);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}

int core_Type_create_darray_c(int size, int rank, int ndims, const MPI_Count array_of_gsizes[],
                              const int array_of_distribs[], const int array_of_dargs[], const int array_of_psizes[],
                              int order, MPI_Datatype oldtype, MPI_Datatype *newtype)
{
	if (ndims < 1)
		return MPI_ERR_ARG;
	struct core_type *c = record(MPI_COMBINER_DARRAY, 3 * (MPI_Count)ndims + 4, 0, ndims, 1);
	int *p = c->ints;
	MPI_Count *k = c->counts;
	put_ints(&p, &size, 1);
	put_ints(&p, &rank, 1);
	put_ints(&p, &ndims, 1);
	put_ints(&p, array_of_distribs, ndims);
	put_ints(&p, array_of_dargs, ndims);
	put_ints(&p, array_of_psizes, ndims);
	put_ints(&p, &order, 1);
	put_counts(&k, array_of_gsizes, ndims);
	c->types[0] = oldtype;
	return core_type_finish(c, newtype);
}
