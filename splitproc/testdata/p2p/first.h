/* first.h - calls as a front end makes them: what front_try.h tries first, then the core. */
#ifndef FIRST_H
#define FIRST_H

#include "prog_std.h"

static MPI_Comm failed_on; /* of the last call that failed before it came to the core */

static int front_fail(MPI_Comm comm, int errclass, const char *function)
{
	failed_on = comm;
	return function ? errclass : 0;
}

#include "front_try.h"

static int first_Isend(const void *buf, int n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, MPI_Request *q)
{
	int rc = 0;
	return front_try_Isend(buf, n, type, dst, tag, comm, q, &rc) ? rc : core_Isend(buf, n, type, dst, tag, comm, q);
}

static int first_Irecv(void *buf, int n, MPI_Datatype type, int src, int tag, MPI_Comm comm, MPI_Request *q)
{
	int rc = 0;
	return front_try_Irecv(buf, n, type, src, tag, comm, q, &rc) ? rc : core_Irecv(buf, n, type, src, tag, comm, q);
}

static int first_Waitall(int n, MPI_Request h[], MPI_Status *st)
{
	int rc = 0;
	return front_try_Waitall(n, h, st, &rc) ? rc : core_Waitall(n, h, st);
}

static int first_Testall(int n, MPI_Request h[], int *flag, MPI_Status *st)
{
	int rc = 0;
	return front_try_Testall(n, h, flag, st, &rc) ? rc : core_Testall(n, h, flag, st);
}

#define core_Isend first_Isend
#define core_Irecv first_Irecv
#define core_Waitall first_Waitall
#define core_Testall first_Testall

#endif
