/* core_type_query.c - how a datatype was made; datatypes found by their properties. */
#include <limits.h>
#include <string.h>

#include "core_objects.h"

int core_Type_get_envelope_c(MPI_Datatype datatype, MPI_Count *num_integers, MPI_Count *num_addresses,
                             MPI_Count *num_large_counts, MPI_Count *num_datatypes, int *combiner)
{
	static const struct core_type named = {.combiner = MPI_COMBINER_NAMED};
	const struct core_type *c = core_type_of(datatype);
	if (!core_type_valid(datatype))
		return MPI_ERR_TYPE;
	if (!c)
		c = &named;
	*num_integers = c->ni;
	*num_addresses = c->na;
	*num_large_counts = c->nc;
	*num_datatypes = c->nd;
	*combiner = c->combiner;
	return MPI_SUCCESS;
}

int core_Type_get_envelope(MPI_Datatype datatype, int *num_integers, int *num_addresses, int *num_datatypes,
                           int *combiner)
{
	MPI_Count ni, na, nc, nd;
	int rc = core_Type_get_envelope_c(datatype, &ni, &na, &nc, &nd, combiner);
	if (rc != MPI_SUCCESS)
		return rc;
	if (nc || ni > INT_MAX || na > INT_MAX || nd > INT_MAX)
		return MPI_ERR_TYPE; /* made with large counts: only the large call can tell */
	*num_integers = (int)ni;
	*num_addresses = (int)na;
	*num_datatypes = (int)nd;
	return MPI_SUCCESS;
}

int core_Type_get_contents_c(MPI_Datatype datatype, MPI_Count max_integers, MPI_Count max_addresses,
                             MPI_Count max_large_counts, MPI_Count max_datatypes, int array_of_integers[],
                             MPI_Aint array_of_addresses[], MPI_Count array_of_large_counts[],
                             MPI_Datatype array_of_datatypes[])
{
	struct core_type *c = core_type_of(datatype);
	if (!c)
		return MPI_ERR_TYPE;
	if (max_integers < c->ni || max_addresses < c->na || max_large_counts < c->nc || max_datatypes < c->nd)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	if (c->ni)
		memcpy(array_of_integers, c->ints, (size_t)c->ni * sizeof *c->ints);
	if (c->na)
		memcpy(array_of_addresses, c->addrs, (size_t)c->na * sizeof *c->addrs);
	if (c->nc)
		memcpy(array_of_large_counts, c->counts, (size_t)c->nc * sizeof *c->counts);
	/* The program gets (and frees) handles of its own: here, references. */
	for (MPI_Count i = 0; i < c->nd; i++) {
		array_of_datatypes[i] = c->types[i];
		core_type_ref(c->types[i]);
	}
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Type_get_contents(MPI_Datatype datatype, int max_integers, int max_addresses, int max_datatypes,
                           int array_of_integers[], MPI_Aint array_of_addresses[], MPI_Datatype array_of_datatypes[])
{
	return core_Type_get_contents_c(datatype, max_integers, max_addresses, 0, max_datatypes, array_of_integers,
	                                array_of_addresses, 0, array_of_datatypes);
}

int core_Type_match_size(int typeclass, int size, MPI_Datatype *datatype)
{
	ENTER();
	LEAVE(LOWER(self_, core_lower->f.Type_match_size(typeclass, size, datatype)));
}

/* ---- Fortran kinds: one object per (combiner, precision, range), never freed ---- */

static int f90(int combiner, int n, int p, int r, MPI_Datatype *newtype)
{
	struct core_type *c;
	FOR_TABLE(&core_types, c)
		if (c->combiner == combiner && c->ints[0] == p && (n == 1 || c->ints[1] == r)) {
			*newtype = HANDLE(MPI_Datatype, c->vid);
			return MPI_SUCCESS;
		}
	c = core_alloc(sizeof *c);
	c->combiner = combiner;
	c->ni = n;
	c->ints = core_dup((int[]){p, r}, (size_t)n * sizeof(int));
	c->committed = 1;
	return core_type_finish(c, newtype);
}

int core_Type_create_f90_real(int p, int r, MPI_Datatype *newtype)
{
	return f90(MPI_COMBINER_F90_REAL, 2, p, r, newtype);
}

int core_Type_create_f90_complex(int p, int r, MPI_Datatype *newtype)
{
	return f90(MPI_COMBINER_F90_COMPLEX, 2, p, r, newtype);
}

int core_Type_create_f90_integer(int r, MPI_Datatype *newtype)
{
	return f90(MPI_COMBINER_F90_INTEGER, 1, r, 0, newtype);
}

int core_Type_get_value_index(MPI_Datatype value_type, MPI_Datatype index_type, MPI_Datatype *pair_type)
{
	static const MPI_Datatype pairs[][3] = {
		{MPI_FLOAT, MPI_INT, MPI_FLOAT_INT},   {MPI_DOUBLE, MPI_INT, MPI_DOUBLE_INT},
		{MPI_LONG, MPI_INT, MPI_LONG_INT},     {MPI_INT, MPI_INT, MPI_2INT},
		{MPI_SHORT, MPI_INT, MPI_SHORT_INT},   {MPI_LONG_DOUBLE, MPI_INT, MPI_LONG_DOUBLE_INT},
		{MPI_REAL, MPI_REAL, MPI_2REAL},       {MPI_DOUBLE_PRECISION, MPI_DOUBLE_PRECISION, MPI_2DOUBLE_PRECISION},
		{MPI_INTEGER, MPI_INTEGER, MPI_2INTEGER},
	};
	*pair_type = MPI_DATATYPE_NULL;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (pairs[i][0] == value_type && pairs[i][1] == index_type)
			*pair_type = pairs[i][2];
	return MPI_SUCCESS;
}
