/* ompi.h - what only libmpi.so.40 has besides functions and handles: hashing
 * of handle addresses, predefined attribute functions, data that Open MPI's
 * C++ library imports. Part of gen/front_ompi.c. */
#define PROG_ABI "ompi"
#define PROG_LASTCODE 92 /* MPI_ERR_LASTCODE */
#define PROG_LATE_ERRHANDLER 0

#include "front_fortran.h"
#define front_is_fortran(fn) front_fortran_procedure(fn)

#define DEFAULT __attribute__((visibility("default")))

struct prog_slot prog_hash[PROG_HASH];

/* Runs after relocation: an address may lie in the executable (copy relocation). */
__attribute__((constructor(101))) static void prog_hash_fill(void)
{
	for (unsigned code = 0; code < 1024; code++) {
		void *p = prog_address[code];
		if (!p)
			continue;
		unsigned i = prog_hash_of(p);
		while (prog_hash[i].address && prog_hash[i].address != p)
			i = (i + 1) % PROG_HASH;
		if (!prog_hash[i].address)
			prog_hash[i] = (struct prog_slot){p, code};
	}
}

#define FRONT_COPY_FN(name, copies)                                                                        \
	DEFAULT int OMPI_C_##name(void *h, int keyval, void *extra, void *in, void *out, int *flag)        \
	{                                                                                                  \
		(void)h, (void)keyval, (void)extra;                                                        \
		if (copies)                                                                                \
			*(void **)out = in;                                                                \
		*flag = copies;                                                                            \
		return 0;                                                                                  \
	}
#define FRONT_DELETE_FN(name)                                                         \
	DEFAULT int OMPI_C_##name(void *h, int keyval, void *value, void *extra)      \
	{                                                                             \
		(void)h, (void)keyval, (void)value, (void)extra;                      \
		return 0;                                                             \
	}
