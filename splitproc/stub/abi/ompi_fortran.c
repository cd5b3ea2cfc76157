/* ompi_fortran.c - what Open MPI's Fortran library expects of libmpi.so.40
 * beyond the MPI functions. Part of the stub for Open MPI programs only.
 *
 * libmpi_mpifh.so.40 stays the real one and calls PMPI functions. But a few of
 * its functions look into the objects behind handles (requests for their
 * Fortran number, communicators for their attributes) or hand Fortran
 * procedures to internal functions. Ours take their place: the stub comes
 * before that library in the search order.
 */
#include "ompi_fortran.h"

#define UNDEFINED (-32766)
#define KEYVAL_WIN_BASE 7
#define KEYVAL_WIN_SIZE 8
#define KEYVAL_LAST_PREDEFINED 11

int PMPI_Wait(handle *, void *), PMPI_Test(handle *, int *, void *), PMPI_Request_free(handle *);
int PMPI_Waitall(int, handle *, void *), PMPI_Waitany(int, handle *, int *, void *);
int PMPI_Waitsome(int, handle *, int *, int *, void *), PMPI_Testall(int, handle *, int *, void *);
int PMPI_Testany(int, handle *, int *, int *, void *), PMPI_Testsome(int, handle *, int *, int *, void *);
int PMPI_Op_create(void *, int, handle *), PMPI_Type_match_size(int, int, handle *);
int PMPI_Comm_create_errhandler(void *, handle *), PMPI_Win_create_errhandler(void *, handle *),
    PMPI_File_create_errhandler(void *, handle *);
handle PMPI_Request_f2c(fint), PMPI_Comm_f2c(fint), PMPI_Type_f2c(fint), PMPI_Win_f2c(fint);
fint PMPI_Request_c2f(handle), PMPI_Comm_c2f(handle), PMPI_Type_c2f(handle), PMPI_Win_c2f(handle), PMPI_Op_c2f(handle),
    PMPI_Errhandler_c2f(handle);
int PMPI_Comm_create_keyval(void *, void *, int *, void *), PMPI_Comm_get_attr(handle, int, void *, int *),
    PMPI_Comm_set_attr(handle, int, void *);
int PMPI_Type_create_keyval(void *, void *, int *, void *), PMPI_Type_get_attr(handle, int, void *, int *),
    PMPI_Type_set_attr(handle, int, void *);
int PMPI_Win_create_keyval(void *, void *, int *, void *), PMPI_Win_get_attr(handle, int, void *, int *),
    PMPI_Win_set_attr(handle, int, void *);

/* ---- requests ---- */

extern int *mpi_fortran_status_ignore_, *mpi_fortran_statuses_ignore_;

static void status_out(const struct status *st, fint *f)
{
	if (f != (fint *)&mpi_fortran_status_ignore_ && f != (fint *)&mpi_fortran_statuses_ignore_)
		memcpy(f, st, sizeof *st);
}

static void statuses_out(int n, const struct status *st, fint *f)
{
	if (f != (fint *)&mpi_fortran_status_ignore_ && f != (fint *)&mpi_fortran_statuses_ignore_)
		memcpy(f, st, (size_t)n * sizeof *st);
}

/* C arrays for n requests, in one block; the first `small` come from the caller's stack. */
struct requests {
	int n;
	handle *h;
	struct status *st;
	void *heap;
	handle h_small[32];
	struct status st_small[32];
};

static int requests_in(struct requests *r, int n, const fint *f)
{
	r->n = n > 0 ? n : 0;
	r->h = r->h_small;
	r->st = r->st_small;
	r->heap = 0;
	if (r->n > 32) {
		r->heap = calloc((size_t)n, sizeof(handle) + sizeof(struct status));
		if (!r->heap)
			return 34; /* MPI_ERR_NO_MEM */
		r->st = r->heap;
		r->h = (handle *)(r->st + n);
	}
	memset(r->st, 0, (size_t)r->n * sizeof *r->st);
	for (int i = 0; i < r->n; i++)
		r->h[i] = PMPI_Request_f2c(f[i]);
	return 0;
}

static void requests_out(struct requests *r, fint *f)
{
	for (int i = 0; i < r->n; i++)
		f[i] = PMPI_Request_c2f(r->h[i]);
	free(r->heap);
}

FORTRAN(wait, (fint *request, fint *status, fint *ierr))
{
	handle h = PMPI_Request_f2c(*request);
	struct status st = { 0 };
	int rc = PMPI_Wait(&h, &st);
	*request = PMPI_Request_c2f(h);
	status_out(&st, status);
	answer(ierr, rc);
}

