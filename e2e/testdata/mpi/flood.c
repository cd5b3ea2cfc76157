/*
 * flood: thousands of small messages and a few of 8 MiB are on their way when
 * the checkpoint comes. Messages of one source and tag must arrive in order.
 * STEPS counts small messages per tag.
 */
#include "check.h"

enum { TAGS = 3, BIGS = 3, BIG = 2 << 20 };

int main(int argc, char **argv)
{
	MPI_Request *rq;
	int *out, *big[BIGS], *in = malloc(BIG * sizeof(int)), n = 0;
	long next[TAGS] = {0};
	MPI_Comm dup;

	begin(argc, argv);
	int right = (me + 1) % np, left = (me + np - 1) % np;
	MPI_Comm_dup(MPI_COMM_WORLD, &dup);
	rq = malloc((steps * TAGS + BIGS) * sizeof *rq);
	out = malloc(steps * TAGS * 2 * sizeof *out);
	for (long i = 0; i < steps; i++)
		for (int t = 0; t < TAGS; t++) {
			int *o = out + (i * TAGS + t) * 2;

			o[0] = pattern(me, t, i);
			o[1] = (int)i;
			MPI_Isend(o, 2, MPI_INT, right, t, t == 1 ? dup : MPI_COMM_WORLD, &rq[n++]);
			if (t == 0 && i < BIGS) {
				big[i] = malloc(BIG * sizeof(int));
				fill(big[i], BIG, me, 100 + i);
				MPI_Isend(big[i], BIG, MPI_INT, right, 50, dup, &rq[n++]);
			}
		}
	ready();
	gate_wait();
	for (long i = 0; i < steps * 2; i++) { /* tags 0 and 2 together, in whatever mixture they come */
		MPI_Status st;
		int v[2], t;

		MPI_Recv(v, 2, MPI_INT, left, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
		t = st.MPI_TAG;
		CHECK(t == 0 || t == 2, "tag %d on the world", t);
		CHECK(v[1] == next[t] && v[0] == pattern(left, t, next[t]), "tag %d: message %d came when %ld was due", t, v[1], next[t]);
		next[t]++;
		if (i % 500 == 0)
			end_step(i);
	}
	for (long i = 0; i < steps; i++) {
		int v[2];

		MPI_Recv(v, 2, MPI_INT, left, 1, dup, MPI_STATUS_IGNORE);
		CHECK(v[1] == i && v[0] == pattern(left, 1, i), "dup: message %d came when %ld was due", v[1], i);
	}
	for (int b = 0; b < BIGS; b++) {
		memset(in, 0, BIG * sizeof(int));
		MPI_Recv(in, BIG, MPI_INT, left, 50, dup, MPI_STATUS_IGNORE);
		verify(in, BIG, left, 100 + b, "big");
	}
	MPI_Waitall(n, rq, MPI_STATUSES_IGNORE);
	mix_long(next[0] + 3 * next[2]);
	finish();
}
