/*
 * inflight: messages sent before the checkpoint and received after it, on the
 * world, on a dup of it and on a smaller communicator, in all the ways that a
 * receive can look at them.
 */
#include "check.h"

enum { LEN = 60, WAYS = 10 };

static int out[3][WAYS][LEN], in[2 * LEN];

static void got(int way, int left, long k, const MPI_Status *st, int want)
{
	int n;

	if (st) {
		MPI_Get_count(st, MPI_INT, &n);
		CHECK(n == want && st->MPI_TAG == way, "way %d: count %d tag %d", way, n, st->MPI_TAG);
	}
	verify(in, want, left * WAYS + way, k, "in flight");
	mix(in, want * sizeof(int));
	memset(in, 0, sizeof in);
}

static void receive(MPI_Comm c, int left, long k, MPI_Request *early, int *early_buf)
{
	MPI_Status st;
	MPI_Message msg;
	MPI_Request rq;
	MPI_Datatype spread;
	int flag = 0, n;

	MPI_Recv(in, LEN, MPI_INT, left, 0, c, MPI_STATUS_IGNORE);
	got(0, left, k, NULL, LEN);
	MPI_Type_vector(LEN, 1, 2, MPI_INT, &spread); /* contiguous out, every other word in */
	MPI_Type_commit(&spread);
	MPI_Recv(in, 1, spread, left, 1, c, MPI_STATUS_IGNORE);
	for (int i = 0; i < LEN; i++)
		CHECK(in[2 * i] == pattern(left * WAYS + 1, k, i) && in[2 * i + 1] == 0, "strided receive, element %d", i);
	memset(in, 0, sizeof in);
	MPI_Type_free(&spread);
	MPI_Probe(left, 2, c, &st);
	MPI_Get_count(&st, MPI_INT, &n);
	CHECK(n == LEN - 2 && st.MPI_SOURCE == left, "Probe: %d words from %d", n, st.MPI_SOURCE);
	MPI_Recv(in, LEN, MPI_INT, st.MPI_SOURCE, 2, c, &st);
	got(2, left, k, &st, LEN - 2);
	while (!flag)
		MPI_Iprobe(MPI_ANY_SOURCE, 3, c, &flag, &st);
	MPI_Irecv(in, LEN, MPI_INT, MPI_ANY_SOURCE, 3, c, &rq);
	MPI_Wait(&rq, &st);
	got(3, left, k, &st, LEN - 3);
	MPI_Mprobe(MPI_ANY_SOURCE, 4, c, &msg, &st);
	MPI_Mrecv(in, LEN, MPI_INT, &msg, &st);
	got(4, left, k, &st, LEN - 4);
	MPI_Wait(early, &st); /* posted before the message was sent */
	memcpy(in, early_buf, LEN * sizeof(int));
	got(5, left, k, &st, LEN - 5);
	MPI_Recv(in, LEN, MPI_INT, MPI_ANY_SOURCE, 6, c, &st);
	CHECK(st.MPI_SOURCE == left, "source %d", st.MPI_SOURCE);
	got(6, left, k, &st, LEN - 6);
	/* too short a buffer is an error, and the message is gone */
	MPI_Comm_set_errhandler(c, MPI_ERRORS_RETURN);
	int rc = MPI_Recv(in, 5, MPI_INT, left, 7, c, &st), cls;
	MPI_Error_class(rc, &cls);
	CHECK(cls == MPI_ERR_TRUNCATE, "short receive gave class %d", cls);
	MPI_Comm_set_errhandler(c, MPI_ERRORS_ARE_FATAL);
	memset(in, 0, sizeof in);
	MPI_Recv(NULL, 0, MPI_INT, left, 8, c, &st); /* an empty message */
	got(8, left, k, &st, 0);
	MPI_Sendrecv(&n, 0, MPI_INT, MPI_PROC_NULL, 0, in, LEN, MPI_INT, left, 9, c, &st);
	got(9, left, k, &st, LEN - 9);
}

int main(int argc, char **argv)
{
	MPI_Comm comms[3];
	static int early_buf[3][LEN];

	begin(argc, argv);
	comms[0] = MPI_COMM_WORLD;
	MPI_Comm_dup(MPI_COMM_WORLD, &comms[1]);
	MPI_Comm_split(MPI_COMM_WORLD, me / 2, -me, &comms[2]);
	for (long k = 0; k < steps; k++) {
		MPI_Request early[3], rq[3][WAYS];

		for (int c = 0; c < 3; c++)
			MPI_Irecv(early_buf[c], LEN, MPI_INT, MPI_ANY_SOURCE, 5, comms[c], &early[c]);
		MPI_Barrier(MPI_COMM_WORLD);
		for (int c = 0; c < 3; c++) {
			int r, n;

			MPI_Comm_rank(comms[c], &r);
			MPI_Comm_size(comms[c], &n);
			for (int w = 0; w < WAYS; w++) {
				int len = w == 8 ? 0 : w < 2 ? LEN : LEN - w;

				fill(out[c][w], LEN, r * WAYS + w, k);
				(c == 1 ? MPI_Issend : MPI_Isend)(out[c][w], len, MPI_INT, (r + 1) % n, w, comms[c], &rq[c][w]);
			}
		}
		if (k == 0) {
			ready();
			gate_wait();
		}
		for (int c = 2; c >= 0; c--) {
			int r, n;

			MPI_Comm_rank(comms[c], &r);
			MPI_Comm_size(comms[c], &n);
			receive(comms[c], (r + n - 1) % n, k, &early[c], early_buf[c]);
		}
		MPI_Waitall(3 * WAYS, &rq[0][0], MPI_STATUSES_IGNORE);
		MPI_Barrier(MPI_COMM_WORLD);
		end_step(k);
	}
	finish();
}
