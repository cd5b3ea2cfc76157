/* ring_persistent: persistent requests of every send mode round a ring, completed by Waitany. */
#include "check.h"

enum { TAGS = 4, LEN = 300 };

static int out[TAGS][LEN], in[TAGS][LEN];

int main(int argc, char **argv)
{
	MPI_Request rq[2 * TAGS];
	int left, right;

	begin(argc, argv);
	left = (me + np - 1) % np;
	right = (me + 1) % np;
	for (int t = 0; t < TAGS; t++)
		MPI_Recv_init(in[t], LEN, MPI_INT, left, t, MPI_COMM_WORLD, &rq[t]);
	MPI_Send_init(out[0], LEN, MPI_INT, right, 0, MPI_COMM_WORLD, &rq[TAGS]);
	MPI_Ssend_init(out[1], LEN, MPI_INT, right, 1, MPI_COMM_WORLD, &rq[TAGS + 1]);
	MPI_Rsend_init(out[2], LEN, MPI_INT, right, 2, MPI_COMM_WORLD, &rq[TAGS + 2]);
	MPI_Send_init(out[3], LEN / 2, MPI_INT, right, 3, MPI_COMM_WORLD, &rq[TAGS + 3]);
	for (long k = 0; k < steps; k++) {
		long sum = 0;
		int token = 0;

		for (int t = 0; t < TAGS; t++)
			fill(out[t], LEN, me * TAGS + t, k);
		MPI_Startall(TAGS, rq);
		/* a ready send needs its receive posted: tell the left neighbour that ours are */
		MPI_Sendrecv(&me, 1, MPI_INT, left, 90, &token, 1, MPI_INT, right, 90, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK(token == right, "token %d", token);
		for (int t = 0; t < TAGS; t++)
			MPI_Start(&rq[TAGS + t]);
		if (k == steps / 2) {
			ready();
			gate_wait();
		}
		for (int done = 0; done < 2 * TAGS; done++) {
			MPI_Status st;
			int i, n;

			MPI_Waitany(2 * TAGS, rq, &i, &st);
			CHECK(i >= 0 && i < 2 * TAGS, "Waitany gave index %d", i);
			CHECK(rq[i] != MPI_REQUEST_NULL, "persistent request %d became null", i);
			if (i >= TAGS)
				continue;
			MPI_Get_count(&st, MPI_INT, &n);
			CHECK(st.MPI_SOURCE == left && st.MPI_TAG == i, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
			CHECK(n == (i == 3 ? LEN / 2 : LEN), "count %d for tag %d", n, i);
			verify(in[i], n, left * TAGS + i, k, "ring");
			sum += (long)in[i][n - 1] * (i + 1);
			memset(in[i], 0, sizeof in[i]);
		}
		mix_long(sum);
		end_step(k);
	}
	for (int i = 0; i < 2 * TAGS; i++) {
		MPI_Request_free(&rq[i]);
		CHECK(rq[i] == MPI_REQUEST_NULL, "freed request %d is not null", i);
	}
	finish();
}
