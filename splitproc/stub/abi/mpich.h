/* mpich.h - what only libmpi.so.12 (libmpich.so.12) has: data symbols, the
 * predefined copy function, and the entries that MPICH's own Fortran and C++
 * shims call. Part of gen/front_mpich.c. */
#define PROG_ABI "mpich"
#define PROG_LASTCODE 0x3fffffff /* MPI_ERR_LASTCODE */
#define PROG_LATE_ERRHANDLER 1

#define DEFAULT __attribute__((visibility("default")))

DEFAULT void *MPIR_C_MPI_UNWEIGHTED, *MPIR_C_MPI_WEIGHTS_EMPTY;
DEFAULT int *const MPI_UNWEIGHTED_SYMBOL = (int *)&MPIR_C_MPI_UNWEIGHTED;
DEFAULT int *const MPI_WEIGHTS_EMPTY_SYMBOL = (int *)&MPIR_C_MPI_WEIGHTS_EMPTY;
/* What mpi_f08 hands over for them; the Fortran library may have these variables itself. */
__attribute__((constructor)) static void prog_f08_weights(void)
{
	MPIR_C_MPI_UNWEIGHTED = MPI_UNWEIGHTED_SYMBOL;
	MPIR_C_MPI_WEIGHTS_EMPTY = MPI_WEIGHTS_EMPTY_SYMBOL;
}

DEFAULT int MPIR_F08_MPI_BOTTOM, MPIR_F08_MPI_IN_PLACE;
DEFAULT int MPIR_F08_MPI_STATUS_IGNORE_OBJ[5], MPIR_F08_MPI_STATUSES_IGNORE_OBJ[5];
DEFAULT int *MPI_F08_STATUS_IGNORE = MPIR_F08_MPI_STATUS_IGNORE_OBJ, *MPI_F08_STATUSES_IGNORE = MPIR_F08_MPI_STATUSES_IGNORE_OBJ;
DEFAULT int *MPI_F_STATUS_IGNORE, *MPI_F_STATUSES_IGNORE;
DEFAULT void *front_pvar_all_handles __asm__("MPI_T_PVAR_ALL_HANDLES") = &front_pvar_all_handles;

#define VERSION_STRING(name, text) DEFAULT const char MPII_Version_##name[] = text
VERSION_STRING(ABI, "12:0:0");
VERSION_STRING(CC, "");
VERSION_STRING(CXX, "");
VERSION_STRING(F77, "");
VERSION_STRING(FC, "");
VERSION_STRING(configure, "");
VERSION_STRING(custom, "");
VERSION_STRING(date, "");
VERSION_STRING(device, "mana");
VERSION_STRING(string, "4.0");

DEFAULT int MPIR_Dup_fn(int handle, int keyval, void *extra, void *in, void *out, int *flag)
{
	(void)handle, (void)keyval, (void)extra;
	*(void **)out = in;
	*flag = 1;
	return 0;
}

/* The predefined functions' values in the standard ABI: NULL_COPY and NULL_DELETE 0, DUP 1. */
static void *prog_copy_fn(void *fn)
{
	return fn == (void *)MPIR_Dup_fn ? (void *)1 : fn;
}

static void *prog_delete_fn(void *fn)
{
	return fn;
}

/* What a failed call returns is what its error handler leaves. */
#define front_errh_changed(errclass, code) prog_errcode(code)

/* Keyvals made by Fortran or C++: their functions are called through a proxy
 * that knows that language's conventions. That of C++ takes the address of a
 * value that is not said to be a pointer; to that of Fortran it is all one. */
enum { PROXY_POINTER = 0 };
typedef int proxy_copy(void *fn, int handle, int keyval, void *extra, int kind, void *in, void **out, int *flag);
typedef int proxy_delete(void *fn, int handle, int keyval, int kind, void *value, void *extra);
static struct front_proxy {
	struct front_proxy *next;
	int keyval;
	int kind; /* how values are set: by C and C++ as pointers, by Fortran as integers */
	proxy_copy *copy;
	proxy_delete *delete;
} *front_proxies;

static struct front_proxy *front_proxy_of(int keyval)
{
	struct front_proxy *p = __atomic_load_n(&front_proxies, __ATOMIC_ACQUIRE);
	while (p && p->keyval != keyval)
		p = p->next;
	return p;
}

static int front_proxy_copy(int keyval, void *fn, uintptr_t handle, void *extra, void *in, void *out, int *flag, int *rc)
{
	struct front_proxy *p = front_proxy_of(keyval);
	if (!p || !p->copy)
		return 0;
	*rc = p->copy(fn, (int)handle, keyval, extra, p->kind, in, out, flag);
	return 1;
}

static int front_proxy_delete(int keyval, void *fn, uintptr_t handle, void *value, void *extra, int *rc)
{
	struct front_proxy *p = front_proxy_of(keyval);
	if (!p || !p->delete)
		return 0;
	*rc = p->delete(fn, (int)handle, keyval, p->kind, value, extra);
	return 1;
}

