/* pscw: post, start, complete and wait or test around a ring, with pauses inside access and exposure epochs. */
#include "check.h"

enum { N = 64 };

int main(int argc, char **argv)
{
	MPI_Win win;
	MPI_Group world, before, after;
	int left, right;
	long own[N + 2];

	begin(argc, argv);
	left = (me + np - 1) % np;
	right = (me + 1) % np;
	memset(own, 0, sizeof own);
	own[N + 1] = me;
	MPI_Win_create(own, sizeof own, sizeof own[0], MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	MPI_Comm_group(MPI_COMM_WORLD, &world);
	MPI_Group_incl(world, 1, &left, &before);
	MPI_Group_incl(world, 1, &right, &after);
	for (long k = 0; k < steps; k++) {
		long out[N], in[N], one = k;
		int flag = 0;

		for (int i = 0; i < N; i++)
			out[i] = pattern(me, k, i);
		MPI_Win_post(before, 0, win);
		if (k % 4 == 0)
			pause_step(); /* exposed, nothing started */
		MPI_Win_start(after, 0, win);
		MPI_Put(out, N, MPI_LONG, right, 0, N, MPI_LONG, win);
		MPI_Accumulate(&one, 1, MPI_LONG, right, N, 1, MPI_LONG, MPI_SUM, win);
		MPI_Get(in, 1, MPI_LONG, right, N + 1, 1, MPI_LONG, win);
		if (k % 4 == 1)
			pause_step(); /* issued, not completed */
		MPI_Win_complete(win);
		CHECK(in[0] == right + k, "got %ld in step %ld", in[0], k);
		if (k % 4 == 2)
			pause_step(); /* completed here, still exposed */
		if (k % 2)
			MPI_Win_wait(win);
		else
			while (!flag)
				MPI_Win_test(win, &flag);
		for (int i = 0; i < N; i++)
			CHECK(own[i] == pattern(left, k, i), "put %d in step %ld", i, k);
		CHECK(own[N] == k * (k + 1) / 2, "accumulated %ld in step %ld", own[N], k);
		own[N + 1] = me + k + 1; /* for the next step's get */
		mix(own, sizeof own);
		end_step(k);
	}
	MPI_Group_free(&world);
	MPI_Group_free(&before);
	MPI_Group_free(&after);
	MPI_Win_free(&win);
	finish();
}
