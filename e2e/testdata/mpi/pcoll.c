/*
 * pcoll: persistent collectives, more of them than run at a time, started in another order by each rank, on
 * communicators of all kinds; some are freed and made anew at every step.
 */
#include "check.h"

#ifdef OPEN_MPI /* 4.1 has them as an extension */
#include <mpi-ext.h>
#define MPI_Bcast_init MPIX_Bcast_init
#define MPI_Allreduce_init MPIX_Allreduce_init
#define MPI_Alltoall_init MPIX_Alltoall_init
#define MPI_Barrier_init MPIX_Barrier_init
#define MPI_Neighbor_allgather_init MPIX_Neighbor_allgather_init
#endif

enum { N = 50, KINDS = 7 };

static int b[N], word[64], words[64], seen[2];
static long mine[N], sum[N], most, others;
static MPI_Comm second, ring, inter; /* inter: even ranks with odd ones */
static MPI_Request rq[KINDS];

static void make(int kind)
{
	switch (kind) {
	case 0: MPI_Bcast_init(b, N, MPI_INT, 0, MPI_COMM_WORLD, MPI_INFO_NULL, &rq[0]); break;
	case 1: MPI_Allreduce_init(mine, sum, N, MPI_LONG, MPI_SUM, MPI_COMM_WORLD, MPI_INFO_NULL, &rq[1]); break;
	case 2: MPI_Alltoall_init(word, 1, MPI_INT, words, 1, MPI_INT, second, MPI_INFO_NULL, &rq[2]); break;
	case 3: MPI_Barrier_init(second, MPI_INFO_NULL, &rq[3]); break;
	case 4: MPI_Neighbor_allgather_init(&me, 1, MPI_INT, seen, 1, MPI_INT, ring, MPI_INFO_NULL, &rq[4]); break;
	case 5: MPI_Allreduce_init(&mine[1], &most, 1, MPI_LONG, MPI_MAX, second, MPI_INFO_NULL, &rq[5]); break;
	case 6: MPI_Allreduce_init(&mine[2], &others, 1, MPI_LONG, MPI_SUM, inter, MPI_INFO_NULL, &rq[6]); break;
	}
}

static void results(long k)
{
	long top = pattern(0, k, 1), theirs = 0;

	verify(b, N, 0, k, "Bcast_init");
	for (int i = 0; i < N; i++) {
		long want = 0;

		for (int r = 0; r < np; r++)
			want += pattern(r, k, i);
		CHECK(sum[i] == want, "Allreduce_init %d: %ld, not %ld", i, sum[i], want);
	}
	for (int r = 0; r < np; r++) {
		CHECK(words[r] == pattern(r, me, k), "Alltoall_init from %d", r);
		if (pattern(r, k, 1) > top)
			top = pattern(r, k, 1);
		if (r % 2 != me % 2)
			theirs += pattern(r, k, 2);
	}
	CHECK(most == top, "Allreduce_init: the greatest is %ld, not %ld", most, top);
	CHECK(others == theirs, "Allreduce_init between two groups: %ld, not %ld", others, theirs);
	CHECK(seen[0] == (me + np - 1) % np && seen[1] == (me + 1) % np, "Neighbor_allgather_init: %d and %d", seen[0], seen[1]);
	mix(sum, sizeof sum);
}

int main(int argc, char **argv)
{
	int all[1], wrap[1] = {1};
	MPI_Comm half;

	begin(argc, argv);
	all[0] = np;
	MPI_Comm_dup(MPI_COMM_WORLD, &second);
	MPI_Cart_create(MPI_COMM_WORLD, 1, all, wrap, 0, &ring);
	MPI_Comm_split(MPI_COMM_WORLD, me % 2, me, &half);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - me % 2, 9, &inter);
	for (int i = 0; i < KINDS; i++)
		make(i);
	for (long k = 0; k < steps; k++) {
		if (me == 0)
			fill(b, N, 0, k);
		for (int i = 0; i < N; i++)
			mine[i] = pattern(me, k, i);
		for (int r = 0; r < np; r++)
			word[r] = pattern(me, r, k);
		for (int i = 0; i < KINDS; i++)
			MPI_Start(&rq[me % 2 ? KINDS - 1 - i : (i + me + k) % KINDS]);
		pause_step();
		MPI_Waitall(KINDS, rq, MPI_STATUSES_IGNORE);
		results(k);
		/* Freed in another order, too. */
		MPI_Request_free(&rq[me % 2 ? k % KINDS : (k + 3) % KINDS]);
		MPI_Request_free(&rq[me % 2 ? (k + 3) % KINDS : k % KINDS]);
		make(k % KINDS);
		make((k + 3) % KINDS);
		end_step(k);
	}
	for (int i = 0; i < KINDS; i++)
		MPI_Request_free(&rq[i]);
	finish();
}
