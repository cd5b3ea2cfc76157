/*
 * ends: the beginning and the end of a rank's life. In the mode's state it waits
 * for the gate:
 *   before   outside of MPI_Init, rank 1; rank 0 may be in it
 *   bare     all before MPI_Init
 *   after    all between MPI_Finalize and the end
 *   early    so is rank 0, the others have ended
 *   abort    rank 1 ends the job by MPI_Abort afterwards
 *   exit     all end without MPI_Finalize
 */
#include "check.h"

static int is(const char *m) { return strcmp(mode, m) == 0; }

static void wait_here(void)
{
	ready();
	gate_wait();
}

int main(int argc, char **argv)
{
	long sum, rank = atol(getenv("PMI_RANK") ? getenv("PMI_RANK") : getenv("OMPI_COMM_WORLD_RANK"));

	parse(argc, argv);
	if (is("bare") || (is("before") && rank == 1))
		wait_here();
	begin(argc, argv);
	for (long k = 0; k < steps; k++) {
		sum = me;
		MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sum == np * (np - 1) / 2, "sum %ld", sum);
		end_step(k);
	}
	if (is("abort") || is("exit")) {
		wait_here();
		MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		if (is("exit")) {
			if (me == 0)
				printf("RESULT exit\n");
			fflush(stdout);
			MPI_Barrier(MPI_COMM_WORLD); /* or the launcher kills rank 0 before it has printed */
			exit(0);
		}
		if (me == 1)
			MPI_Abort(MPI_COMM_WORLD, 7);
		MPI_Barrier(MPI_COMM_WORLD);
		return 1;
	}
	if (is("before") || is("bare")) {
		finish();
		return 0;
	}
	MPI_Finalize();
	if (is("after") || me == 0)
		wait_here();
	if (me == 0)
		printf("RESULT %s np=%d\n", mode, np);
	return 0;
}
