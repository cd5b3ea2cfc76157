/* cg: conjugate gradients on a 1-D Laplacian; two Allreduce and one neighbour exchange per iteration. */
#include "check.h"
#include <math.h>

enum { N = 3000 };

static double x[N + 2], r[N + 2], p[N + 2], q[N + 2];

static double dot(const double *a, const double *b)
{
	double s = 0, t;

	for (int i = 1; i <= N; i++)
		s += a[i] * b[i];
	MPI_Allreduce(&s, &t, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	return t;
}

static void apply(double *in, double *out)
{
	int left = me ? me - 1 : MPI_PROC_NULL, right = me + 1 < np ? me + 1 : MPI_PROC_NULL;
	MPI_Request rq[4];

	MPI_Irecv(&in[0], 1, MPI_DOUBLE, left, 7, MPI_COMM_WORLD, &rq[0]);
	MPI_Irecv(&in[N + 1], 1, MPI_DOUBLE, right, 8, MPI_COMM_WORLD, &rq[1]);
	MPI_Isend(&in[N], 1, MPI_DOUBLE, right, 7, MPI_COMM_WORLD, &rq[2]);
	MPI_Isend(&in[1], 1, MPI_DOUBLE, left, 8, MPI_COMM_WORLD, &rq[3]);
	MPI_Waitall(4, rq, MPI_STATUSES_IGNORE);
	for (int i = 1; i <= N; i++)
		out[i] = 2.001 * in[i] - in[i - 1] - in[i + 1];
}

int main(int argc, char **argv)
{
	double rr, alpha, beta, old;

	begin(argc, argv);
	for (int i = 1; i <= N; i++)
		r[i] = p[i] = pattern(me, 1, i) % 100 / 10.0;
	rr = dot(r, r);
	for (long k = 0; k < steps; k++) {
		if (k % 40 == 39) { /* a new right-hand side before it converges to noise */
			for (int i = 1; i <= N; i++)
				r[i] = p[i] = r[i] + pattern(me, k, i) % 100 / 10.0;
			rr = dot(r, r);
		}
		apply(p, q);
		alpha = rr / dot(p, q);
		for (int i = 1; i <= N; i++) {
			x[i] += alpha * p[i];
			r[i] -= alpha * q[i];
		}
		old = rr;
		rr = dot(r, r);
		beta = rr / old;
		for (int i = 1; i <= N; i++)
			p[i] = r[i] + beta * p[i];
		CHECK(isfinite(rr), "diverged at %ld", k);
		end_step(k);
	}
	mix_long(lrint(1e4 * log(dot(x, x)))); /* rounded: the order of a reduction is the library's choice */
	finish();
}
