/*
 * release: when the checkpoint comes, rank 0 sits in a collective of {0, 1}
 * that rank 1 has not entered; rank 1 must move to get there, but waits
 * (MODE recv, ssend, wait, probe) for rank 2, which has nothing left to do
 * before the checkpoint and would park at its next call, and which itself
 * waits for rank 3 if there is one. A checkpoint that parks ranks 2 and 3
 * for good never ends.
 */
#include "check.h"

static MPI_Comm pair;

static void pass(int from, int to, long k)
{
	int v = -1;
	MPI_Request rq;

	if (me == to) {
		if (strcmp(mode, "ssend") == 0) { /* the receiver moves first: the roles turn round */
			v = pattern(to, 1, k);
			MPI_Ssend(&v, 1, MPI_INT, from, 4, MPI_COMM_WORLD);
			return;
		}
		if (strcmp(mode, "wait") == 0) {
			MPI_Irecv(&v, 1, MPI_INT, from, 4, MPI_COMM_WORLD, &rq);
			MPI_Wait(&rq, MPI_STATUS_IGNORE);
		} else {
			if (strcmp(mode, "probe") == 0)
				MPI_Probe(from, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			MPI_Recv(&v, 1, MPI_INT, from, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		}
		CHECK(v == pattern(from, 1, k), "got %d from %d", v, from);
	} else if (strcmp(mode, "ssend") == 0) {
		MPI_Recv(&v, 1, MPI_INT, to, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK(v == pattern(to, 1, k), "got %d from %d", v, to);
	} else {
		v = pattern(from, 1, k);
		MPI_Send(&v, 1, MPI_INT, to, 4, MPI_COMM_WORLD);
	}
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	CHECK(np >= 3, "needs three ranks");
	MPI_Comm_split(MPI_COMM_WORLD, me < 2 ? 0 : MPI_UNDEFINED, me, &pair);
	for (long k = 0; k < steps; k++) {
		int last = np - 1;

		if (k == steps / 2) {
			ready();
			if (me == last)
				gate_wait();
		}
		if (me >= 2 && me < last)
			pass(me + 1, me, k); /* first wait for the one above */
		if (me >= 2)
			pass(me, me - 1, k);
		if (me == 1)
			pass(2, 1, k);
		if (me < 2) {
			long v = me + k, sum;

			MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, pair);
			CHECK(sum == 2 * k + 1, "sum %ld", sum);
			mix_long(sum);
		}
		if (k % 10 == 9)
			MPI_Barrier(MPI_COMM_WORLD);
		end_step(k);
	}
	finish();
}
