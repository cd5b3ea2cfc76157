/* atomics: counters changed by every rank under lock_all and exclusive locks, with pauses between issue and flush:
 * what is lost or applied twice shows in the totals. */
#include "check.h"

enum { COUNTER, SWAPPED, SUMS, SLOTS = SUMS + 4 };

int main(int argc, char **argv)
{
	MPI_Win win, locked;
	long *mem, *guarded, seen = 0, sum = 0, all, total;

	begin(argc, argv);
	MPI_Win_allocate(SLOTS * sizeof(long), sizeof(long), MPI_INFO_NULL, MPI_COMM_WORLD, &mem, &win);
	MPI_Win_allocate(sizeof(long), sizeof(long), MPI_INFO_NULL, MPI_COMM_WORLD, &guarded, &locked);
	memset(mem, 0, SLOTS * sizeof *mem);
	*guarded = 0;
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_Win_lock_all(0, win);
	for (long k = 0; k < steps; k++) {
		long one = 1, old, add[4] = {1, k, -k, me}, now, next;
		MPI_Request r;

		MPI_Fetch_and_op(&one, &old, MPI_LONG, 0, COUNTER, MPI_SUM, win);
		MPI_Win_flush(0, win);
		CHECK(old >= k && old < steps * np, "counter %ld in step %ld", old, k);
		seen += old;
		for (int to = 0; to < np; to++)
			MPI_Accumulate(add, 4, MPI_LONG, to, SUMS, 4, MPI_LONG, MPI_SUM, win);
		pause_step(); /* issued, not flushed */
		MPI_Win_flush_all(win);
		MPI_Rget_accumulate(&one, 1, MPI_LONG, &old, 1, MPI_LONG, (me + 1) % np, SWAPPED, 1, MPI_LONG, MPI_NO_OP, win, &r);
		MPI_Wait(&r, MPI_STATUS_IGNORE);
		do { /* an increment made of compare and swap */
			now = old;
			next = now + 1;
			MPI_Compare_and_swap(&next, &now, &old, MPI_LONG, (me + 1) % np, SWAPPED, win);
			MPI_Win_flush((me + 1) % np, win);
		} while (old != now);
		MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, locked);
		MPI_Get(&now, 1, MPI_LONG, 0, 0, 1, MPI_LONG, locked);
		MPI_Win_flush(0, locked);
		next = now + me + 1;
		if (k % 3 == me % 3)
			pause_step(); /* holding the lock */
		MPI_Put(&next, 1, MPI_LONG, 0, 0, 1, MPI_LONG, locked);
		MPI_Win_unlock(0, locked);
		end_step(k);
	}
	MPI_Win_unlock_all(win);
	MPI_Barrier(MPI_COMM_WORLD);
	total = steps * np;
	MPI_Allreduce(&seen, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	CHECK(all == total * (total - 1) / 2, "values fetched add up to %ld", all);
	if (me == 0) {
		CHECK(mem[COUNTER] == total, "counter %ld", mem[COUNTER]);
		CHECK(*guarded == steps * np * (np + 1) / 2, "guarded %ld", *guarded);
	}
	CHECK(mem[SWAPPED] == steps, "swapped %ld", mem[SWAPPED]);
	CHECK(mem[SUMS] == total && mem[SUMS + 1] == np * (steps - 1) * steps / 2 && mem[SUMS + 2] == -mem[SUMS + 1] &&
	      mem[SUMS + 3] == steps * np * (np - 1) / 2, "sums %ld %ld %ld", mem[SUMS], mem[SUMS + 1], mem[SUMS + 3]);
	sum = mem[SUMS + 1];
	mix_long(sum);
	MPI_Win_free(&locked);
	MPI_Win_free(&win);
	finish();
}