DEFAULT void MPII_Keyval_set_proxy(int keyval, proxy_copy *copy, proxy_delete *delete)
{
	struct front_proxy *p = core_alloc(sizeof *p);
	*p = (struct front_proxy){front_proxies, keyval, PROXY_POINTER, copy, delete};
	while (!__atomic_compare_exchange_n(&front_proxies, &p->next, p, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

DEFAULT int PMPI_Comm_get_attr(int comm, int keyval, void *value, int *flag);
DEFAULT int PMPI_Win_get_attr(int win, int keyval, void *value, int *flag);
DEFAULT int PMPI_Type_get_attr(int type, int keyval, void *value, int *flag);
DEFAULT int PMPI_Comm_set_attr(int comm, int keyval, void *value);
DEFAULT int PMPI_Win_set_attr(int win, int keyval, void *value);
DEFAULT int PMPI_Type_set_attr(int type, int keyval, void *value);

/* Fortran gets values, not pointers to them, and its predefined keyvals are C's plus one. */
#define FRONT_LANGUAGE_ATTR(Kind, low)                                                                 \
	DEFAULT int MPII_##Kind##_get_attr(int handle, int keyval, void *value, int *flag, int kind)   \
	{                                                                                              \
		int predefined = (unsigned)keyval >> 30 == 1;                                          \
		if (kind != PROXY_POINTER && predefined && !(keyval & 1))                              \
			keyval--;                                                                      \
		int rc = PMPI_##Kind##_get_attr(handle, keyval, value, flag);                          \
		if (rc == 0 && *flag && kind != PROXY_POINTER) {                                       \
			if (predefined)                                                                \
				*(intptr_t *)value = **(int **)value;                                  \
			else if (core_##low##_attr_integer(prog_##low(handle), prog_keyval(keyval), -1)) \
				*(intptr_t *)value = **(intptr_t **)value;                             \
		}                                                                                      \
		return rc;                                                                             \
	}                                                                                              \
	DEFAULT int MPII_##Kind##_set_attr(int handle, int keyval, void *value, int kind)              \
	{                                                                                              \
		struct front_proxy *p = front_proxy_of(keyval);                                        \
		if (p)                                                                                 \
			p->kind = kind;                                                                \
		int rc = PMPI_##Kind##_set_attr(handle, keyval, value);                                \
		if (rc == 0 && kind != PROXY_POINTER)                                                  \
			core_##low##_attr_integer(prog_##low(handle), prog_keyval(keyval), 1);         \
		return rc;                                                                             \
	}
FRONT_LANGUAGE_ATTR(Comm, comm)
FRONT_LANGUAGE_ATTR(Type, type)
FRONT_LANGUAGE_ATTR(Win, win)

static void front_grequest_is_fortran(void *state);
DEFAULT void MPII_Grequest_set_lang_f77(prog_Request request)
{
	front_grequest_is_fortran(core_grequest_state(prog_request(request)));
}

/* Operations and error handlers of C++ are called through its library, which knows how to make objects of handles. */
static void front_cxx_add(void *fn, void *caller);

DEFAULT void MPII_Op_set_cxx(int op, void *caller)
{
	front_cxx_add(core_op_function(prog_op(op), 0), caller);
}

DEFAULT void MPII_Errhandler_set_cxx(int errhandler, void *caller)
{
	front_cxx_add(core_errh_function(prog_errh(errhandler)), caller);
}

static void front_cxx_op(void *caller, void *fn, void *in, void *inout, int n, int type)
{
	((void (*)(void *, void *, int, int, void *))caller)(in, inout, n, type, fn);
}

/* Its numbers of the kinds: 0 communicator, 1 file, 2 window. */
static void front_cxx_errh(void *caller, void *fn, int kind, void *handle, int *code)
{
	((void (*)(int, void *, int *, void *))caller)(kind == ERRH_FILE ? 1 : kind == ERRH_WIN ? 2 : 0, handle, code, fn);
}

/* No device memory is ever passed through us. */
DEFAULT int MPIX_GPU_query_support(int kind, int *is_supported)
{
	(void)kind;
	*is_supported = 0;
	return 0;
}
#define FRONT_NO(name)                                                                  \
	DEFAULT int P##name(void) { return 0; }                                         \
	extern DEFAULT __typeof__(P##name) name __attribute__((weak, alias("P" #name)))
FRONT_NO(MPIX_Query_cuda_support);
FRONT_NO(MPIX_Query_hip_support);
FRONT_NO(MPIX_Query_ze_support);
extern DEFAULT __typeof__(MPIX_GPU_query_support) PMPIX_GPU_query_support __attribute__((alias("MPIX_GPU_query_support")));

/* Present so that every importer loads; calling one ends the job with its name. */
#define FRONT_UNSUPPORTED(name) \
	DEFAULT int name(void) { core_unsupported(#name); }
#define FRONT_UNSUPPORTED_PAIR(name)                                                            \
	DEFAULT int P##name(void) { core_unsupported(#name); }                                  \
	extern DEFAULT __typeof__(P##name) name __attribute__((weak, alias("P" #name)))
FRONT_UNSUPPORTED(MPIR_Err_create_code)
FRONT_UNSUPPORTED(MPIR_Err_return_comm)
FRONT_UNSUPPORTED(MPIR_Err_return_win)
FRONT_UNSUPPORTED_PAIR(MPIX_Comm_agree);
FRONT_UNSUPPORTED_PAIR(MPIX_Comm_failure_ack);
FRONT_UNSUPPORTED_PAIR(MPIX_Comm_failure_get_acked);
FRONT_UNSUPPORTED_PAIR(MPIX_Comm_revoke);
FRONT_UNSUPPORTED_PAIR(MPIX_Comm_shrink);
FRONT_UNSUPPORTED_PAIR(MPIX_Delete_error_class);
FRONT_UNSUPPORTED_PAIR(MPIX_Delete_error_code);
FRONT_UNSUPPORTED_PAIR(MPIX_Delete_error_string);
FRONT_UNSUPPORTED_PAIR(MPIX_Grequest_class_allocate);
FRONT_UNSUPPORTED_PAIR(MPIX_Grequest_class_create);
FRONT_UNSUPPORTED_PAIR(MPIX_Grequest_start);
