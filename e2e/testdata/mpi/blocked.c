/*
 * blocked: one rank computes (outside MPI, until the gate opens) while the
 * others wait for it inside MPI. MODE says in which call they wait.
 */
#include "check.h"

enum { BIG = 2 << 20 };

static int big[BIG];

static void late_rank(long k)
{
	long v = 7 + k, sum;

	if (strcmp(mode, "allreduce") == 0)
		MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
	else if (strcmp(mode, "barrier") == 0)
		MPI_Barrier(MPI_COMM_WORLD);
	else if (strcmp(mode, "bcast") == 0)
		MPI_Bcast(&v, 1, MPI_LONG, 0, MPI_COMM_WORLD);
	else if (strstr(mode, "send") && strcmp(mode, "sendrecv") != 0)
		for (int r = 1; r < np; r++) {
			memset(big, 0, sizeof big);
			MPI_Recv(big, BIG, MPI_INT, r, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
			verify(big, strcmp(mode, "send") ? 1 : BIG, r, k, "big");
			if (strcmp(mode, "issend") == 0)
				MPI_Recv(big, BIG, MPI_INT, r, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		}
	else
		for (int r = 1; r < np; r++)
			MPI_Send(&v, 1, MPI_LONG, r, 1, MPI_COMM_WORLD);
}

static void waiting_rank(long k)
{
	long v = me, sum = 0;
	int n;
	MPI_Status st;
	MPI_Request rq[2];

	fill(big, BIG, me, k);
	if (strcmp(mode, "allreduce") == 0) {
		MPI_Allreduce(&v, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sum == 7 + k + np * (np - 1) / 2, "sum %ld", sum);
		return;
	} else if (strcmp(mode, "barrier") == 0) {
		MPI_Barrier(MPI_COMM_WORLD);
		return;
	} else if (strcmp(mode, "bcast") == 0) {
		MPI_Bcast(&v, 1, MPI_LONG, 0, MPI_COMM_WORLD);
	} else if (strcmp(mode, "send") == 0) {
		MPI_Send(big, BIG, MPI_INT, 0, 1, MPI_COMM_WORLD);
		return;
	} else if (strcmp(mode, "ssend") == 0) {
		MPI_Ssend(big, 1, MPI_INT, 0, 1, MPI_COMM_WORLD);
		CHECK(k != steps / 2 || gate_open(), "sent before it could be received");
		return;
	} else if (strcmp(mode, "issend") == 0) {
		MPI_Issend(big, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, &rq[0]);
		MPI_Isend(big + 1, 1, MPI_INT, 0, 1, MPI_COMM_WORLD, &rq[1]); /* only the other one waits for its receive */
		MPI_Wait(&rq[1], MPI_STATUS_IGNORE);
		MPI_Wait(&rq[0], MPI_STATUS_IGNORE);
		CHECK(k != steps / 2 || gate_open(), "sent before it could be received");
		return;
	} else if (strcmp(mode, "recv") == 0) {
		MPI_Recv(&v, 1, MPI_LONG, 0, 1, MPI_COMM_WORLD, &st);
		CHECK(st.MPI_SOURCE == 0 && st.MPI_TAG == 1, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
	} else if (strcmp(mode, "recvany") == 0) {
		MPI_Recv(&v, 1, MPI_LONG, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &st);
		CHECK(st.MPI_SOURCE == 0 && st.MPI_TAG == 1, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
	} else if (strcmp(mode, "wait") == 0) {
		MPI_Irecv(&v, 1, MPI_LONG, 0, 1, MPI_COMM_WORLD, &rq[0]);
		MPI_Wait(&rq[0], &st);
		MPI_Get_count(&st, MPI_LONG, &n);
		CHECK(n == 1, "count %d", n);
	} else if (strcmp(mode, "waitany") == 0) {
		MPI_Irecv(&n, 1, MPI_INT, 0, 2, MPI_COMM_WORLD, &rq[0]); /* never sent */
		MPI_Irecv(&v, 1, MPI_LONG, 0, 1, MPI_COMM_WORLD, &rq[1]);
		MPI_Waitany(2, rq, &n, MPI_STATUS_IGNORE);
		CHECK(n == 1, "index %d", n);
		MPI_Cancel(&rq[0]);
		MPI_Wait(&rq[0], MPI_STATUS_IGNORE);
	} else if (strcmp(mode, "probe") == 0) {
		MPI_Probe(MPI_ANY_SOURCE, 1, MPI_COMM_WORLD, &st);
		MPI_Recv(&v, 1, MPI_LONG, st.MPI_SOURCE, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else if (strcmp(mode, "sendrecv") == 0) {
		MPI_Sendrecv(&v, 1, MPI_LONG, me, 9, &sum, 1, MPI_LONG, me, 9, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Sendrecv_replace(&v, 1, MPI_LONG, MPI_PROC_NULL, 1, 0, 1, MPI_COMM_WORLD, &st);
	} else {
		CHECK(0, "unknown mode \"%s\"", mode);
	}
	CHECK(v == 7 + k, "got %ld", v);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (long k = 0; k < steps; k++) {
		if (k == steps / 2)
			ready();
		if (me == 0) {
			if (k == steps / 2)
				gate_wait();
			late_rank(k);
		} else {
			waiting_rank(k);
		}
		mix_long(k);
		MPI_Barrier(MPI_COMM_WORLD);
		end_step(k);
	}
	finish();
}
