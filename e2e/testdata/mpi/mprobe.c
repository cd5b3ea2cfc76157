/* mprobe: matched probes; a message taken by Mprobe is invisible to others until Mrecv fetches it. */
#include "check.h"

enum { MAXLEN = 5000 };

static int buf[MAXLEN];

static int length(int from, long k, int tag) { return 1 + pattern(from, k, tag) % (MAXLEN - 1); }

static void take(long k, int how)
{
	MPI_Message msg;
	MPI_Status st, st2;
	int n, flag = 0;

	if (how == 0) {
		MPI_Mprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &msg, &st);
	} else {
		while (!flag)
			MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, &msg, &st);
	}
	CHECK(msg != MPI_MESSAGE_NULL, "null message");
	MPI_Get_count(&st, MPI_INT, &n);
	CHECK(n == length(st.MPI_SOURCE, k, st.MPI_TAG), "%d words from %d tag %d", n, st.MPI_SOURCE, st.MPI_TAG);
	if (k == steps / 2 && how == 0 && me == 0) { /* a matched message is in hand across the checkpoint */
		ready();
		gate_wait();
	}
	memset(buf, 0, sizeof buf);
	if (st.MPI_TAG % 2) {
		MPI_Mrecv(buf, n, MPI_INT, &msg, &st2);
	} else {
		MPI_Request rq;

		MPI_Imrecv(buf, MAXLEN, MPI_INT, &msg, &rq);
		MPI_Wait(&rq, &st2);
	}
	CHECK(msg == MPI_MESSAGE_NULL, "message handle not null after receiving");
	CHECK(st2.MPI_SOURCE == st.MPI_SOURCE && st2.MPI_TAG == st.MPI_TAG, "status of Mrecv differs");
	verify(buf, n, st.MPI_SOURCE * 10 + st.MPI_TAG, k, "mrecv");
	mix_long(0); /* order of arrival is not determined: fold only what is */
}

static void nobody(void)
{
	MPI_Message msg;
	MPI_Status st;
	int n;

	MPI_Mprobe(MPI_PROC_NULL, 5, MPI_COMM_WORLD, &msg, &st);
	CHECK(msg == MPI_MESSAGE_NO_PROC && st.MPI_SOURCE == MPI_PROC_NULL, "Mprobe of MPI_PROC_NULL");
	MPI_Mrecv(buf, MAXLEN, MPI_INT, &msg, &st);
	MPI_Get_count(&st, MPI_INT, &n);
	CHECK(msg == MPI_MESSAGE_NULL && n == 0, "Mrecv from MPI_PROC_NULL: %d words", n);
}

int main(int argc, char **argv)
{
	static int out[4][MAXLEN];

	begin(argc, argv);
	for (long k = 0; k < steps; k++) {
		MPI_Request rq[2];

		for (int t = 0; t < 2; t++) {
			fill(out[t], MAXLEN, me * 10 + t, k);
			MPI_Isend(out[t], length(me, k, t), MPI_INT, (me + 1) % np, t, MPI_COMM_WORLD, &rq[t]);
		}
		take(k, 0);
		take(k, 1);
		nobody();
		MPI_Waitall(2, rq, MPI_STATUSES_IGNORE);
		MPI_Barrier(MPI_COMM_WORLD);
		end_step(k);
	}
	finish();
}
