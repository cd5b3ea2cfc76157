/* collall: every blocking collective, with its v and w variants, in place, with derived types and with zero counts. */
#include "check.h"

enum { N = 40, MAXP = 16 };

static int a[MAXP * N * 2], b[MAXP * N * 2], counts[MAXP], displs[MAXP], zeros[MAXP];
static MPI_Comm comm;

static void clear(void) { memset(b, 0, sizeof b); }

static void rooted(long k, int root)
{
	if (me == root)
		fill(a, N, root, k);
	else
		memset(a, 0, sizeof a);
	MPI_Bcast(a, N, MPI_INT, root, comm);
	verify(a, N, root, k, "Bcast");
	fill(a, N, me, k);
	clear();
	MPI_Gather(a, N, MPI_INT, b, N, MPI_INT, root, comm);
	for (int r = 0; r < np && me == root; r++)
		verify(b + r * N, N, r, k, "Gather");
	if (me == root)
		for (int r = 0; r < np; r++)
			fill(b + r * N, N, r, k + 1);
	MPI_Scatter(b, N, MPI_INT, me == root ? MPI_IN_PLACE : a, N, MPI_INT, root, comm);
	if (me != root)
		verify(a, N, me, k + 1, "Scatter");
}

static void rooted_v(long k, int root)
{
	for (int r = 0, at = 0; r < np; r++) {
		counts[r] = (r + k) % 5 * 3; /* some are zero */
		displs[r] = at;
		at += counts[r] + 2;
	}
	fill(a, N, me, k);
	clear();
	MPI_Gatherv(a, counts[me], MPI_INT, b, counts, displs, MPI_INT, root, comm);
	for (int r = 0; r < np && me == root; r++) {
		verify(b + displs[r], counts[r], r, k, "Gatherv");
		CHECK(b[displs[r] + counts[r]] == 0, "Gatherv wrote into the gap after %d", r);
	}
	if (me == root)
		for (int r = 0; r < np; r++)
			fill(b + displs[r], counts[r], r, k + 2);
	memset(a, 0, sizeof a);
	MPI_Scatterv(b, counts, displs, MPI_INT, a, counts[me], MPI_INT, root, comm);
	verify(a, counts[me], me, k + 2, "Scatterv");
	CHECK(a[counts[me]] == 0, "Scatterv wrote too much");
}

static void all(long k)
{
	fill(a, N, me, k);
	clear();
	MPI_Allgather(a, N, MPI_INT, b, N, MPI_INT, comm);
	for (int r = 0; r < np; r++)
		verify(b + r * N, N, r, k, "Allgather");
	clear();
	fill(b + me * N, N, me, k);
	MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, b, N, MPI_INT, comm);
	for (int r = 0; r < np; r++)
		verify(b + r * N, N, r, k, "Allgather in place");
	clear();
	MPI_Allgatherv(a, counts[me], MPI_INT, b, counts, displs, MPI_INT, comm);
	for (int r = 0; r < np; r++)
		verify(b + displs[r], counts[r], r, k, "Allgatherv");
	for (int r = 0; r < np; r++)
		fill(a + r * N, N, me * MAXP + r, k);
	clear();
	MPI_Alltoall(a, N, MPI_INT, b, N, MPI_INT, comm);
	for (int r = 0; r < np; r++)
		verify(b + r * N, N, r * MAXP + me, k, "Alltoall");
	MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, a, N, MPI_INT, comm);
	for (int r = 0; r < np; r++)
		verify(a + r * N, N, r * MAXP + me, k, "Alltoall in place");
	mix(a, np * N * sizeof(int));
}

static void all_vw(long k)
{
	int sc[MAXP], sd[MAXP], rc[MAXP], rd[MAXP];
	MPI_Datatype st[MAXP], rt[MAXP], pairs;

	for (int r = 0; r < np; r++) {
		sc[r] = (me + 2 * r + k) % 4 * 2;
		rc[r] = (r + 2 * me + k) % 4 * 2;
		sd[r] = rd[r] = r * N;
		fill(a + sd[r], sc[r], me * MAXP + r, k);
	}
	clear();
	MPI_Alltoallv(a, sc, sd, MPI_INT, b, rc, rd, MPI_INT, comm);
	for (int r = 0; r < np; r++) {
		verify(b + rd[r], rc[r], r * MAXP + me, k, "Alltoallv");
		CHECK(b[rd[r] + rc[r]] == 0, "Alltoallv wrote too much");
	}
	MPI_Type_contiguous(2, MPI_INT, &pairs);
	MPI_Type_commit(&pairs);
	for (int r = 0; r < np; r++) { /* the sender counts ints, the receiver pairs; byte displacements */
		st[r] = MPI_INT;
		rt[r] = pairs;
		rc[r] /= 2;
		sd[r] *= sizeof(int);
		rd[r] *= sizeof(int);
	}
	clear();
	MPI_Alltoallw(a, sc, sd, st, b, rc, rd, rt, comm);
	for (int r = 0; r < np; r++)
		verify(b + r * N, 2 * rc[r], r * MAXP + me, k, "Alltoallw");
	MPI_Type_free(&pairs);
}

