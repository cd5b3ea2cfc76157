/* ompi_fortran_more.c - further procedures of Open MPI's Fortran library that look
 * into objects: exchanges with a datatype for every peer, which read the size of
 * the communicator, generalized requests, and what calls the library's insides.
 */
#include "ompi_fortran.h"

int PMPI_Comm_size(handle, int *), PMPI_Comm_remote_size(handle, int *), PMPI_Comm_test_inter(handle, int *);
int PMPI_Topo_test(handle, int *), PMPI_Cartdim_get(handle, int *), PMPI_Comm_rank(handle, int *),
    PMPI_Graph_neighbors_count(handle, int, int *), PMPI_Dist_graph_neighbors_count(handle, int *, int *, int *);
handle PMPI_Comm_f2c(fint), PMPI_Type_f2c(fint), PMPI_Info_f2c(fint);
fint PMPI_Request_c2f(handle);
int PMPI_Grequest_start(void *, void *, void *, void *, handle *);
int PMPI_Comm_spawn(const char *, char **, int, handle, int, handle, handle *, int *);
int PMPI_Register_datarep(const char *, void *, void *, void *, void *);

/* Topologies of Open MPI's mpi.h. */
enum { TOPO_CART = 1, TOPO_GRAPH = 2, TOPO_DIST_GRAPH = 3 };

extern int mpi_fortran_bottom_, mpi_fortran_in_place_;

static const void *buffer(const void *p)
{
	return p == &mpi_fortran_in_place_ ? (void *)1 : p == &mpi_fortran_bottom_ ? 0 : p;
}

/* How many datatypes there are: one per peer, or per neighbour (out: those that one sends to). */
static int peers(handle c, int neighbours, int out)
{
	int n = 0, m = 0, kind = 0, rank = 0, weighted, inter = 0;
	if (!neighbours) {
		PMPI_Comm_test_inter(c, &inter);
		if (inter)
			PMPI_Comm_remote_size(c, &n);
		else
			PMPI_Comm_size(c, &n);
		return n;
	}
	PMPI_Topo_test(c, &kind);
	if (kind == TOPO_CART) {
		PMPI_Cartdim_get(c, &n);
		return 2 * n;
	}
	if (kind == TOPO_GRAPH) {
		PMPI_Comm_rank(c, &rank);
		PMPI_Graph_neighbors_count(c, rank, &n);
		return n;
	}
	if (kind == TOPO_DIST_GRAPH)
		PMPI_Dist_graph_neighbors_count(c, &n, &m, &weighted);
	return out ? m : n;
}

static handle *types(const fint *f, int n)
{
	handle *t = malloc((size_t)(n + 1) * sizeof *t);
	for (int i = 0; t && i < n; i++)
		t[i] = PMPI_Type_f2c(f[i]);
	return t;
}

/* Everything that ...alltoallw takes in, with its datatypes converted. */
struct exchange {
	handle comm, *sendtypes, *recvtypes;
	const void *sendbuf;
	void *recvbuf;
};

static int exchange_in(struct exchange *x, fint comm, int neighbours, const void *sendbuf, const fint *sendtypes, void *recvbuf,
                       const fint *recvtypes)
{
	x->comm = PMPI_Comm_f2c(comm);
	x->sendbuf = buffer(sendbuf);
	x->recvbuf = (void *)buffer(recvbuf);
	int in_place = x->sendbuf == (void *)1 && !neighbours;
	x->sendtypes = in_place ? 0 : types(sendtypes, peers(x->comm, neighbours, 1));
	x->recvtypes = types(recvtypes, peers(x->comm, neighbours, 0));
	return x->recvtypes && (in_place || x->sendtypes) ? 0 : 34; /* MPI_ERR_NO_MEM */
}

