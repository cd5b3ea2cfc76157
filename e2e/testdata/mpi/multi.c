/* multi: MPI_THREAD_MULTIPLE; threads of one rank talk to their like on the next, each on its own tag, the main thread does collectives. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 3, LEN = 50 };

static uint64_t sums[THREADS];

static void *talk(void *arg)
{
	int t = (int)(intptr_t)arg, in[LEN], out[LEN];
	int right = (me + 1) % np, left = (me + np - 1) % np;

	for (long k = 0; k < steps; k++) {
		MPI_Request rq;
		MPI_Status st;

		fill(out, LEN, me * THREADS + t, k);
		MPI_Irecv(in, LEN, MPI_INT, left, t, MPI_COMM_WORLD, &rq);
		MPI_Send(out, LEN, MPI_INT, right, t, MPI_COMM_WORLD);
		MPI_Wait(&rq, &st);
		CHECK(st.MPI_TAG == t && st.MPI_SOURCE == left, "thread %d: source %d tag %d", t, st.MPI_SOURCE, st.MPI_TAG);
		verify(in, LEN, left * THREADS + t, k, "thread");
		sums[t] += in[LEN - 1];
		pause_step();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	int got;

	parse(argc, argv);
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &got);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &np);
	CHECK(got == MPI_THREAD_MULTIPLE, "thread level %d", got);
	for (intptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, talk, (void *)i);
	for (long k = 0; k < steps; k++) {
		long v = me * k, sum;

		MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sum == k * np * (np - 1) / 2, "sum %ld", sum);
		end_step(k);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	mix(sums, sizeof sums);
	finish();
}
