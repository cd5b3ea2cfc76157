/* winalloc: memory of MPI_Win_allocate, of another size on every rank, changed by loads and stores and by
 * accumulates of types with gaps; it keeps its address, and its contents where it shares a page with a neighbour's. */
#include "check.h"

enum { PAIRS = 300, GIFT = 20000 };

struct pair {
	double value;
	int index;
};

static MPI_Aint bytes_of(int rank) { return (PAIRS + 1 + 301 * rank) * (MPI_Aint)sizeof(struct pair); }

/* Fills the memory of the next rank. */
static void give(MPI_Win win)
{
	static long gift[GIFT];

	for (int i = 0; i < GIFT; i++)
		gift[i] = pattern(me, 3, i);
	MPI_Win_lock(MPI_LOCK_SHARED, (me + 1) % np, 0, win);
	MPI_Put(gift, GIFT, MPI_LONG, (me + 1) % np, 0, GIFT, MPI_LONG, win);
	MPI_Win_unlock((me + 1) % np, win);
	MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
	struct pair *best, *kept;
	MPI_Win big, odd, lone, unseen;
	MPI_Aint size = 0, *told;
	long *count, *given, one = 1;
	char *part;
	int flag;

	begin(argc, argv);
	MPI_Win_allocate(bytes_of(me), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &part, &odd);
	MPI_Win_allocate(PAIRS * sizeof *best, sizeof *best, MPI_INFO_NULL, MPI_COMM_WORLD, &best, &big);
	MPI_Win_allocate(me == 0 ? sizeof *count : 0, sizeof *count, MPI_INFO_NULL, MPI_COMM_WORLD, &count, &lone);
	MPI_Win_allocate(GIFT * sizeof *given, sizeof *given, MPI_INFO_NULL, MPI_COMM_WORLD, &given, &unseen);
	kept = best;
	if (me == 0)
		*count = 0;
	MPI_Win_get_attr(odd, MPI_WIN_SIZE, &told, &flag);
	size = *told;
	CHECK(flag && size == bytes_of(me), "size %ld", (long)size);
	for (MPI_Aint i = 0; i < size; i++)
		part[i] = (char)(i * 7 + me);
	for (int i = 0; i < PAIRS; i++)
		best[i] = (struct pair){-1, -1};
	MPI_Barrier(MPI_COMM_WORLD);
	give(unseen); /* looked at only in the end */
	for (long k = 0; k < steps; k++) {
		struct pair mine[PAIRS];
		int to = (int)(k % np);

		for (int i = 0; i < PAIRS; i++)
			mine[i] = (struct pair){(double)((i * 13 + k * 7 + me * 5) % 101) + (double)k, me};
		MPI_Win_lock(MPI_LOCK_SHARED, to, 0, big);
		MPI_Accumulate(mine, PAIRS, MPI_DOUBLE_INT, to, 0, PAIRS, MPI_DOUBLE_INT, MPI_MAXLOC, big);
		pause_step();
		MPI_Win_unlock(to, big);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_Win_lock(MPI_LOCK_SHARED, me, 0, big);
		for (int i = 0; to == me && i < PAIRS; i++) {
			double most = -1;
			int who = -1;

			for (long s = k % np; s <= k; s += np)
				for (int r = 0; r < np; r++) {
					double v = (double)((i * 13 + s * 7 + r * 5) % 101) + (double)s;

					if (v > most || (v == most && r < who)) {
						most = v;
						who = r;
					}
				}
			CHECK(best[i].value == most && best[i].index == who, "pair %d is (%g, %d), not (%g, %d)", i, best[i].value,
			      best[i].index, most, who);
		}
		MPI_Win_unlock(me, big);
		MPI_Win_fence(0, odd);
		if (me == (to + 1) % np) { /* the last byte of a neighbour */
			char last = (char)k;

			MPI_Put(&last, 1, MPI_CHAR, to, bytes_of(to) - 1, 1, MPI_CHAR, odd);
		}
		MPI_Win_fence(0, odd);
		for (MPI_Aint i = 0; i < size - 1; i++)
			CHECK(part[i] == (char)(i * 7 + me), "byte %ld is %d", (long)i, part[i]);
		if (to == me)
			CHECK(part[size - 1] == (char)k, "last byte is %d", part[size - 1]);
		MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, lone);
		MPI_Accumulate(&one, 1, MPI_LONG, 0, 0, 1, MPI_LONG, MPI_SUM, lone);
		MPI_Win_unlock(0, lone);
		CHECK(kept == best, "moved");
		mix_long(k);
		end_step(k);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	if (me == 0)
		CHECK(*count == steps * np, "count %ld", *count);
	for (int i = 0; i < GIFT; i++)
		CHECK(given[i] == pattern((me + np - 1) % np, 3, i), "gift %d is %ld", i, given[i]);
	MPI_Win_free(&unseen);
	MPI_Win_free(&lone);
	MPI_Win_free(&odd);
	MPI_Win_free(&big);
	finish();
}
