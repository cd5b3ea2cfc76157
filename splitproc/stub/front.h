/* front.h - what every front end has besides the functions that a rule writes.
 *
 * Included once, by gen/front_<abi>.c, after prog_<abi>.h: the same text
 * compiles against each program ABI.
 */
#ifndef MANA_FRONT_H
#define MANA_FRONT_H

#include "core.h"
#include "core_len.h"
#include "core_local.h"

#ifndef FRONT_ALONE /* a test without the core */
#define core_Comm_rank core_local_Comm_rank
#define core_Comm_size core_local_Comm_size
#define core_Type_size core_local_Type_size
#define core_Get_count core_local_Get_count
#endif

/* The stack copy of an empty array is passed on but never read. */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define EXPORT __attribute__((visibility("default")))
#define ALIAS_WEAK(name, of) extern EXPORT __typeof__(of) name __attribute__((weak, alias(#of)))
#define ALIAS_STRONG(name, of) extern EXPORT __typeof__(of) name __attribute__((alias(#of)))
/* Tools define MPI_X and call PMPI_X. */
#define ALIAS(name) ALIAS_WEAK(MPI_##name, PMPI_##name)

/* A converted copy of an array argument: on the stack while it is short. */
#define FRONT_SMALL 128
#define FRONT_ARRAY(T, name, n)                                       \
	T small_##name[FRONT_SMALL];                                  \
	int len_##name = (int)(n);                                    \
	len_##name = len_##name < 0 ? 0 : len_##name;                 \
	T *name = len_##name <= FRONT_SMALL ? small_##name : core_alloc((size_t)len_##name * sizeof(T))