FORTRAN(test, (fint *request, fint *flag, fint *status, fint *ierr))
{
	handle h = PMPI_Request_f2c(*request);
	struct status st = { 0 };
	int rc = PMPI_Test(&h, flag, &st);
	*request = PMPI_Request_c2f(h);
	if (*flag)
		status_out(&st, status);
	answer(ierr, rc);
}

FORTRAN(request_free, (fint *request, fint *ierr))
{
	handle h = PMPI_Request_f2c(*request);
	int rc = PMPI_Request_free(&h);
	*request = PMPI_Request_c2f(h);
	answer(ierr, rc);
}

FORTRAN(waitall, (fint *count, fint *requests, fint *statuses, fint *ierr))
{
	struct requests r;
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		rc = PMPI_Waitall(r.n, r.h, r.st);
		statuses_out(r.n, r.st, statuses);
		requests_out(&r, requests);
	}
	answer(ierr, rc);
}

FORTRAN(testall, (fint *count, fint *requests, fint *flag, fint *statuses, fint *ierr))
{
	struct requests r;
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		rc = PMPI_Testall(r.n, r.h, flag, r.st);
		if (*flag)
			statuses_out(r.n, r.st, statuses);
		requests_out(&r, requests);
	}
	answer(ierr, rc);
}

/* Fortran counts from one. */
static void index_out(fint *index)
{
	if (*index >= 0)
		++*index;
}

FORTRAN(waitany, (fint *count, fint *requests, fint *index, fint *status, fint *ierr))
{
	struct requests r;
	struct status st = { 0 };
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		rc = PMPI_Waitany(r.n, r.h, index, &st);
		index_out(index);
		status_out(&st, status);
		requests_out(&r, requests);
	}
	answer(ierr, rc);
}

FORTRAN(testany, (fint *count, fint *requests, fint *index, fint *flag, fint *status, fint *ierr))
{
	struct requests r;
	struct status st = { 0 };
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		*index = UNDEFINED;
		rc = PMPI_Testany(r.n, r.h, index, flag, &st);
		index_out(index);
		if (*flag)
			status_out(&st, status);
		requests_out(&r, requests);
	}
	answer(ierr, rc);
}

static void some_out(struct requests *r, fint *requests, fint *outcount, fint *indices, fint *statuses)
{
	for (int i = 0; i < *outcount; i++)
		index_out(&indices[i]);
	if (*outcount > 0)
		statuses_out(*outcount, r->st, statuses);
	requests_out(r, requests);
}

FORTRAN(waitsome, (fint *count, fint *requests, fint *outcount, fint *indices, fint *statuses, fint *ierr))
{
	struct requests r;
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		rc = PMPI_Waitsome(r.n, r.h, outcount, indices, r.st);
		some_out(&r, requests, outcount, indices, statuses);
	}
	answer(ierr, rc);
}

FORTRAN(testsome, (fint *count, fint *requests, fint *outcount, fint *indices, fint *statuses, fint *ierr))
{
	struct requests r;
	int rc = requests_in(&r, *count, requests);
	if (!rc) {
		rc = PMPI_Testsome(r.n, r.h, outcount, indices, r.st);
		some_out(&r, requests, outcount, indices, statuses);
	}
	answer(ierr, rc);
}

/* ---- procedures of the program ---- */

/* Operations and error handlers have no room for a mark: the front end asks
 * here whether a function wants its handle as a Fortran integer. */
#define MAX_PROCEDURES 1024
static void *procedures[MAX_PROCEDURES];
static volatile unsigned nprocedures;

int front_fortran_procedure(void *fn)
{
	for (unsigned i = 0; i < nprocedures; i++)
		if (procedures[i] == fn)
			return 1;
	return 0;
}

static void remember(void *fn)
{
	if (!front_fortran_procedure(fn) && nprocedures < MAX_PROCEDURES) {
		procedures[nprocedures] = fn;
		__atomic_fetch_add(&nprocedures, 1, __ATOMIC_RELEASE);
	}
}

FORTRAN(op_create, (void *fn, fint *commute, fint *op, fint *ierr))
{
	handle h = 0;
	remember(fn);
	int rc = PMPI_Op_create(fn, *commute, &h);
	if (rc == 0)
		*op = PMPI_Op_c2f(h);
	answer(ierr, rc);
}

