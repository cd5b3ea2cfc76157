/* userop: user-defined operations, commutative and not, MINLOC/MAXLOC, in every kind of reduction. */
#include "check.h"

enum { N = 50 };

typedef struct { long a, b; } affine; /* x -> a x + b (mod P): composition does not commute */
#define P 1000003L

static int calls;

static void compose(void *in, void *inout, int *len, MPI_Datatype *type)
{
	affine *f = in, *g = inout;
	int size;

	MPI_Type_size(*type, &size);
	CHECK(size == sizeof(affine), "op sees a type of %d bytes", size);
	for (int i = 0; i < *len; i++) {
		affine r = {f[i].a * g[i].a % P, (f[i].a * g[i].b + f[i].b) % P};
		g[i] = r;
	}
	calls++;
}

static void absmax(void *in, void *inout, int *len, MPI_Datatype *type)
{
	int *a = in, *b = inout;

	CHECK(*type == MPI_INT, "op sees another type than MPI_INT");
	for (int i = 0; i < *len; i++)
		if (abs(a[i]) > abs(b[i]))
			b[i] = a[i];
	calls++;
}

static affine element(int rank, long k, int i)
{
	affine f = {1 + pattern(rank, k, i) % (P - 1), pattern(rank, k, i + 1000) % P};
	return f;
}

/* chain is what ranks lo..hi together must give. */
static affine chain(int lo, int hi, long k, int i)
{
	affine r = element(lo, k, i);

	for (int rank = lo + 1; rank <= hi; rank++) {
		affine g = element(rank, k, i), t = {r.a * g.a % P, (r.a * g.b + r.b) % P};
		r = t;
	}
	return r;
}

static void same(affine got, affine want, const char *what)
{
	CHECK(got.a == want.a && got.b == want.b, "%s: (%ld, %ld), not (%ld, %ld)", what, got.a, got.b, want.a, want.b);
	mix(&got, sizeof got);
}

static void ordered(MPI_Op op, MPI_Datatype pair, long k)
{
	affine in[N * 8], out[N * 8];
	int counts[64], root = k % np;

	for (int i = 0; i < N; i++)
		in[i] = element(me, k, i);
	MPI_Reduce(in, out, N, pair, op, root, MPI_COMM_WORLD);
	for (int i = 0; i < N && me == root; i++)
		same(out[i], chain(0, np - 1, k, i), "Reduce");
	MPI_Allreduce(in, out, N, pair, op, MPI_COMM_WORLD);
	for (int i = 0; i < N; i++)
		same(out[i], chain(0, np - 1, k, i), "Allreduce");
	MPI_Scan(in, out, N, pair, op, MPI_COMM_WORLD);
	for (int i = 0; i < N; i++)
		same(out[i], chain(0, me, k, i), "Scan");
	MPI_Exscan(in, out, N, pair, op, MPI_COMM_WORLD);
	for (int i = 0; i < N && me > 0; i++)
		same(out[i], chain(0, me - 1, k, i), "Exscan");
	for (int i = 0; i < N; i++)
		counts[i % np] = 0;
	for (int i = 0; i < N; i++)
		counts[i % np]++;
	int first = 0;
	for (int r = 0; r < me; r++)
		first += counts[r];
	MPI_Reduce_scatter(in, out, counts, pair, op, MPI_COMM_WORLD);
	for (int i = 0; i < counts[me]; i++)
		same(out[i], chain(0, np - 1, k, first + i), "Reduce_scatter");
	for (int i = 0; i < np; i++)
		in[i] = element(me, k, i);
	MPI_Reduce_scatter_block(in, out, 1, pair, op, MPI_COMM_WORLD);
	same(out[0], chain(0, np - 1, k, me), "Reduce_scatter_block");
	in[0] = element(me, k, 0);
	memcpy(out, in, sizeof in);
	MPI_Reduce_local(in, out, 1, pair, op);
	affine f = element(me, k, 0), twice = {f.a * f.a % P, (f.a * f.b + f.b) % P};
	same(out[0], twice, "Reduce_local");
}

static void located(long k)
{
	struct { double v; int at; } d = {pattern(me, k, 3) % 100, me}, dr;
	struct { int v, at; } i = {pattern(me, k, 4) % 5, me}, ir;
	int v, best;

	MPI_Allreduce(&d, &dr, 1, MPI_DOUBLE_INT, MPI_MAXLOC, MPI_COMM_WORLD);
	for (best = 0, v = 1; v < np; v++)
		if (pattern(v, k, 3) % 100 > pattern(best, k, 3) % 100)
			best = v;
	CHECK(dr.at == best && dr.v == pattern(best, k, 3) % 100, "MAXLOC %g at %d", dr.v, dr.at);
	MPI_Allreduce(&i, &ir, 1, MPI_2INT, MPI_MINLOC, MPI_COMM_WORLD);
	for (best = 0, v = 1; v < np; v++)
		if (pattern(v, k, 4) % 5 < pattern(best, k, 4) % 5)
			best = v;
	CHECK(ir.at == best, "MINLOC at %d, not %d", ir.at, best);
	mix_long(dr.at * 100 + ir.at);
}

int main(int argc, char **argv)
{
	MPI_Op twist, big;
	MPI_Datatype pair;
	int commute;

	begin(argc, argv);
	MPI_Type_contiguous(2, MPI_LONG, &pair);
	MPI_Type_commit(&pair);
	MPI_Op_create(compose, 0, &twist);
	MPI_Op_create(absmax, 1, &big);
	for (long k = 0; k < steps; k++) {
		int mine = pattern(me, k, 7) % 2001 - 1000, out, want = 0;

		MPI_Op_commutative(twist, &commute);
		CHECK(!commute, "twist became commutative");
		MPI_Op_commutative(big, &commute);
		CHECK(commute, "absmax is no longer commutative");
		ordered(twist, pair, k);
		MPI_Allreduce(&mine, &out, 1, MPI_INT, big, MPI_COMM_WORLD);
		for (int r = 0; r < np; r++)
			if (abs(pattern(r, k, 7) % 2001 - 1000) > want)
				want = abs(pattern(r, k, 7) % 2001 - 1000);
		CHECK(abs(out) == want, "absmax %d, not %d", out, want);
		located(k);
		end_step(k);
	}
	CHECK(calls > 0, "the library never called an op");
	MPI_Op_free(&twist);
	MPI_Op_free(&big);
	CHECK(twist == MPI_OP_NULL, "freed op is not null");
	finish();
}
