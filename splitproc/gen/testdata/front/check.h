/* A front end over a core that only remembers what it was called with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>

#include "core_objects.h"

#define CHECK(cond)                                                     \
	do {                                                            \
		if (!(cond)) {                                          \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond); \
			failures++;                                     \
		}                                                       \
	} while (0)
static int failures;

void *core_alloc(size_t n)
{
	return calloc(1, n);
}

void core_free(void *p)
{
	free(p);
}

int core_unsupported(const char *function)
{
	fprintf(stderr, "unsupported: %s\n", function);
	exit(3);
}

/* abi/ompi_fortran.c: here every function of the program is C's. */
__attribute__((visibility("hidden"))) int front_fortran_procedure(void *fn)
{
	(void)fn;
	return 0;
}

static int error_class;
int core_error(MPI_Comm comm, int errclass, const char *function)
{
	(void)comm, (void)function;
	error_class = errclass;
	return errclass;
}

int core_refused(const char *function, const char *why, int *told, int errclass)
{
	(void)function, (void)why, (void)told;
	return errclass;
}
#define NO_ATTR_INTEGER(low, Handle)                              \
	int core_##low##_attr_integer(Handle h, int keyval, int set) \
	{                                                         \
		(void)h, (void)keyval, (void)set;                 \
		return 0;                                         \
	}
NO_ATTR_INTEGER(comm, MPI_Comm)
NO_ATTR_INTEGER(type, MPI_Datatype)
NO_ATTR_INTEGER(win, MPI_Win)
void *core_op_function(MPI_Op op, void *instead)
{
	(void)op, (void)instead;
	return 0;
}
void *core_errh_function(MPI_Errhandler h)
{
	(void)h;
	return 0;
}
void *core_grequest_state(MPI_Request h)
{
	(void)h;
	return 0;
}
int core_error_win(MPI_Win win, int errclass, const char *function)
{
	(void)win;
	return core_error(MPI_COMM_NULL, errclass, function);
}
int core_error_file(MPI_File file, int errclass, const char *function)
{
	(void)file;
	return core_error(MPI_COMM_NULL, errclass, function);
}
int core_error_session(MPI_Session session, int errclass, const char *function)
{
	(void)session;
	return core_error(MPI_COMM_NULL, errclass, function);
}

struct core_table core_comms;
struct core_comm core_world = {.size = 3}, core_self = {.size = 1};

static struct {
	const void *buf;
	MPI_Count count;
	MPI_Datatype type, types[3];
	MPI_Comm comm;
	MPI_Op op;
	int peer, tag, keyval;
	MPI_Request requests[40];
	const int *weights;
	void *fn;
} got;

int core_Send(const void *buf, MPI_Count count, MPI_Datatype datatype, int dest, int tag, MPI_Comm comm)
{
	got.buf = buf, got.count = count, got.type = datatype, got.peer = dest, got.tag = tag, got.comm = comm;
	return VID(comm) ? 0 : MPI_ERR_COMM;
}

int core_Recv(void *buf, MPI_Count count, MPI_Datatype datatype, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	core_Send(buf, count, datatype, source, tag, comm);
	if (status)
		*status = (MPI_Status){.MPI_SOURCE = MPI_PROC_NULL, .MPI_TAG = MPI_ANY_TAG, .MPI_internal = {1, 5, 1}};
	return 0;
}

int core_Allreduce(const void *sendbuf, void *recvbuf, MPI_Count count, MPI_Datatype datatype, MPI_Op op, MPI_Comm comm)
{
	(void)recvbuf;
	core_Send(sendbuf, count, datatype, 0, 0, comm);
	got.op = op;
	return 0;
}

int core_Alltoallw(const void *sendbuf, const int sendcounts[], const int sdispls[], const MPI_Datatype sendtypes[],
                   void *recvbuf, const int recvcounts[], const int rdispls[], const MPI_Datatype recvtypes[], MPI_Comm comm)
{
	(void)sendcounts, (void)sdispls, (void)sendtypes, (void)recvbuf, (void)recvcounts, (void)rdispls, (void)comm;
	got.buf = sendbuf;
	memcpy(got.types, recvtypes, sizeof got.types);
	return 0;
}

int core_Waitall(int count, MPI_Request array_of_requests[], MPI_Status array_of_statuses[])
{
	for (int i = 0; i < count; i++) {
		got.requests[i] = array_of_requests[i];
		array_of_requests[i] = MPI_REQUEST_NULL;
		if (array_of_statuses)
			array_of_statuses[i] = (MPI_Status){.MPI_SOURCE = i, .MPI_TAG = 100 + i, .MPI_ERROR = i == 1 ? MPI_ERR_TRUNCATE : 0};
	}
	return count == 2 ? MPI_ERR_IN_STATUS : 0;
}

int core_Comm_dup(MPI_Comm comm, MPI_Comm *newcomm)
{
	got.comm = comm;
	*newcomm = (MPI_Comm)(uintptr_t)(VID_BASE + 7);
	return 0;
}

int core_Comm_free(MPI_Comm *comm)
{
	got.comm = *comm;
	*comm = MPI_COMM_NULL;
	return 0;
}

int core_Type_size(MPI_Datatype datatype, MPI_Count *size)
{
	got.type = datatype;
	*size = 1LL << 33;
	return 0;
}

int core_Comm_create_keyval(MPI_Comm_copy_attr_function *copy, MPI_Comm_delete_attr_function *delete, int *keyval, void *extra)
{
	(void)delete, (void)extra;
	got.fn = (void *)copy;
	*keyval = VID_BASE + 3;
	return 0;
}

int core_Comm_get_attr(MPI_Comm comm, int keyval, void *value, int *flag)
{
	static int proc_null = MPI_PROC_NULL;
	got.comm = comm, got.keyval = keyval;
	*(void **)value = &proc_null;
	*flag = 1;
	return 0;
}

int core_Error_class(int errorcode, int *errorclass)
{
	*errorclass = errorcode;
	return 0;
}

int core_Get_library_version(char *version, int *resultlen)
{
	memset(version, 'v', 1000);
	version[1000] = 0;
	*resultlen = 1000;
	return 0;
}

int core_Type_get_envelope(MPI_Datatype t, int *ni, int *na, int *nd, int *combiner)
{
	(void)t;
	*ni = 9, *na = 0, *nd = 1, *combiner = MPI_COMBINER_SUBARRAY;
	return 0;
}

int core_Type_get_contents(MPI_Datatype t, int mi, int ma, int md, int ints[], MPI_Aint addrs[], MPI_Datatype types[])
{
	(void)t, (void)mi, (void)ma, (void)md, (void)addrs;
	const int v[] = {2, 4, 4, 2, 2, 1, 1, MPI_ORDER_FORTRAN};
	memcpy(ints, v, sizeof v);
	types[0] = MPI_DOUBLE;
	return 0;
}

int core_Dist_graph_create_adjacent(MPI_Comm comm, int indegree, const int s[], const int sw[], int outdegree, const int d[],
                                    const int dw[], MPI_Info info, int reorder, MPI_Comm *out)
{
	(void)comm, (void)indegree, (void)s, (void)outdegree, (void)d, (void)dw, (void)info, (void)reorder, (void)out;
	got.weights = sw;
	return MPI_ERR_ARG;
}
