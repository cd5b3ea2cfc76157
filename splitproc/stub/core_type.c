/* core_type.c - datatype objects: sizes, references, queries.
 *
 * An object holds what its constructor was given (as MPI_Type_get_contents
 * would say it), so that core_type_build.c can make it again in a new lower half.
 */
#include <string.h>

#include "core_local.h"

struct core_predefined core_predefined[CORE_PREDEFINED];

static MPI_Datatype last_lower, last_virtual; /* of core_type_virtual */

int core_type_valid(MPI_Datatype h)
{
	return VID(h) < VID_BASE ? core_predefined_of(h) != 0 : core_table_get(&core_types, VID(h)) != 0;
}

static int ask_extent(volatile struct mana_thread *t, MPI_Datatype lower, struct core_extent *e)
{
	int rc = LOWER(t, core_lower->f.Type_size(lower, &e->size));
	if (rc == MPI_SUCCESS)
		rc = LOWER(t, core_lower->f.Type_get_extent(lower, &e->lb, &e->extent));
	if (rc == MPI_SUCCESS)
		rc = LOWER(t, core_lower->f.Type_get_true_extent(lower, &e->true_lb, &e->true_extent));
	return rc;
}

void core_type_init(volatile struct mana_thread *t)
{
	static const MPI_Datatype all[] = {
		MPI_AINT, MPI_COUNT, MPI_OFFSET, MPI_PACKED, MPI_SHORT, MPI_INT, MPI_LONG, MPI_LONG_LONG,
		MPI_UNSIGNED_SHORT, MPI_UNSIGNED, MPI_UNSIGNED_LONG, MPI_UNSIGNED_LONG_LONG, MPI_FLOAT, MPI_DOUBLE,
		MPI_LONG_DOUBLE, MPI_C_FLOAT_COMPLEX, MPI_C_DOUBLE_COMPLEX, MPI_C_LONG_DOUBLE_COMPLEX,
		MPI_CXX_FLOAT_COMPLEX, MPI_CXX_DOUBLE_COMPLEX, MPI_CXX_LONG_DOUBLE_COMPLEX, MPI_LOGICAL, MPI_INTEGER,
		MPI_REAL, MPI_COMPLEX, MPI_DOUBLE_PRECISION, MPI_DOUBLE_COMPLEX, MPI_CHARACTER, MPI_FLOAT_INT,
		MPI_DOUBLE_INT, MPI_LONG_INT, MPI_2INT, MPI_SHORT_INT, MPI_LONG_DOUBLE_INT, MPI_2REAL,
		MPI_2DOUBLE_PRECISION, MPI_2INTEGER, MPI_C_BOOL, MPI_CXX_BOOL, MPI_WCHAR, MPI_INT8_T, MPI_UINT8_T,
		MPI_CHAR, MPI_SIGNED_CHAR, MPI_UNSIGNED_CHAR, MPI_BYTE, MPI_INT16_T, MPI_UINT16_T, MPI_INT32_T,
		MPI_UINT32_T, MPI_INT64_T, MPI_UINT64_T, MPI_LOGICAL1, MPI_LOGICAL2, MPI_LOGICAL4, MPI_LOGICAL8,
		MPI_LOGICAL16, MPI_INTEGER1, MPI_INTEGER2, MPI_INTEGER4, MPI_INTEGER8, MPI_INTEGER16, MPI_REAL2,
		MPI_REAL4, MPI_REAL8, MPI_REAL16, MPI_COMPLEX4, MPI_COMPLEX8, MPI_COMPLEX16, MPI_COMPLEX32,
		MPI_LB, MPI_UB, MPI_2COMPLEX, MPI_2DOUBLE_COMPLEX, MPIX_C_FLOAT16, /* not of the standard ABI */
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct core_predefined *p = &core_predefined[VID(all[i]) - CORE_FIRST_PREDEFINED];
		p->valid = ask_extent(t, all[i], &p->e) == MPI_SUCCESS; /* else the library has no such type */
	}
}

void core_type_forget(void)
{
	struct core_type *c;
	FOR_TABLE(&core_types, c)
		c->lower = 0;
	last_lower = 0;
}

MPI_Datatype core_type_virtual(MPI_Datatype lower)
{
	struct core_type *c;
	if (VID(lower) < VID_BASE)
		return lower;
	if (lower == last_lower)
		return last_virtual;
	FOR_TABLE(&core_types, c)
		if (c->lower == lower) {
			last_virtual = HANDLE(MPI_Datatype, c->vid);
			last_lower = lower;
			return last_virtual;
		}
	return MPI_DATATYPE_NULL;
}

/* ---- life ---- */

void core_type_ref(MPI_Datatype h)
{
	struct core_type *c = core_type_of(h);
	if (c)
		__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
}

static void record_free(struct core_type *c)
{
	core_free(c->ints);
	core_free(c->addrs);
	core_free(c->counts);
	core_free(c->types);
	core_free(c);
}