#define FRONT_ATTR_FNS(prefix)                     \
	FRONT_COPY_FN(prefix##DUP_FN, 1)           \
	FRONT_COPY_FN(prefix##NULL_COPY_FN, 0)     \
	FRONT_DELETE_FN(prefix##NULL_DELETE_FN)
FRONT_ATTR_FNS(MPI_)
FRONT_ATTR_FNS(MPI_COMM_)
FRONT_ATTR_FNS(MPI_TYPE_)
FRONT_ATTR_FNS(MPI_WIN_)

/* The predefined functions' values in the standard ABI: NULL_COPY and NULL_DELETE 0, DUP 1. */
static void *prog_copy_fn(void *fn)
{
	void *const dup[] = {OMPI_C_MPI_DUP_FN, OMPI_C_MPI_COMM_DUP_FN, OMPI_C_MPI_TYPE_DUP_FN, OMPI_C_MPI_WIN_DUP_FN};
	void *const null[] = {OMPI_C_MPI_NULL_COPY_FN, OMPI_C_MPI_COMM_NULL_COPY_FN, OMPI_C_MPI_TYPE_NULL_COPY_FN,
	                      OMPI_C_MPI_WIN_NULL_COPY_FN};
	for (int i = 0; i < 4; i++) {
		if (fn == dup[i])
			return (void *)1;
		if (fn == null[i])
			return 0;
	}
	return fn;
}

static void *prog_delete_fn(void *fn)
{
	void *const null[] = {OMPI_C_MPI_NULL_DELETE_FN, OMPI_C_MPI_COMM_NULL_DELETE_FN, OMPI_C_MPI_TYPE_NULL_DELETE_FN,
	                      OMPI_C_MPI_WIN_NULL_DELETE_FN};
	for (int i = 0; i < 4; i++)
		if (fn == null[i])
			return 0;
	return fn;
}

#define front_proxy_copy(keyval, fn, handle, extra, in, out, flag, rc) ((void)(rc), 0)
#define front_proxy_delete(keyval, fn, handle, value, extra, rc) ((void)(rc), 0)

/* For ompi_fortran.c. */
#define FRONT_ATTR_INTEGER(low, Kind)                                                        \
	int front_##low##_attr_integer(prog_##Kind h, int keyval, int set)                   \
	{                                                                                    \
		return core_##low##_attr_integer(prog_##low(h), prog_keyval(keyval), set);   \
	}
FRONT_ATTR_INTEGER(comm, Comm)
FRONT_ATTR_INTEGER(type, Datatype)
FRONT_ATTR_INTEGER(win, Win)

/* Fortran sentinels; a Fortran program's own commons take their place. */
DEFAULT int mpi_fortran_bottom_, mpi_fortran_in_place_, mpi_fortran_errcodes_ignore_, mpi_fortran_unweighted_,
    mpi_fortran_weights_empty_;
DEFAULT char mpi_fortran_argv_null_, mpi_fortran_argvs_null_;
DEFAULT int *mpi_fortran_status_ignore_, *mpi_fortran_statuses_ignore_;
DEFAULT int *MPI_F_STATUS_IGNORE = (int *)&mpi_fortran_status_ignore_;
DEFAULT int *MPI_F_STATUSES_IGNORE = (int *)&mpi_fortran_statuses_ignore_;

/* libmpi_cxx.so.40 binds these when it is loaded. */
DEFAULT char ompi_mpi_errors_throw_exceptions[1024];
DEFAULT int ompi_errcode_intern_lastused;
DEFAULT char ompi_errcodes_intern[120], ompi_registered_datareps[64];

DEFAULT int MPIX_Query_cuda_support(void)
{
	return 0;
}

/* The C++ library makes an operation of a function of its own, then tells the
 * program's: that one comes last when its own is called. */
static void front_cxx_add(void *fn, void *caller);

DEFAULT void ompi_op_set_cxx_callback(prog_Op op, void *fn)
{
	front_cxx_add(fn, core_op_function(prog_op(op), fn));
}

static void front_cxx_op(void *caller, void *fn, void *in, void *inout, int n, prog_Datatype type)
{
	((void (*)(void *, void *, int *, prog_Datatype *, void *))caller)(in, inout, &n, &type, fn);
}

/* Its own looks into the communicator. */
DEFAULT int PMPI_Topo_test(prog_Comm comm, int *kind);
DEFAULT int PMPI_Comm_test_inter(prog_Comm comm, int *flag);

DEFAULT int ompi_cxx_comm_get_type(prog_Comm comm)
{
	int topology = 0, inter = 0;
	PMPI_Comm_test_inter(comm, &inter);
	if (inter)
		return 2;
	PMPI_Topo_test(comm, &topology);
	return topology == 1 /* MPI_CART */ ? 3 : topology == 2 /* MPI_GRAPH */ ? 4 : 1;
}

/* Not reached: ompi_errhandler_create is not offered. */
#define front_cxx_errh(caller, fn, kind, handle, code) ((void)(caller), (void)(fn), (void)(handle))

DEFAULT int PMPI_Comm_create_keyval(void *copy, void *delete, int *keyval, void *extra);
DEFAULT int PMPI_Type_create_keyval(void *copy, void *delete, int *keyval, void *extra);
DEFAULT int PMPI_Win_create_keyval(void *copy, void *delete, int *keyval, void *extra);

/* Its copy and delete functions are C functions that find the program's behind `extra`. */
DEFAULT int ompi_attr_create_keyval(int type, void *copy, void *delete, int *keyval, void *extra)
{
	switch (type) {
	case 1:
		return PMPI_Comm_create_keyval(copy, delete, keyval, extra);
	case 2:
		return PMPI_Type_create_keyval(copy, delete, keyval, extra);
	default:
		return PMPI_Win_create_keyval(copy, delete, keyval, extra);
	}
}

/* Present so that every importer loads; calling one ends the job with its name. */
#define FRONT_UNSUPPORTED(name) \
	DEFAULT int name(void) { core_unsupported(#name); }
FRONT_UNSUPPORTED(ompi_attr_create_keyval_aint)
FRONT_UNSUPPORTED(ompi_attr_create_keyval_fint)
FRONT_UNSUPPORTED(ompi_attr_get_aint)
FRONT_UNSUPPORTED(ompi_attr_get_fint)
FRONT_UNSUPPORTED(ompi_attr_set_aint)
FRONT_UNSUPPORTED(ompi_attr_set_fint)
FRONT_UNSUPPORTED(ompi_datatype_match_size)
FRONT_UNSUPPORTED(ompi_fortran_argv_blank_f2c)
FRONT_UNSUPPORTED(ompi_fortran_argv_count_f2c)
FRONT_UNSUPPORTED(ompi_fortran_multiple_argvs_f2c)
FRONT_UNSUPPORTED(ompi_mpi_errors_are_fatal_comm_handler)
FRONT_UNSUPPORTED(ompi_errhandler_create)
FRONT_UNSUPPORTED(ompi_errhandler_invoke)
FRONT_UNSUPPORTED(OMPI_Affinity_str)