#define EXCHANGE(Name, neighbours, displ, decl, call)                                                                    \
	int Name(const void *, const int *, const displ *, handle *, void *, const int *, const displ *, handle *, handle call##_TYPES); \
	decl                                                                                                             \
	{                                                                                                                \
		struct exchange x;                                                                                       \
		handle request = 0;                                                                                      \
		(void)request;                                                                                           \
		int rc = exchange_in(&x, *comm, neighbours, sendbuf, sendtypes, recvbuf, recvtypes);                     \
		if (!rc)                                                                                                 \
			rc = Name(x.sendbuf, sendcounts, sdispls, x.sendtypes, x.recvbuf, recvcounts, rdispls, x.recvtypes, x.comm call##_ARGS); \
		free(x.sendtypes);                                                                                       \
		free(x.recvtypes);                                                                                       \
		call##_OUT                                                                                               \
		answer(ierr, rc);                                                                                        \
	}
#define EXCHANGE_PARAMS(displ)                                                                                           \
	const void *sendbuf, const fint *sendcounts, const displ *sdispls, const fint *sendtypes, void *recvbuf,         \
	    const fint *recvcounts, const displ *rdispls, const fint *recvtypes, fint *comm
#define PLAIN_TYPES
#define PLAIN_ARGS
#define PLAIN_OUT
#define REQUEST_TYPES , handle *
#define REQUEST_ARGS , &request
#define REQUEST_OUT                                     \
	if (rc == 0)                                    \
		*frequest = PMPI_Request_c2f(request);
#define INIT_TYPES , handle, handle *
#define INIT_ARGS , PMPI_Info_f2c(*info), &request
#define INIT_OUT REQUEST_OUT

EXCHANGE(PMPI_Alltoallw, 0, fint, FORTRAN(alltoallw, (EXCHANGE_PARAMS(fint), fint *ierr)), PLAIN)
EXCHANGE(PMPI_Ialltoallw, 0, fint, FORTRAN(ialltoallw, (EXCHANGE_PARAMS(fint), fint *frequest, fint *ierr)), REQUEST)
EXCHANGE(PMPI_Neighbor_alltoallw, 1, aint, FORTRAN(neighbor_alltoallw, (EXCHANGE_PARAMS(aint), fint *ierr)), PLAIN)
EXCHANGE(PMPI_Ineighbor_alltoallw, 1, aint, FORTRAN(ineighbor_alltoallw, (EXCHANGE_PARAMS(aint), fint *frequest, fint *ierr)), REQUEST)

/* Before MPI-4 persistent collectives had names of Open MPI's own. */
#define FORTRAN_X(name, params)                                                            \
	EXPORT void mpix_##name##_ params __attribute__((alias("ompix_" #name "_f")));     \
	EXPORT void mpix_##name##__ params __attribute__((alias("ompix_" #name "_f")));    \
	EXPORT void mpix_##name params __attribute__((alias("ompix_" #name "_f")));        \
	EXPORT void pmpix_##name##_ params __attribute__((alias("ompix_" #name "_f")));    \
	EXPORT void pmpix_##name##__ params __attribute__((alias("ompix_" #name "_f")));   \
	EXPORT void pmpix_##name params __attribute__((alias("ompix_" #name "_f")));       \
	EXPORT void ompix_##name##_f params;                                               \
	EXPORT void ompix_##name##_f params
EXCHANGE(PMPI_Alltoallw_init, 0, fint, FORTRAN_X(alltoallw_init, (EXCHANGE_PARAMS(fint), fint *info, fint *frequest, fint *ierr)), INIT)
EXCHANGE(PMPI_Neighbor_alltoallw_init, 1, aint, FORTRAN_X(neighbor_alltoallw_init, (EXCHANGE_PARAMS(aint), fint *info, fint *frequest, fint *ierr)), INIT)

/* ---- groups: the library takes the number of a new one from the object ---- */

handle PMPI_Group_f2c(fint);
fint PMPI_Group_c2f(handle);

#define GROUP_OF_LIST(name, Name, list)                                                        \
	int Name(handle, int, list, handle *);                                                 \
	FORTRAN(name, (fint *group, fint *n, list ranks, fint *newgroup, fint *ierr))          \
	{                                                                                      \
		handle h = 0;                                                                  \
		int rc = Name(PMPI_Group_f2c(*group), *n, ranks, &h);                          \
		if (rc == 0)                                                                   \
			*newgroup = PMPI_Group_c2f(h);                                         \
		answer(ierr, rc);                                                              \
	}
#define GROUP_OF_TWO(name, Name)                                                               \
	int Name(handle, handle, handle *);                                                    \
	FORTRAN(name, (fint *group1, fint *group2, fint *newgroup, fint *ierr))                \
	{                                                                                      \
		handle h = 0;                                                                  \
		int rc = Name(PMPI_Group_f2c(*group1), PMPI_Group_f2c(*group2), &h);           \
		if (rc == 0)                                                                   \
			*newgroup = PMPI_Group_c2f(h);                                         \
		answer(ierr, rc);                                                              \
	}
typedef fint (*triplets)[3];
GROUP_OF_LIST(group_incl, PMPI_Group_incl, fint *)
GROUP_OF_LIST(group_excl, PMPI_Group_excl, fint *)
GROUP_OF_LIST(group_range_incl, PMPI_Group_range_incl, triplets)
GROUP_OF_LIST(group_range_excl, PMPI_Group_range_excl, triplets)
GROUP_OF_TWO(group_union, PMPI_Group_union)
GROUP_OF_TWO(group_intersection, PMPI_Group_intersection)
GROUP_OF_TWO(group_difference, PMPI_Group_difference)

/* ---- generalized requests ---- */

struct grequest {
	void (*query)(aint *, fint *, fint *), (*free)(aint *, fint *), (*cancel)(aint *, fint *, fint *);
	aint *extra; /* the program's variable */
};

static int query(void *state, struct status *status)
{
	struct grequest *g = state;
	fint ierr = 0;
	g->query(g->extra, (fint *)status, &ierr);
	return ierr;
}

static int release(void *state)
{
	struct grequest *g = state;
	fint ierr = 0;
	g->free(g->extra, &ierr);
	free(g);
	return ierr;
}

static int cancel(void *state, int complete)
{
	struct grequest *g = state;
	fint ierr = 0, flag = complete;
	g->cancel(g->extra, &flag, &ierr);
	return ierr;
}

FORTRAN(grequest_start, (void *query_fn, void *free_fn, void *cancel_fn, aint *extra, fint *request, fint *ierr))
{
	struct grequest *g = malloc(sizeof *g);
	handle h = 0;
	int rc = 34; /* MPI_ERR_NO_MEM */
	if (g) {
		*g = (struct grequest){query_fn, free_fn, cancel_fn, extra};
		rc = PMPI_Grequest_start((void *)query, (void *)release, (void *)cancel, g, &h);
	}
	if (rc == 0)
		*request = PMPI_Request_c2f(h);
	answer(ierr, rc);
}

/* ---- refused, and known by name only ---- */

static int spawn(fint root, fint comm)
{
	handle none = 0;
	return PMPI_Comm_spawn("", 0, 0, 0, root, PMPI_Comm_f2c(comm), &none, 0);
}

FORTRAN(comm_spawn, (char *command, char *argv, fint *maxprocs, fint *info, fint *root, fint *comm, fint *intercomm,
                     fint *errcodes, fint *ierr))
{
	(void)command, (void)argv, (void)maxprocs, (void)info, (void)intercomm, (void)errcodes;
	answer(ierr, spawn(*root, *comm));
}

FORTRAN(comm_spawn_multiple, (fint *count, char *commands, char *argvs, fint *maxprocs, fint *infos, fint *root, fint *comm,
                              fint *intercomm, fint *errcodes, fint *ierr))
{
	(void)count, (void)commands, (void)argvs, (void)maxprocs, (void)infos, (void)intercomm, (void)errcodes;
	answer(ierr, spawn(*root, *comm));
}

FORTRAN(register_datarep, (char *name, void *read, void *write, void *extent, aint *extra, fint *ierr, int length))
{
	char text[256];
	while (length > 0 && name[length - 1] == ' ')
		length--;
	if (length > (int)sizeof text - 1)
		length = sizeof text - 1;
	memcpy(text, name, (size_t)length);
	text[length] = 0;
	answer(ierr, PMPI_Register_datarep(text, read, write, extent, extra));
}