void core_type_unref(MPI_Datatype h)
{
	struct core_type *c = core_type_of(h);
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	core_table_del(&core_types, c->vid);
	if (c->lower && mana_ctl->inited == MANA_INITED) {
		volatile struct mana_thread *t = core_self_thread();
		MPI_Datatype lower = c->lower;
		if (lower == last_lower)
			last_lower = 0;
		LOWER(t, core_lower->f.Type_free(&lower));
	}
	for (MPI_Count i = 0; i < c->nd; i++)
		core_type_unref(c->types[i]);
	record_free(c);
}

int core_type_finish(struct core_type *c, MPI_Datatype *newtype)
{
	struct core_extent e;
	int rc = MPI_SUCCESS;
	ENTER();
	for (MPI_Count i = 0; i < c->nd && rc == MPI_SUCCESS; i++)
		if (!core_type_valid(c->types[i]))
			rc = MPI_ERR_TYPE;
	if (rc == MPI_SUCCESS)
		rc = core_type_make_lower(self_, c, &c->lower);
	if (rc == MPI_SUCCESS)
		rc = ask_extent(self_, c->lower, &e);
	if (rc != MPI_SUCCESS) {
		record_free(c);
		LEAVE(rc);
	}
	c->refs = 1;
	c->size = e.size;
	c->lb = e.lb;
	c->extent = e.extent;
	c->true_lb = e.true_lb;
	c->true_extent = e.true_extent;
	for (MPI_Count i = 0; i < c->nd; i++)
		core_type_ref(c->types[i]);
	c->vid = core_table_add(&core_types, c);
	*newtype = HANDLE(MPI_Datatype, c->vid);
	LEAVE(MPI_SUCCESS);
}

int core_Type_commit(MPI_Datatype *datatype)
{
	struct core_type *c = core_type_of(*datatype);
	if (!c)
		return core_type_valid(*datatype) ? MPI_SUCCESS : MPI_ERR_TYPE;
	if (c->committed)
		return MPI_SUCCESS;
	ENTER();
	MPI_Datatype lower = core_type_lower(*datatype);
	int rc = LOWER(self_, core_lower->f.Type_commit(&lower));
	c->committed = rc == MPI_SUCCESS;
	LEAVE(rc);
}

int core_Type_free(MPI_Datatype *datatype)
{
	struct core_type *c = core_type_of(*datatype);
	if (!c)
		return MPI_ERR_TYPE;
	int rc = core_attrs_delete(KEYVAL_TYPE, VID(*datatype), &c->attrs);
	if (rc != MPI_SUCCESS)
		return rc;
	ENTER();
	c->freed = 1;
	core_type_unref(*datatype);
	*datatype = MPI_DATATYPE_NULL;
	LEAVE(MPI_SUCCESS);
}

/* ---- sizes: no crossing ---- */

MPI_Count core_type_size(MPI_Datatype h)
{
	return core_local_size(h);
}

int core_type_extent(MPI_Datatype h, struct core_extent *e)
{
	struct core_type *c = core_type_of(h);
	struct core_predefined *p = c ? 0 : core_predefined_of(h);
	if (c)
		*e = (struct core_extent){c->size, c->lb, c->extent, c->true_lb, c->true_extent};
	else if (p)
		*e = p->e;
	else
		return MPI_ERR_TYPE;
	return MPI_SUCCESS;
}

int core_Type_size(MPI_Datatype datatype, MPI_Count *size)
{
	return core_local_Type_size(datatype, size);
}

int core_Type_get_extent(MPI_Datatype datatype, MPI_Count *lb, MPI_Count *extent)
{
	struct core_extent e;
	if (core_type_extent(datatype, &e))
		return MPI_ERR_TYPE;
	*lb = e.lb;
	*extent = e.extent;
	return MPI_SUCCESS;
}

int core_Type_get_true_extent(MPI_Datatype datatype, MPI_Count *true_lb, MPI_Count *true_extent)
{
	struct core_extent e;
	if (core_type_extent(datatype, &e))
		return MPI_ERR_TYPE;
	*true_lb = e.true_lb;
	*true_extent = e.true_extent;
	return MPI_SUCCESS;
}

/* ---- names ---- */

int core_Type_set_name(MPI_Datatype datatype, const char *type_name)
{
	struct core_type *c = core_type_of(datatype);
	struct core_predefined *p = c ? 0 : core_predefined_of(datatype);
	if (!c && !p)
		return MPI_ERR_TYPE;
	ENTER_LOCAL();
	if (p && !p->name)
		p->name = core_alloc(MPI_MAX_OBJECT_NAME);
	core_copy_name(c ? c->name : p->name, type_name, MPI_MAX_OBJECT_NAME);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Type_get_name(MPI_Datatype datatype, char *type_name, int *resultlen)
{
	struct core_type *c = core_type_of(datatype);
	struct core_predefined *p = c ? 0 : core_predefined_of(datatype);
	if (!c && !p && datatype != MPI_DATATYPE_NULL)
		return MPI_ERR_TYPE;
	if (c || !p || p->name) {
		core_copy_name(type_name, c ? c->name : p ? p->name : "MPI_DATATYPE_NULL", MPI_MAX_OBJECT_NAME);
		*resultlen = (int)strlen(type_name);
		return MPI_SUCCESS;
	}
	ENTER();
	LEAVE(LOWER(self_, core_lower->f.Type_get_name(datatype, type_name, resultlen)));
}
