/*
 * pending: requests that are pending while their owners compute.
 * Even ranks have sends pending (small and 8 MiB), odd ranks have receives
 * posted for which nothing is sent before the gate opens; every rank has both
 * a receive by ANY_SOURCE and one that will be cancelled.
 */
#include "check.h"

enum { SMALL = 100, BIG = 2 << 20 };

int main(int argc, char **argv)
{
	static int small_out[SMALL], big_out[BIG], small_in[SMALL], big_in[BIG], late_in[SMALL], never[1] = {41};
	MPI_Comm dup;

	begin(argc, argv);
	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	for (long k = 0; k < steps; k++) {
		MPI_Request rq[4], cancel_me, any;
		int right = (me + 1) % np, left = (me + np - 1) % np, flag;
		MPI_Status st;

		fill(small_out, SMALL, me, k);
		fill(big_out, BIG, me, k + 1);
		MPI_Irecv(never, 1, MPI_INT, left, 999, dup, &cancel_me);
		MPI_Irecv(late_in, SMALL, MPI_INT, MPI_ANY_SOURCE, 5, dup, &any);
		MPI_Isend(small_out, SMALL, MPI_INT, right, 1, MPI_COMM_WORLD, &rq[0]);
		MPI_Isend(big_out, BIG, MPI_INT, right, 2, MPI_COMM_WORLD, &rq[1]);
		if (k == 0) {
			ready();
			gate_wait();
		}
		for (int i = 0; i < 3; i++)
			MPI_Test(&any, &flag, &st);
		CHECK(!flag, "a receive completed before its message was sent");
		MPI_Barrier(MPI_COMM_WORLD); /* nobody sends tag 5 before everybody has tested */
		MPI_Send(small_out, SMALL, MPI_INT, right, 5, dup);
		MPI_Irecv(small_in, SMALL, MPI_INT, left, 1, MPI_COMM_WORLD, &rq[2]);
		MPI_Irecv(big_in, BIG, MPI_INT, left, 2, MPI_COMM_WORLD, &rq[3]);
		MPI_Waitall(4, rq, MPI_STATUSES_IGNORE);
		MPI_Wait(&any, &st);
		CHECK(st.MPI_SOURCE == left && st.MPI_TAG == 5, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
		verify(late_in, SMALL, left, k, "late");
		verify(small_in, SMALL, left, k, "small");
		verify(big_in, BIG, left, k + 1, "big");
		mix(small_in, sizeof small_in);
		memset(big_in, 0, sizeof big_in);
		MPI_Cancel(&cancel_me);
		MPI_Wait(&cancel_me, &st);
		MPI_Test_cancelled(&st, &flag);
		CHECK(flag && never[0] == 41, "pending receive was not cancelled");
		end_step(k);
	}
	finish();
}
