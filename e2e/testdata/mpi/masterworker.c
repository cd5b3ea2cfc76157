/* masterworker: tasks handed out on demand; ANY_SOURCE, Probe and Iprobe; the sum does not depend on who did what. */
#include "check.h"

enum { TASK = 1, STOP = 2, ANSWER = 3, MAXLEN = 2000 };

static int buf[MAXLEN];

static long work(long task)
{
	long s = 0;

	for (long i = 0; i < 2000; i++)
		s += pattern(task, 5, i) % 1000;
	return s;
}

static void hand_out(long task, int to)
{
	if (task < steps) {
		int n = 1 + pattern(task, 9, 0) % (MAXLEN - 1);

		fill(buf, n, task, 1);
		buf[0] = (int)task;
		MPI_Send(buf, n, MPI_INT, to, TASK, MPI_COMM_WORLD);
	} else {
		MPI_Send(NULL, 0, MPI_INT, to, STOP, MPI_COMM_WORLD);
	}
}

static void master(void)
{
	long next = 0, got = 0, total = 0;
	int live = np - 1;

	for (int w = 1; w < np; w++)
		hand_out(next++, w);
	while (live > 0) {
		MPI_Status st, st2;
		long answer[2];
		int n;

		if (got % 2) {
			MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
		} else {
			int flag = 0;

			while (!flag)
				MPI_Iprobe(MPI_ANY_SOURCE, ANSWER, MPI_COMM_WORLD, &flag, &st);
		}
		CHECK(st.MPI_TAG == ANSWER && st.MPI_SOURCE > 0 && st.MPI_SOURCE < np, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
		MPI_Get_count(&st, MPI_LONG, &n);
		CHECK(n == 2, "count %d", n);
		MPI_Recv(answer, 2, MPI_LONG, st.MPI_SOURCE, st.MPI_TAG, MPI_COMM_WORLD, &st2);
		CHECK(st2.MPI_SOURCE == st.MPI_SOURCE, "probed %d, received %d", st.MPI_SOURCE, st2.MPI_SOURCE);
		CHECK(answer[1] == work(answer[0]), "task %ld: %ld", answer[0], answer[1]);
		total += answer[1] * (answer[0] + 1);
		end_step(got++);
		if (next >= steps)
			live--;
		hand_out(next++, st.MPI_SOURCE);
	}
	CHECK(got == steps, "%ld answers to %ld tasks", got, steps);
	mix_long(total);
}

static void worker(void)
{
	for (;;) {
		MPI_Status st;
		long answer[2];
		int n;

		MPI_Recv(buf, MAXLEN, MPI_INT, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
		if (st.MPI_TAG == STOP)
			return;
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(n == 1 + pattern(buf[0], 9, 0) % (MAXLEN - 1), "task %d came with %d words", buf[0], n);
		for (int i = 1; i < n; i++)
			CHECK(buf[i] == pattern(buf[0], 1, i), "task %d word %d", buf[0], i);
		answer[0] = buf[0];
		answer[1] = work(buf[0]);
		MPI_Send(answer, 2, MPI_LONG, 0, ANSWER, MPI_COMM_WORLD);
	}
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	CHECK(steps >= np, "needs as many tasks as ranks");
	if (me == 0)
		master();
	else
		worker();
	finish();
}
