/* icoll: non-blocking collectives, pending while the ranks compute, several at a time. */
#include "check.h"

enum { N = 200 };

int main(int argc, char **argv)
{
	MPI_Comm dup;

	begin(argc, argv);
	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	for (long k = 0; k < steps; k++) {
		MPI_Request rq[6];
		MPI_Comm twin;
		long mine[N], sum[N];
		int b[N], all[64 * N], word[64], words[64], root = k % np;

		if (me == root)
			fill(b, N, root, k);
		for (int i = 0; i < N; i++)
			mine[i] = pattern(me, k, i);
		for (int r = 0; r < np; r++)
			word[r] = pattern(me, r, k);
		if (k == steps / 2 && me == 0) { /* the others are already inside */
			ready();
			gate_wait();
		}
		MPI_Ibcast(b, N, MPI_INT, root, MPI_COMM_WORLD, &rq[0]);
		MPI_Iallreduce(mine, sum, N, MPI_LONG, MPI_SUM, dup, &rq[1]);
		MPI_Iallgather(mine, N / 2, MPI_INT, all, N / 2, MPI_INT, MPI_COMM_WORLD, &rq[2]);
		MPI_Ialltoall(word, 1, MPI_INT, words, 1, MPI_INT, dup, &rq[3]);
		MPI_Ibarrier(dup, &rq[4]);
		MPI_Comm_idup(dup, &twin, &rq[5]);
		if (k == steps / 2 && me != 0)
			ready();
		pause_step();
		if (k % 2) {
			int flag = 0;

			while (!flag)
				MPI_Testall(6, rq, &flag, MPI_STATUSES_IGNORE);
		} else {
			MPI_Waitall(6, rq, MPI_STATUSES_IGNORE);
		}
		verify(b, N, root, k, "Ibcast");
		for (int i = 0; i < N; i++) {
			long want = 0;

			for (int r = 0; r < np; r++)
				want += pattern(r, k, i);
			CHECK(sum[i] == want, "Iallreduce %d: %ld, not %ld", i, sum[i], want);
		}
		for (int r = 0; r < np; r++)
			CHECK(words[r] == pattern(r, me, k), "Ialltoall from %d", r);
		for (int r = 0; r < np; r++)
			CHECK(all[r * (N / 2)] == pattern(r, k, 0), "Iallgather from %d", r);
		int ranks = 0, one = 1;

		MPI_Allreduce(&one, &ranks, 1, MPI_INT, MPI_SUM, twin);
		CHECK(ranks == np, "the duplicate has %d ranks", ranks);
		MPI_Comm_free(&twin);
		mix(sum, sizeof sum);
		end_step(k);
	}
	finish();
}
