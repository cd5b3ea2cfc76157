/* intercomm: two groups that talk through an intercommunicator, its duplicates and what they are merged to. */
#include "check.h"

static MPI_Comm half, inter;
static int side, rank, nlocal, nremote;

/* World rank of a rank of the other side. */
static int there(int r) { return 2 * r + 1 - side; }

static void talk(MPI_Comm c, long k)
{
	int got = -1, mine = (int)(k * 64) + me;
	long sum, want = 0, one = mine;

	if (rank < nlocal && rank < nremote) {
		MPI_Request r;
		MPI_Status st;
		MPI_Irecv(&got, 1, MPI_INT, MPI_ANY_SOURCE, 4, c, &r);
		MPI_Send(&mine, 1, MPI_INT, rank, 4, c);
		MPI_Wait(&r, &st);
		CHECK(st.MPI_SOURCE == rank && got == k * 64 + there(rank), "%d from %d", got, st.MPI_SOURCE);
	}
	MPI_Allreduce(&one, &sum, 1, MPI_LONG, MPI_SUM, c);
	for (int r = 0; r < nremote; r++)
		want += k * 64 + there(r);
	CHECK(sum == want, "the other side's sum is %ld, not %ld", sum, want);
	got = side == 0 && rank == 0 ? 1000 + (int)k : -1;
	MPI_Bcast(&got, 1, MPI_INT, side ? 0 : rank == 0 ? MPI_ROOT : MPI_PROC_NULL, c);
	CHECK(got == (side == 0 && rank ? -1 : 1000 + k), "broadcast gave %d", got);
	mix_long(sum);
}

static void merge(long k)
{
	MPI_Comm all;
	MPI_Group g;
	int r, n, cmp;

	MPI_Intercomm_merge(inter, (int)(side ^ (k & 1)), &all);
	MPI_Comm_rank(all, &r);
	MPI_Comm_size(all, &n);
	CHECK(n == np && (side == (k & 1) ? r < nlocal : r >= nremote), "rank %d of %d after a merge", r, n);
	MPI_Comm_compare(all, MPI_COMM_WORLD, &cmp);
	CHECK(cmp == MPI_SIMILAR || cmp == MPI_CONGRUENT, "compare gives %d", cmp);
	MPI_Barrier(all);
	MPI_Comm_free(&all);
	MPI_Comm_remote_group(inter, &g);
	MPI_Group_size(g, &n);
	CHECK(n == nremote, "remote group of %d", n);
	MPI_Group_free(&g);
}

static void make(void)
{
	int flag;

	MPI_Comm_split(MPI_COMM_WORLD, side, me, &half);
	MPI_Comm_rank(half, &rank);
	MPI_Comm_size(half, &nlocal);
	MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - side, 12, &inter);
	MPI_Comm_test_inter(inter, &flag);
	MPI_Comm_remote_size(inter, &nremote);
	CHECK(flag && nremote == np - nlocal, "remote size %d", nremote);
}

int main(int argc, char **argv)
{
	MPI_Comm dup;

	begin(argc, argv);
	side = me % 2;
	make();
	for (long k = 0; k < steps; k++) {
		talk(inter, k);
		MPI_Comm_dup(inter, &dup);
		talk(dup, k);
		MPI_Comm_free(&dup);
		merge(k);
		if (k % 8 == 7) {
			MPI_Comm_free(&inter);
			MPI_Comm_free(&half);
			make();
		}
		end_step(k);
	}
	finish();
}