#define CREATE_ERRHANDLER(kind, Kind)                                                   \
	FORTRAN(kind##_create_errhandler, (void *fn, fint *errhandler, fint *ierr))     \
	{                                                                               \
		handle h = 0;                                                           \
		remember(fn);                                                           \
		int rc = PMPI_##Kind##_create_errhandler(fn, &h);                       \
		if (rc == 0)                                                            \
			*errhandler = PMPI_Errhandler_c2f(h);                           \
		answer(ierr, rc);                                                       \
	}
CREATE_ERRHANDLER(comm, Comm)
CREATE_ERRHANDLER(win, Win)
CREATE_ERRHANDLER(file, File)

FORTRAN(errhandler_create, (void *fn, fint *errhandler, fint *ierr))
{
	ompi_comm_create_errhandler_f(fn, errhandler, ierr);
}

/* ---- attributes: MPI-4.0, 19.3.7: an integer in Fortran, an address in C ---- */

struct keyval {
	void *copy, *delete;
	aint extra;
	int old; /* MPI-1 procedures take default integers, not address-sized ones */
	fint (*c2f)(handle);
};

static int copy_attr(handle h, int key, void *extra, void *in, void *out, int *flag)
{
	struct keyval *k = extra;
	fint obj = k->c2f(h), ierr = 0;
	if (k->old) {
		fint x = (fint)k->extra, i = (fint)(aint)in, o = 0;
		((void (*)(fint *, fint *, fint *, fint *, fint *, fint *, fint *))k->copy)(&obj, &key, &x, &i, &o, flag, &ierr);
		*(aint *)out = o;
	} else {
		aint x = k->extra, i = (aint)in, o = 0;
		((void (*)(fint *, fint *, aint *, aint *, aint *, fint *, fint *))k->copy)(&obj, &key, &x, &i, &o, flag, &ierr);
		*(aint *)out = o;
	}
	return ierr;
}

static int delete_attr(handle h, int key, void *value, void *extra)
{
	struct keyval *k = extra;
	fint obj = k->c2f(h), ierr = 0;
	if (k->old) {
		fint x = (fint)k->extra, v = (fint)(aint)value;
		((void (*)(fint *, fint *, fint *, fint *, fint *))k->delete)(&obj, &key, &v, &x, &ierr);
	} else {
		aint x = k->extra, v = (aint)value;
		((void (*)(fint *, fint *, aint *, aint *, fint *))k->delete)(&obj, &key, &v, &x, &ierr);
	}
	return ierr;
}

/* Lives as long as the process: attributes may outlive their keyval. */
static struct keyval *new_keyval(void *copy, void *delete, aint extra, int old, fint (*c2f)(handle))
{
	struct keyval *k = malloc(sizeof *k);
	if (k)
		*k = (struct keyval){ copy, delete, extra, old, c2f };
	return k;
}

/* C has predefined attributes as addresses of integers. */
static aint attr_value(int key, void *value)
{
	if (key < 0 || key > KEYVAL_LAST_PREDEFINED || key == KEYVAL_WIN_BASE)
		return (aint)value;
	return key == KEYVAL_WIN_SIZE ? *(aint *)value : *(int *)value;
}

#define ATTRIBUTES(kind, Kind)                                                                               \
	FORTRAN(kind##_create_keyval, (void *copy, void *delete, fint *key, aint *extra, fint *ierr))       \
	{                                                                                                    \
		struct keyval *k = new_keyval(copy, delete, *extra, 0, PMPI_##Kind##_c2f);                   \
		answer(ierr, k ? PMPI_##Kind##_create_keyval(copy_attr, delete_attr, key, k) : 34);          \
	}                                                                                                    \
	static int kind##_set(handle h, fint key, aint value)                                                \
	{                                                                                                    \
		int rc = PMPI_##Kind##_set_attr(h, key, (void *)value);                                      \
		if (rc == 0)                                                                                 \
			front_##kind##_attr_integer(h, key, 1);                                              \
		return rc;                                                                                   \
	}                                                                                                    \
	static int kind##_get(handle h, fint key, aint *value, fint *flag)                                   \
	{                                                                                                    \
		void *v = 0;                                                                                 \
		int rc = PMPI_##Kind##_get_attr(h, key, &v, flag);                                           \
		if (rc == 0 && *flag)                                                                        \
			*value = front_##kind##_attr_integer(h, key, -1) ? *(aint *)v : attr_value(key, v);  \
		return rc;                                                                                   \
	}                                                                                                    \
	FORTRAN(kind##_set_attr, (fint *obj, fint *key, aint *value, fint *ierr))                           \
	{                                                                                                    \
		answer(ierr, kind##_set(PMPI_##Kind##_f2c(*obj), *key, *value));                             \
	}                                                                                                    \
	FORTRAN(kind##_get_attr, (fint *obj, fint *key, aint *value, fint *flag, fint *ierr))               \
	{                                                                                                    \
		answer(ierr, kind##_get(PMPI_##Kind##_f2c(*obj), *key, value, flag));                        \
	}
ATTRIBUTES(comm, Comm)
ATTRIBUTES(type, Type)
ATTRIBUTES(win, Win)

FORTRAN(keyval_create, (void *copy, void *delete, fint *key, fint *extra, fint *ierr))
{
	struct keyval *k = new_keyval(copy, delete, *extra, 1, PMPI_Comm_c2f);
	answer(ierr, k ? PMPI_Comm_create_keyval(copy_attr, delete_attr, key, k) : 34);
}

FORTRAN(attr_put, (fint *comm, fint *key, fint *value, fint *ierr))
{
	answer(ierr, comm_set(PMPI_Comm_f2c(*comm), *key, *value));
}

FORTRAN(attr_get, (fint *comm, fint *key, fint *value, fint *flag, fint *ierr))
{
	aint v = 0;
	int rc = comm_get(PMPI_Comm_f2c(*comm), *key, &v, flag);
	if (rc == 0 && *flag)
		*value = (fint)v;
	answer(ierr, rc);
}

/* The predefined functions as Fortran procedures; the front end never gets to call them in C. */
#define ATTR_FNS(prefix, integer)                                                                                       \
	FORTRAN(prefix##dup_fn, (fint *obj, fint *key, integer *extra, integer *in, integer *out, fint *flag, fint *ierr)) \
	{                                                                                                               \
		(void)obj, (void)key, (void)extra;                                                                      \
		*out = *in;                                                                                             \
		*flag = 1;                                                                                              \
		answer(ierr, 0);                                                                                        \
	}                                                                                                               \
	FORTRAN(prefix##null_copy_fn, (fint *obj, fint *key, integer *extra, integer *in, integer *out, fint *flag, fint *ierr)) \
	{                                                                                                               \
		(void)obj, (void)key, (void)extra, (void)in, (void)out;                                                 \
		*flag = 0;                                                                                              \
		answer(ierr, 0);                                                                                        \
	}                                                                                                               \
	FORTRAN(prefix##null_delete_fn, (fint *obj, fint *key, integer *value, integer *extra, fint *ierr))             \
	{                                                                                                               \
		(void)obj, (void)key, (void)value, (void)extra;                                                         \
		answer(ierr, 0);                                                                                        \
	}
ATTR_FNS(, fint)
ATTR_FNS(comm_, aint)
ATTR_FNS(type_, aint)
ATTR_FNS(win_, aint)

/* ---- the rest ---- */

FORTRAN(type_match_size, (fint *typeclass, fint *size, fint *type, fint *ierr))
{
	handle h = 0;
	int rc = PMPI_Type_match_size(*typeclass, *size, &h);
	if (rc == 0)
		*type = PMPI_Type_c2f(h);
	answer(ierr, rc);
}

/* Strings: without leading and trailing blanks in C, padded with blanks in Fortran. */
EXPORT int ompi_fortran_string_f2c(const char *f, int len, char **c);
EXPORT int ompi_fortran_string_f2c(const char *f, int len, char **c)
{
	while (len > 0 && f[len - 1] == ' ')
		len--;
	while (len > 0 && *f == ' ')
		f++, len--;
	*c = malloc((size_t)len + 1);
	if (!*c)
		return -2; /* OMPI_ERR_OUT_OF_RESOURCE */
	memcpy(*c, f, (size_t)len);
	(*c)[len] = 0;
	return 0;
}

EXPORT int ompi_fortran_string_c2f(const char *c, char *f, int len);
EXPORT int ompi_fortran_string_c2f(const char *c, char *f, int len)
{
	size_t n = strlen(c);
	if (n > (size_t)len)
		n = (size_t)len;
	memcpy(f, c, n);
	memset(f + n, ' ', (size_t)len - n);
	return 0;
}

EXPORT _Bool ompi_mpi_param_check = 0; /* the stub checks */
EXPORT int ompi_mpi_state = 2;         /* OMPI_MPI_STATE_INIT_COMPLETED */
EXPORT struct status ompi_status_empty = { -1, -1, 0, 0, 0 };

EXPORT void mpi_conversion_fn_null_(void);
EXPORT void mpi_conversion_fn_null_(void)
{
}
