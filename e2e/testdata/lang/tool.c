/* tool: a profiling library that stands in front of MPI: it defines MPI functions, counts and passes the calls on to PMPI.
 * flags: -shared -fPIC */
#include <mpi.h>
#include <stdio.h>

static long sends, receives, waits, collectives, elements;

int MPI_Send(const void *buf, int n, MPI_Datatype type, int dest, int tag, MPI_Comm comm)
{
	sends++;
	elements += n;
	return PMPI_Send(buf, n, type, dest, tag, comm);
}

int MPI_Isend(const void *buf, int n, MPI_Datatype type, int dest, int tag, MPI_Comm comm, MPI_Request *req)
{
	sends++;
	elements += n;
	return PMPI_Isend(buf, n, type, dest, tag, comm, req);
}

int MPI_Recv(void *buf, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *st)
{
	receives++;
	return PMPI_Recv(buf, n, type, source, tag, comm, st);
}

int MPI_Irecv(void *buf, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *req)
{
	receives++;
	return PMPI_Irecv(buf, n, type, source, tag, comm, req);
}

int MPI_Sendrecv(const void *out, int n, MPI_Datatype t1, int dest, int tag1, void *in, int m, MPI_Datatype t2, int source, int tag2,
		 MPI_Comm comm, MPI_Status *st)
{
	sends++, receives++;
	elements += n;
	return PMPI_Sendrecv(out, n, t1, dest, tag1, in, m, t2, source, tag2, comm, st);
}

int MPI_Wait(MPI_Request *req, MPI_Status *st)
{
	waits++;
	return PMPI_Wait(req, st);
}

int MPI_Waitall(int n, MPI_Request *reqs, MPI_Status *sts)
{
	waits += n;
	return PMPI_Waitall(n, reqs, sts);
}

int MPI_Allreduce(const void *in, void *out, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
	collectives++;
	return PMPI_Allreduce(in, out, n, type, op, comm);
}

int MPI_Gather(const void *in, int n, MPI_Datatype t1, void *out, int m, MPI_Datatype t2, int root, MPI_Comm comm)
{
	collectives++;
	return PMPI_Gather(in, n, t1, out, m, t2, root, comm);
}

int MPI_Init(int *argc, char ***argv)
{
	int rc = PMPI_Init(argc, argv), n;
	PMPI_Comm_size(MPI_COMM_WORLD, &n);
	return rc;
}

/* The counts of all ranks, in one line: a test compares it with that of a run without interruptions. */
int MPI_Finalize(void)
{
	long mine[5] = {sends, receives, waits, collectives, elements}, all[5];
	int me;

	PMPI_Reduce(mine, all, 5, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	PMPI_Comm_rank(MPI_COMM_WORLD, &me);
	if (me == 0) {
		printf("TOOL %ld sends of %ld elements, %ld receives, %ld waits, %ld collectives\n", all[0], all[4], all[1], all[2], all[3]);
		fflush(stdout);
	}
	return PMPI_Finalize();
}
