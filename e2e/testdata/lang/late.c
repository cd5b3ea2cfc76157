/* late: opens its MPI library at run time, by the name or path in MODE, as Python and Julia do.
 * flags: -Wl,--as-needed -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *library;

static void *find(const char *name)
{
	void *p = dlsym(library, name);

	if (!p) {
		fprintf(stderr, "FAIL %s\n", dlerror());
		exit(3);
	}
	return p;
}

#define CALL(name, ...) (((__typeof__(&name))find(#name))(__VA_ARGS__))

#ifdef OPEN_MPI
#define WORLD ((MPI_Comm)find("ompi_mpi_comm_world"))
#define LONGS ((MPI_Datatype)find("ompi_mpi_long"))
#define SUM ((MPI_Op)find("ompi_mpi_op_sum"))
#else
#define WORLD MPI_COMM_WORLD
#define LONGS MPI_LONG
#define SUM MPI_SUM
#endif

/* one_library fails if the program has more than one libmpi, whose handles would not be the same. */
static void one_library(void)
{
	void *again = dlopen(0, RTLD_NOW), *byname = again ? dlsym(RTLD_DEFAULT, "MPI_Send") : 0;

	if (byname != find("MPI_Send")) {
		fprintf(stderr, "FAIL two MPI libraries: MPI_Send at %p and %p\n", byname, find("MPI_Send"));
		exit(3);
	}
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), total = 0, sum;
	useconds_t pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	int me, np;

	library = dlopen(argv[4], RTLD_NOW | RTLD_GLOBAL);
	if (!library) {
		fprintf(stderr, "FAIL %s\n", dlerror());
		return 3;
	}
	one_library();
	CALL(MPI_Init, &argc, &argv);
	CALL(MPI_Comm_rank, WORLD, &me);
	CALL(MPI_Comm_size, WORLD, &np);
	for (long k = 0; k < steps; k++) {
		long out = k * (me + 1), in = -1;

		CALL(MPI_Sendrecv, &out, 1, LONGS, (me + 1) % np, 1, &in, 1, LONGS, (me + np - 1) % np, 1, WORLD, MPI_STATUS_IGNORE);
		CALL(MPI_Allreduce, &in, &sum, 1, LONGS, SUM, WORLD);
		if (in != k * ((me + np - 1) % np + 1) || sum != k * np * (np + 1) / 2) {
			fprintf(stderr, "FAIL %ld and %ld at step %ld\n", in, sum, k);
			return 3;
		}
		total += sum;
		if (me == 0) {
			printf("step %ld\n", k);
			fflush(stdout);
		}
		if (pause_us && !(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	if (me == 0)
		printf("RESULT late %ld\n", total);
	CALL(MPI_Finalize);
	return 0;
}
