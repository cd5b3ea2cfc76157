/* flags: -fopenmp */
/* hybrid: OpenMP inside MPI. MODE funneled: the main thread communicates; serialized: any thread, one at a time. */
#include "check.h"
#include <omp.h>

enum { N = 20000, THREADS = 3 };

static long a[N];

static void funneled(long k)
{
	long sum = 0, total;
	int in = -1, main_thread;

#pragma omp parallel for num_threads(THREADS) reduction(+ : sum)
	for (int i = 0; i < N; i++) {
		a[i] = (a[i] * 31 + pattern(me, k, i)) % 100003;
		sum += a[i];
	}
	MPI_Is_thread_main(&main_thread);
	CHECK(main_thread, "the main thread is no longer the main thread");
	MPI_Allreduce(&sum, &total, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	MPI_Sendrecv(&me, 1, MPI_INT, (me + 1) % np, 1, &in, 1, MPI_INT, (me + np - 1) % np, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	CHECK(in == (me + np - 1) % np, "ring gave %d", in);
	mix_long(total);
}

static void serialized(long k)
{
	long total[THREADS] = {0};

#pragma omp parallel num_threads(THREADS)
	{
		int t = omp_get_thread_num();
		long sum = 0, got;

		for (int i = t; i < N; i += THREADS)
			sum += pattern(me, k, i) % 1000;
#pragma omp for ordered schedule(static, 1)
		for (int turn = 0; turn < THREADS; turn++) {
#pragma omp ordered
			{
				MPI_Sendrecv(&sum, 1, MPI_LONG, (me + 1) % np, turn, &got, 1, MPI_LONG,
					     (me + np - 1) % np, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
				MPI_Allreduce(&got, &total[turn], 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
			}
		}
	}
	for (int t = 0; t < THREADS; t++) {
		long want = 0;

		for (int r = 0; r < np; r++)
			for (int i = t; i < N; i += THREADS)
				want += pattern(r, k, i) % 1000;
		CHECK(total[t] == want, "thread %d: %ld, not %ld", t, total[t], want);
		mix_long(total[t]);
	}
}

int main(int argc, char **argv)
{
	int want, got, query;

	parse(argc, argv);
	want = strcmp(mode, "serialized") == 0 ? MPI_THREAD_SERIALIZED : MPI_THREAD_FUNNELED;
	MPI_Init_thread(&argc, &argv, want, &got);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &np);
	CHECK(got >= want, "asked for level %d, got %d", want, got);
	for (long k = 0; k < steps; k++) {
		MPI_Query_thread(&query);
		CHECK(query == got, "thread level %d, was %d", query, got);
		if (want == MPI_THREAD_SERIALIZED)
			serialized(k);
		else
			funneled(k);
		end_step(k);
	}
	finish();
}
