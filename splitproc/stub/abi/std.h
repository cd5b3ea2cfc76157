/* std.h - what only libmpi_abi.so.1 has. Part of gen/front_std.c. */
#define PROG_ABI "std"
#define PROG_LASTCODE MPI_ERR_LASTCODE
#define PROG_LATE_ERRHANDLER 0

static void *prog_copy_fn(void *fn)
{
	return fn;
}

static void *prog_delete_fn(void *fn)
{
	return fn;
}

#define front_proxy_copy(keyval, fn, handle, extra, in, out, flag, rc) ((void)(rc), 0)
#define front_proxy_delete(keyval, fn, handle, value, extra, rc) ((void)(rc), 0)
#define front_cxx_op(caller, fn, in, inout, n, type) ((void)(caller), (void)(fn), (void)(type))
#define front_cxx_errh(caller, fn, kind, handle, code) ((void)(caller), (void)(fn), (void)(handle))
