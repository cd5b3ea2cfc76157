/* rma: one-sided communication under fences, locks and lock_all; the windows live through the run. */
#include "check.h"

enum { N = 100 };

int main(int argc, char **argv)
{
	MPI_Win fenced, counter, dynamic;
	long *shared, *tally, own[N] = {0};
	int right;

	begin(argc, argv);
	right = (me + 1) % np;
	MPI_Win_create(own, sizeof own, sizeof own[0], MPI_INFO_NULL, MPI_COMM_WORLD, &fenced);
	MPI_Win_allocate(sizeof(long), sizeof(long), MPI_INFO_NULL, MPI_COMM_WORLD, &tally, &counter);
	MPI_Win_allocate_shared(N * sizeof(long), sizeof(long), MPI_INFO_NULL, MPI_COMM_WORLD, &shared, &dynamic);
	*tally = 0;
	MPI_Barrier(MPI_COMM_WORLD);
	for (long k = 0; k < steps; k++) {
		long out[N], in[N], one = 1, old, sum;

		for (int i = 0; i < N; i++)
			out[i] = pattern(me, k, i);
		MPI_Win_fence(0, fenced);
		MPI_Put(out, N, MPI_LONG, right, 0, N, MPI_LONG, fenced);
		MPI_Win_fence(0, fenced);
		for (int i = 0; i < N; i++)
			CHECK(own[i] == pattern((me + np - 1) % np, k, i), "put %d", i);
		MPI_Win_fence(0, fenced);
		MPI_Get(in, N, MPI_LONG, right, 0, N, MPI_LONG, fenced);
		MPI_Accumulate(&one, 1, MPI_LONG, right, 0, 1, MPI_LONG, MPI_SUM, fenced);
		MPI_Win_fence(0, fenced);
		CHECK(own[0] == pattern((me + np - 1) % np, k, 0) + 1, "accumulate");
		CHECK(in[1] == pattern(me, k, 1), "get");
		MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, counter);
		MPI_Fetch_and_op(&one, &old, MPI_LONG, 0, 0, MPI_SUM, counter);
		MPI_Win_unlock(0, counter);
		CHECK(old >= k && old < (k + 1) * np, "counter %ld in step %ld", old, k);
		MPI_Win_lock_all(0, dynamic);
		shared[0] = pattern(me, 8, k);
		MPI_Win_sync(dynamic);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_Win_sync(dynamic);
		long *theirs;
		MPI_Aint size;
		int unit;
		MPI_Win_shared_query(dynamic, right, &size, &unit, &theirs);
		CHECK(theirs[0] == pattern(right, 8, k), "shared window");
		MPI_Win_unlock_all(dynamic);
		MPI_Allreduce(&theirs[0], &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		mix_long(sum);
		end_step(k);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	if (me == 0)
		CHECK(*tally == steps * np, "tally %ld", *tally);
	MPI_Win_free(&fenced);
	MPI_Win_free(&counter);
	MPI_Win_free(&dynamic);
	finish();
}
