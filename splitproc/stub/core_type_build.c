/* core_type_build.c - the native datatype of a record.
 *
 * One way in for constructors and restarts alike: the record's contents are
 * laid out as MPI-4.0, section 5.1.13, says for MPI_Type_get_contents.
 */
#include "core_objects.h"

/* Large records hold every count in `counts`; small ones in `ints`. */
static int make_scalar(volatile struct mana_thread *t, const struct core_type *c, MPI_Datatype old, MPI_Datatype *out)
{
	MPI_Count v[3] = {0, 0, 0};
	for (int i = 0; i < 3; i++)
		v[i] = i < c->nc ? c->counts[i] : i < c->ni ? c->ints[i] : 0;
	switch (c->combiner) {
	case MPI_COMBINER_DUP:
		return LOWER(t, core_lower->f.Type_dup(old, out));
	case MPI_COMBINER_CONTIGUOUS:
		return LOWER(t, core_lower->f.Type_contiguous(v[0], old, out));
	case MPI_COMBINER_VECTOR:
		return LOWER(t, core_lower->f.Type_vector(v[0], v[1], v[2], old, out));
	case MPI_COMBINER_HVECTOR:
		if (c->na)
			v[2] = c->addrs[0];
		return LOWER(t, core_lower->f.Type_create_hvector(v[0], v[1], v[2], old, out));
	case MPI_COMBINER_RESIZED:
		return LOWER(t, core_lower->f.Type_create_resized(old, c->addrs[0], c->addrs[1], out));
	case MPI_COMBINER_F90_REAL:
		return LOWER(t, core_lower->f.Type_create_f90_real(c->ints[0], c->ints[1], out));
	case MPI_COMBINER_F90_COMPLEX:
		return LOWER(t, core_lower->f.Type_create_f90_complex(c->ints[0], c->ints[1], out));
	case MPI_COMBINER_F90_INTEGER:
		return LOWER(t, core_lower->f.Type_create_f90_integer(c->ints[0], out));
	default:
		return MPI_ERR_INTERN;
	}
}

static int make_small(volatile struct mana_thread *t, const struct core_type *c, MPI_Datatype old,
                      MPI_Datatype *types, MPI_Datatype *out)
{
	const int *i = c->ints;
	const MPI_Aint *a = c->addrs;
	int n = i[0];
	switch (c->combiner) {
	case MPI_COMBINER_INDEXED:
		return LOWER(t, core_lower->f.Type_indexed(n, i + 1, i + 1 + n, old, out));
	case MPI_COMBINER_HINDEXED:
		return LOWER(t, core_lower->f.Type_create_hindexed(n, i + 1, a, old, out));
	case MPI_COMBINER_INDEXED_BLOCK:
		return LOWER(t, core_lower->f.Type_create_indexed_block(n, i[1], i + 2, old, out));
	case MPI_COMBINER_HINDEXED_BLOCK:
		return LOWER(t, core_lower->f.Type_create_hindexed_block(n, i[1], a, old, out));
	case MPI_COMBINER_STRUCT:
		return LOWER(t, core_lower->f.Type_create_struct(n, i + 1, a, types, out));
	case MPI_COMBINER_SUBARRAY:
		return LOWER(t, core_lower->f.Type_create_subarray(n, i + 1, i + 1 + n, i + 1 + 2 * n, i[1 + 3 * n], old,
		                                                   out));
	case MPI_COMBINER_DARRAY:
		n = i[2];
		return LOWER(t, core_lower->f.Type_create_darray(i[0], i[1], n, i + 3, i + 3 + n, i + 3 + 2 * n,
		                                                 i + 3 + 3 * n, i[3 + 4 * n], old, out));
	default:
		return MPI_ERR_INTERN;
	}
}

static int make_large(volatile struct mana_thread *t, const struct core_type *c, MPI_Datatype old,
                      MPI_Datatype *types, MPI_Datatype *out)
{
	const MPI_Count *k = c->counts;
	const int *i = c->ints;
	MPI_Count n = k[0];
	int d;
	switch (c->combiner) {
	case MPI_COMBINER_INDEXED:
		return LOWER(t, core_lower->f.Type_indexed_c(n, k + 1, k + 1 + n, old, out));
	case MPI_COMBINER_HINDEXED:
		return LOWER(t, core_lower->f.Type_create_hindexed_c(n, k + 1, k + 1 + n, old, out));
	case MPI_COMBINER_INDEXED_BLOCK:
		return LOWER(t, core_lower->f.Type_create_indexed_block_c(n, k[1], k + 2, old, out));
	case MPI_COMBINER_HINDEXED_BLOCK:
		return LOWER(t, core_lower->f.Type_create_hindexed_block_c(n, k[1], k + 2, old, out));
	case MPI_COMBINER_STRUCT:
		return LOWER(t, core_lower->f.Type_create_struct_c(n, k + 1, k + 1 + n, types, out));
	case MPI_COMBINER_SUBARRAY:
		d = i[0];
		return LOWER(t, core_lower->f.Type_create_subarray_c(d, k, k + d, k + 2 * d, i[1], old, out));
	case MPI_COMBINER_DARRAY:
		d = i[2];
		return LOWER(t, core_lower->f.Type_create_darray_c(i[0], i[1], d, k, i + 3, i + 3 + d, i + 3 + 2 * d,
		                                                   i[3 + 3 * d], old, out));
	default:
		return MPI_ERR_INTERN;
	}
}

int core_type_make_lower(volatile struct mana_thread *t, const struct core_type *c, MPI_Datatype *lower)
{
	MPI_Datatype old = c->nd ? core_type_lower(c->types[0]) : MPI_DATATYPE_NULL;
	switch (c->combiner) {
	case MPI_COMBINER_DUP:
	case MPI_COMBINER_CONTIGUOUS:
	case MPI_COMBINER_VECTOR:
	case MPI_COMBINER_HVECTOR:
	case MPI_COMBINER_RESIZED:
	case MPI_COMBINER_F90_REAL:
	case MPI_COMBINER_F90_COMPLEX:
	case MPI_COMBINER_F90_INTEGER:
		return make_scalar(t, c, old, lower);
	}
	/* The adapter converts an array of types in place, so it gets its own. */
	MPI_Datatype *types = core_alloc((size_t)(c->nd + 1) * sizeof *types);
	for (MPI_Count i = 0; i < c->nd; i++)
		types[i] = core_type_lower(c->types[i]);
	int rc = c->nc ? make_large(t, c, old, types, lower) : make_small(t, c, old, types, lower);
	core_free(types);
	return rc;
}

/* Called when a type of the program is not yet in this lower half. */
MPI_Datatype core_type_build(struct core_type *c)
{
	volatile struct mana_thread *t = core_self_thread();
	MPI_Datatype lower;
	int rc = core_type_make_lower(t, c, &lower);
	if (rc == MPI_SUCCESS && c->committed)
		rc = LOWER(t, core_lower->f.Type_commit(&lower));
	if (rc != MPI_SUCCESS)
		core_die("cannot make datatype %#x again: %s", c->vid, core_error_text(rc));
	MPI_Datatype none = 0;
	/* Another thread may have been faster. */
	if (!__atomic_compare_exchange_n(&c->lower, &none, lower, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		LOWER(t, core_lower->f.Type_free(&lower));
		return none;
	}
	return lower;
}
