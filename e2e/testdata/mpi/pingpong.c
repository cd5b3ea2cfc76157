/*
 * pingpong: the times that the bench compares. STEPS scales the repetitions.
 * Ranks 0 and 1 exchange 8 bytes and 1 MiB, all ranks do an 8-byte Allreduce and a Barrier.
 */
#include "check.h"

static char buf[1 << 20];

static void report(const char *what, double seconds, long n)
{
	if (me == 0)
		printf("TIME %s %.3f us\n", what, seconds / n * 1e6);
}

static double exchange(int bytes, long n)
{
	double t;

	MPI_Barrier(MPI_COMM_WORLD);
	t = MPI_Wtime();
	for (long i = 0; i < n && me < 2; i++) {
		if (me == 0)
			MPI_Send(buf, bytes, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
		MPI_Recv(buf, bytes, MPI_CHAR, 1 - me, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (me == 1)
			MPI_Send(buf, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
	}
	return MPI_Wtime() - t;
}

int main(int argc, char **argv)
{
	double t, x = 1, y;

	begin(argc, argv);
	memset(buf, 1, sizeof buf);
	exchange(8, steps / 10 + 1);
	report("pingpong_8B", exchange(8, steps) / 2, steps);
	exchange(sizeof buf, 10);
	report("pingpong_1MiB", exchange(sizeof buf, steps / 50 + 1) / 2, steps / 50 + 1);
	MPI_Barrier(MPI_COMM_WORLD);
	t = MPI_Wtime();
	for (long i = 0; i < steps; i++)
		MPI_Allreduce(&x, &y, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	report("allreduce_8B", MPI_Wtime() - t, steps);
	t = MPI_Wtime();
	for (long i = 0; i < steps; i++)
		MPI_Barrier(MPI_COMM_WORLD);
	report("barrier", MPI_Wtime() - t, steps);
	finish();
}