static void reductions(long k, int root)
{
	long mine[N], out[N], want;
	double d = me + k, dmax;
	unsigned char bits = 1 << me % 8, ored = 0;

	for (int i = 0; i < N; i++)
		mine[i] = pattern(me, k, i);
	MPI_Reduce(mine, out, N, MPI_LONG, MPI_SUM, root, comm);
	for (int i = 0; i < N && me == root; i++) {
		want = 0;
		for (int r = 0; r < np; r++)
			want += pattern(r, k, i);
		CHECK(out[i] == want, "Reduce %d: %ld, not %ld", i, out[i], want);
	}
	memcpy(out, mine, sizeof out);
	MPI_Reduce(me == root ? MPI_IN_PLACE : out, out, N, MPI_LONG, MPI_MIN, root, comm);
	memcpy(out, mine, sizeof out);
	MPI_Allreduce(MPI_IN_PLACE, out, N, MPI_LONG, MPI_BXOR, comm);
	for (int i = 0; i < N; i++) {
		want = 0;
		for (int r = 0; r < np; r++)
			want ^= pattern(r, k, i);
		CHECK(out[i] == want, "Allreduce in place %d", i);
	}
	mix(out, sizeof out);
	MPI_Allreduce(&d, &dmax, 1, MPI_DOUBLE, MPI_MAX, comm);
	CHECK(dmax == np - 1 + k, "MAX %g", dmax);
	MPI_Allreduce(&bits, &ored, 1, MPI_UNSIGNED_CHAR, MPI_BOR, comm);
	CHECK(ored == (1 << np) - 1 || np >= 8, "BOR %x", ored);
	memcpy(out, mine, sizeof out);
	MPI_Scan(MPI_IN_PLACE, out, N, MPI_LONG, MPI_SUM, comm);
	want = 0;
	for (int r = 0; r <= me; r++)
		want += pattern(r, k, 0);
	CHECK(out[0] == want, "Scan %ld, not %ld", out[0], want);
	MPI_Exscan(mine, out, N, MPI_LONG, MPI_MAX, comm);
	MPI_Reduce_scatter_block(mine, out, 1, MPI_LONG, MPI_SUM, comm);
	want = 0;
	for (int r = 0; r < np; r++)
		want += pattern(r, k, me);
	CHECK(out[0] == want, "Reduce_scatter_block");
}

static void derived(long k, int root)
{
	MPI_Datatype every_other;

	MPI_Type_vector(N / 2, 1, 2, MPI_INT, &every_other);
	MPI_Type_commit(&every_other);
	memset(a, 0, sizeof a);
	if (me == root)
		for (int i = 0; i < N / 2; i++)
			a[2 * i] = pattern(root, k, i);
	MPI_Bcast(a, 1, every_other, root, comm);
	for (int i = 0; i < N / 2; i++)
		CHECK(a[2 * i] == pattern(root, k, i) && a[2 * i + 1] == 0, "Bcast of a vector, element %d", i);
	clear();
	MPI_Gather(a, 1, every_other, b, N / 2, MPI_INT, root, comm);
	for (int r = 0; r < np && me == root; r++)
		verify(b + r * (N / 2), N / 2, root, k, "Gather of a vector");
	MPI_Type_free(&every_other);
}

static void nothing(int root)
{
	MPI_Bcast(NULL, 0, MPI_INT, root, comm);
	MPI_Allreduce(a, b, 0, MPI_INT, MPI_SUM, comm);
	MPI_Allgather(NULL, 0, MPI_INT, NULL, 0, MPI_INT, comm);
	MPI_Alltoallv(a, zeros, zeros, MPI_INT, b, zeros, zeros, MPI_INT, comm);
	MPI_Barrier(comm);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	CHECK(np <= MAXP, "too many ranks");
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	for (long k = 0; k < steps; k++) {
		int root = k % np;

		rooted(k, root);
		rooted_v(k, root);
		all(k);
		all_vw(k);
		reductions(k, root);
		derived(k, root);
		nothing(root);
		end_step(k);
	}
	finish();
}