#define FRONT_ARRAY_FREE(name)         \
	do {                           \
		if (name != small_##name) \
			core_free(name); \
	} while (0)

/* A failed call: the object's error handler runs, then the program gets its own code. */
#define FRONT_FAIL(name, Handle, raise)                                                                             \
	__attribute__((cold, noinline, unused)) static int name(Handle h, int errclass, const char *function)       \
	{                                                                                                           \
		return prog_errcode_out(raise(h, errclass, function));                                              \
	}
FRONT_FAIL(front_fail, MPI_Comm, core_error)
FRONT_FAIL(front_fail_win, MPI_Win, core_error_win)
FRONT_FAIL(front_fail_file, MPI_File, core_error_file)
FRONT_FAIL(front_fail_session, MPI_Session, core_error_session)

__attribute__((unused)) static void front_clip(char *to, const char *from, int room, int *length)
{
	int n = 0;
	for (; n < room - 1 && from[n]; n++)
		to[n] = from[n];
	to[n] = 0;
	if (length)
		*length = n;
}

static void front_statuses(const MPI_Status *from, prog_Status *to, int n, int errors)
{
	for (int i = 0; i < n; i++) {
		prog_status_out(&from[i], &to[i]);
		if (errors)
			to[i].MPI_ERROR = prog_errcode_out(from[i].MPI_ERROR);
	}
}

/* Integers of MPI_Type_get_contents that are constants (positions: MPI-4.1, 5.1.13). */
static void front_contents(MPI_Datatype type, int *v, MPI_Count max, int large)
{
	int ni, na, nd, combiner;
	if (core_Type_get_envelope(type, &ni, &na, &nd, &combiner))
		return;
	if (combiner == MPI_COMBINER_SUBARRAY && max > 0) {
		MPI_Count order = large ? 1 : 1 + 3 * (MPI_Count)v[0];
		if (order < max)
			v[order] = prog_order_out(v[order]);
	} else if (combiner == MPI_COMBINER_DARRAY && max > 2) {
		MPI_Count n = v[2], at = large ? 3 : 3 + n;
		if (at + 3 * n >= max)
			return;
		for (MPI_Count i = 0; i < n; i++) {
			v[at + i] = prog_distribute_out(v[at + i]);
			v[at + n + i] = prog_darg_out(v[at + n + i]);
		}
		v[at + 3 * n] = prog_order_out(v[at + 3 * n]);
	}
}

/* ---- what is tried first ---- */
#ifndef FRONT_ALONE
#include "front_try.h"
#else
#define front_try_Isend(...) 0
#define front_try_Irecv(...) 0
#define front_try_Waitall(...) 0
#define front_try_Testall(...) 0
#endif

/* ---- attributes ---- */

/* Predefined attributes whose value is a constant of the ABI: the program gets
 * a pointer to its own. */
static void *front_attribute(int keyval, void *value)
{
	static int io, host, flavor, model, lastcode;
	int *own = 0;
	switch (keyval) {
	case MPI_IO:
		*(own = &io) = prog_rank_out(*(int *)value);
		break;
	case MPI_HOST:
		*(own = &host) = prog_rank_out(*(int *)value);
		break;
	case MPI_WIN_CREATE_FLAVOR:
		*(own = &flavor) = prog_win_flavor_out(*(int *)value);
		break;
	case MPI_WIN_MODEL:
		*(own = &model) = prog_win_model_out(*(int *)value);
		break;
	case MPI_LASTUSEDCODE:
		lastcode = *(int *)value <= MPI_ERR_LASTCODE ? PROG_LASTCODE : *(int *)value;
		own = &lastcode;
		break;
	}
	return own ? own : value;
}

EXPORT int PMPI_Comm_get_attr(prog_Comm comm, int keyval, void *value, int *flag)
{
	int key = prog_keyval(keyval), rc = core_Comm_get_attr(prog_comm(comm), key, value, flag);
	if (rc)
		return front_fail(prog_comm(comm), rc, "MPI_Comm_get_attr");
	if (*flag && key < (int)VID_BASE)
		*(void **)value = front_attribute(key, *(void **)value);
	return 0;
}
ALIAS(Comm_get_attr);
ALIAS_STRONG(PMPI_Attr_get, PMPI_Comm_get_attr);
ALIAS(Attr_get);

EXPORT int PMPI_Win_get_attr(prog_Win win, int keyval, void *value, int *flag)
{
	int key = prog_keyval(keyval), rc = core_Win_get_attr(prog_win(win), key, value, flag);
	if (rc)
		return front_fail_win(prog_win(win), rc, "MPI_Win_get_attr");
	if (*flag && key < (int)VID_BASE)
		*(void **)value = front_attribute(key, *(void **)value);
	return 0;
}
ALIAS(Win_get_attr);

/* ---- functions without a counterpart in the core ---- */

EXPORT int PMPI_Pcontrol(const int level, ...)
{
	(void)level;
	return 0;
}
ALIAS(Pcontrol);

EXPORT MPI_Aint PMPI_Aint_add(MPI_Aint base, MPI_Aint disp)
{
	return base + disp;
}
ALIAS(Aint_add);

EXPORT MPI_Aint PMPI_Aint_diff(MPI_Aint a, MPI_Aint b)
{
	return a - b;
}
ALIAS(Aint_diff);

static int front_extent(prog_Datatype type, MPI_Aint *out, int upper, int lower, const char *function)
{
	MPI_Count lb = 0, extent = 0;
	int rc = out ? core_Type_get_extent(prog_type(type), &lb, &extent) : MPI_ERR_ARG;
	if (rc)
		return front_fail(MPI_COMM_NULL, rc, function);
	*out = (upper ? extent : 0) + (lower ? lb : 0);
	return 0;
}

EXPORT int PMPI_Type_extent(prog_Datatype type, MPI_Aint *extent)
{
	return front_extent(type, extent, 1, 0, "MPI_Type_extent");
}
ALIAS(Type_extent);

EXPORT int PMPI_Type_lb(prog_Datatype type, MPI_Aint *lb)
{
	return front_extent(type, lb, 0, 1, "MPI_Type_lb");
}
ALIAS(Type_lb);

EXPORT int PMPI_Type_ub(prog_Datatype type, MPI_Aint *ub)
{
	return front_extent(type, ub, 1, 1, "MPI_Type_ub");
}
ALIAS(Type_ub);

/* Statuses of C, Fortran and mpi_f08 have one layout in every ABI. */
#define FRONT_STATUS_COPY(name)                               \
	EXPORT int PMPI_##name(const void *from, void *to)    \
	{                                                     \
		__builtin_memcpy(to, from, sizeof(prog_Status)); \
		return 0;                                     \
	}                                                     \
	ALIAS(name)
FRONT_STATUS_COPY(Status_c2f);
FRONT_STATUS_COPY(Status_f2c);
FRONT_STATUS_COPY(Status_c2f08);
FRONT_STATUS_COPY(Status_f082c);
FRONT_STATUS_COPY(Status_f082f);
FRONT_STATUS_COPY(Status_f2f08);

/* ---- generalized requests: callbacks with the program's status and codes ---- */

struct front_grequest {
	int (*query)(void *extra, prog_Status *status);
	int (*free)(void *extra);
	int (*cancel)(void *extra, int complete);
	void *extra;
	int fortran; /* procedures: arguments by reference, the code in the last one */
};

__attribute__((unused)) static void front_grequest_is_fortran(void *state)
{
	if (state)
		((struct front_grequest *)state)->fortran = 1;
}

static int front_grequest_query(void *state, MPI_Status *status)
{
	struct front_grequest *g = state;
	prog_Status s;
	prog_status_out(status, &s);
	s.MPI_ERROR = 0;
	int rc = 0;
	if (g->fortran)
		((void (*)(void *, prog_Status *, int *))(void *)g->query)(g->extra, &s, &rc);
	else
		rc = g->query(g->extra, &s);
	prog_status(&s, status);
	return prog_errcode(rc);
}

static int front_grequest_free(void *state)
{
	struct front_grequest *g = state;
	int rc = 0;
	if (g->fortran)
		((void (*)(void *, int *))(void *)g->free)(g->extra, &rc);
	else
		rc = g->free(g->extra);
	core_free(g);
	return prog_errcode(rc);
}

static int front_grequest_cancel(void *state, int complete)
{
	struct front_grequest *g = state;
	int rc = 0;
	if (g->fortran)
		((void (*)(void *, int *, int *))(void *)g->cancel)(g->extra, &complete, &rc);
	else
		rc = g->cancel(g->extra, complete);
	return prog_errcode(rc);
}

EXPORT int PMPI_Grequest_start(void *query, void *free, void *cancel, void *extra, prog_Request *request)
{
	struct front_grequest *g = core_alloc(sizeof *g);
	*g = (struct front_grequest){(int (*)(void *, prog_Status *))query, (int (*)(void *))free,
	                             (int (*)(void *, int))cancel, extra, 0};
	MPI_Request r = 0;
	int rc = core_Grequest_start(front_grequest_query, front_grequest_free, front_grequest_cancel, g, &r);
	if (rc)
		return front_fail(MPI_COMM_NULL, rc, "MPI_Grequest_start");
	*request = prog_request_out(r);
	return 0;
}
ALIAS(Grequest_start);

/* ---- callbacks of the core, with the program's own handles and codes ---- */

/* Procedures of Fortran programs take handles as integers; only where C handles are something else. */
#ifndef front_is_fortran
#define front_is_fortran(fn) ((void)(fn), 0)
#define front_type_fint(t) ((void)(t), 0)
#define front_comm_fint(c) ((void)(c), 0)
#else
int PMPI_Type_c2f(prog_Datatype datatype), PMPI_Comm_c2f(prog_Comm comm);
#define front_type_fint(t) PMPI_Type_c2f(t)
#define front_comm_fint(c) PMPI_Comm_c2f(c)
#endif

/* Functions that C++ has given: its library wants to call them. */
struct front_cxx {
	struct front_cxx *next;
	void *fn, *caller;
};
static struct front_cxx *front_cxx_functions;

static void *front_cxx_caller(void *fn)
{
	struct front_cxx *p = __atomic_load_n(&front_cxx_functions, __ATOMIC_ACQUIRE);
	while (p && p->fn != fn)
		p = p->next;
	return p ? p->caller : 0;
}

__attribute__((unused)) static void front_cxx_add(void *fn, void *caller)
{
	if (!fn || front_cxx_caller(fn))
		return;
	struct front_cxx *p = core_alloc(sizeof *p);
	*p = (struct front_cxx){front_cxx_functions, fn, caller};
	while (!__atomic_compare_exchange_n(&front_cxx_functions, &p->next, p, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void front_op_call(void *fn, int large, void *in, void *inout, MPI_Count n, MPI_Datatype t)
{
	prog_Datatype type = prog_type_out(t);
	void *cxx = front_cxx_caller(fn);
	if (cxx) {
		front_cxx_op(cxx, fn, in, inout, (int)n, type);
	} else if (large) {
		((void (*)(void *, void *, MPI_Count *, prog_Datatype *))fn)(in, inout, &n, &type);
	} else if (front_is_fortran(fn)) {
		int count = (int)n, number = front_type_fint(type);
		((void (*)(void *, void *, int *, int *))fn)(in, inout, &count, &number);
	} else {
		int count = (int)n;
		((void (*)(void *, void *, int *, prog_Datatype *))fn)(in, inout, &count, &type);
	}
}

/* What a failed call returns when its error handler has put another code in the place of its own. */
#ifndef front_errh_changed
#define front_errh_changed(errclass, code) (errclass)
#endif

/* What an error handler in C++ has seen is done with: its library calls the handler of a
 * call that returns an error. A Fortran procedure gets the number of the
 * object, which its virtual id is but for predefined communicators. */
static int front_errh(int kind, void *fn, uint64_t object, int errclass)
{
	MPI_Comm h = (MPI_Comm)(uintptr_t)object;
	prog_Comm comm = prog_comm_out(h);
	prog_Win win = prog_win_out((MPI_Win)h);
	prog_File file = prog_file_out((MPI_File)h);
	prog_Session session = prog_session_out((MPI_Session)h);
	void *const handle[] = {[ERRH_COMM] = &comm, [ERRH_WIN] = &win, [ERRH_FILE] = &file, [ERRH_SESSION] = &session};
	int was = prog_errcode_out(errclass), code = was;
	void *cxx = front_cxx_caller(fn);
	if (cxx) {
		front_cxx_errh(cxx, fn, kind, handle[kind], &code);
		return MPI_SUCCESS;
	}
	if (front_is_fortran(fn)) {
		int number = kind == ERRH_COMM ? front_comm_fint(comm) : (int)object;
		((void (*)(int *, int *))fn)(&number, &code);
	} else {
		((void (*)(void *, int *, ...))fn)(handle[kind], &code);
	}
	return code == was ? errclass : front_errh_changed(errclass, code);
}

static int front_comm_copy_attr(void *fn, MPI_Comm c, int keyval, void *extra, void *in, void *out, int *flag)
{
	int rc;
	if (front_proxy_copy(keyval, fn, (uintptr_t)prog_comm_out(c), extra, in, out, flag, &rc))
		return prog_errcode(rc);
	return prog_errcode(((int (*)(prog_Comm, int, void *, void *, void *, int *))fn)(
	    prog_comm_out(c), prog_keyval_out(keyval), extra, in, out, flag));
}

static int front_comm_delete_attr(void *fn, MPI_Comm c, int keyval, void *value, void *extra)
{
	int rc;
	if (front_proxy_delete(keyval, fn, (uintptr_t)prog_comm_out(c), value, extra, &rc))
		return prog_errcode(rc);
	return prog_errcode(((int (*)(prog_Comm, int, void *, void *))fn)(prog_comm_out(c), prog_keyval_out(keyval), value, extra));
}

static int front_type_copy_attr(void *fn, MPI_Datatype t, int keyval, void *extra, void *in, void *out, int *flag)
{
	int rc;
	if (front_proxy_copy(keyval, fn, (uintptr_t)prog_type_out(t), extra, in, out, flag, &rc))
		return prog_errcode(rc);
	return prog_errcode(((int (*)(prog_Datatype, int, void *, void *, void *, int *))fn)(
	    prog_type_out(t), prog_keyval_out(keyval), extra, in, out, flag));
}

static int front_type_delete_attr(void *fn, MPI_Datatype t, int keyval, void *value, void *extra)
{
	int rc;
	if (front_proxy_delete(keyval, fn, (uintptr_t)prog_type_out(t), value, extra, &rc))
		return prog_errcode(rc);
	return prog_errcode(((int (*)(prog_Datatype, int, void *, void *))fn)(prog_type_out(t), prog_keyval_out(keyval), value, extra));
}

const struct core_front core_front = {
    .abi = PROG_ABI,
    .late_errhandler = PROG_LATE_ERRHANDLER,
    .op_call = front_op_call,
    .errh = front_errh,
    .comm_copy_attr = front_comm_copy_attr,
    .comm_delete_attr = front_comm_delete_attr,
    .type_copy_attr = front_type_copy_attr,
    .type_delete_attr = front_type_delete_attr,
};

#endif
