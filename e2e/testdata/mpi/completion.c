/* completion: every way to complete, test, cancel, free or look at a request. */
#include "check.h"

enum { N = 12, LEN = 64 };

static int in[N][LEN], out[N][LEN], left, right;

static void post(MPI_Request *rq, long k)
{
	memset(in, 0, sizeof in);
	for (int i = 0; i < N; i++)
		MPI_Irecv(in[i], LEN, MPI_INT, left, i, MPI_COMM_WORLD, &rq[i]);
	for (int i = 0; i < N; i++) {
		fill(out[i], LEN, me * N + i, k);
		MPI_Isend(out[i], LEN - i, MPI_INT, right, i, MPI_COMM_WORLD, &rq[N + i]);
	}
}

static void got(int i, long k, const MPI_Status *st)
{
	int n;

	if (i >= N)
		return;
	MPI_Get_count(st, MPI_INT, &n);
	CHECK(st->MPI_SOURCE == left && st->MPI_TAG == i && n == LEN - i, "request %d: source %d tag %d count %d",
	      i, st->MPI_SOURCE, st->MPI_TAG, n);
	verify(in[i], n, left * N + i, k, "completion");
}

static void by_waitany(MPI_Request *rq, long k)
{
	MPI_Status st;
	int i;

	for (int left_over = 2 * N; left_over; left_over--) {
		MPI_Waitany(2 * N, rq, &i, &st);
		CHECK(rq[i] == MPI_REQUEST_NULL, "request %d is not null", i);
		got(i, k, &st);
	}
	MPI_Waitany(2 * N, rq, &i, &st);
	CHECK(i == MPI_UNDEFINED, "Waitany on nulls: %d", i);
}

static void by_some(MPI_Request *rq, long k, int wait)
{
	MPI_Status st[2 * N];
	int idx[2 * N], n;

	for (int left_over = 2 * N; left_over; left_over -= n) {
		if (wait)
			MPI_Waitsome(2 * N, rq, &n, idx, st);
		else
			MPI_Testsome(2 * N, rq, &n, idx, st);
		CHECK(n != MPI_UNDEFINED && n >= 0, "outcount %d with %d left", n, left_over);
		for (int j = 0; j < n; j++)
			got(idx[j], k, &st[j]);
	}
	MPI_Testsome(2 * N, rq, &n, idx, st);
	CHECK(n == MPI_UNDEFINED, "Testsome on nulls: %d", n);
}

static void by_all(MPI_Request *rq, long k, int wait)
{
	MPI_Status st[2 * N];
	int flag = 0;

	if (wait)
		MPI_Waitall(2 * N, rq, st);
	while (!wait && !flag)
		MPI_Testall(2 * N, rq, &flag, st);
	for (int i = 0; i < N; i++)
		got(i, k, &st[i]);
}

static void by_test(MPI_Request *rq, long k)
{
	MPI_Status st;
	int flag, i, left_over = 2 * N;

	while (left_over > N) {
		MPI_Testany(2 * N, rq, &i, &flag, &st);
		if (flag) {
			got(i, k, &st);
			left_over--;
		}
	}
	for (i = 0; left_over; i = (i + 1) % (2 * N)) {
		if (rq[i] == MPI_REQUEST_NULL)
			continue;
		MPI_Request_get_status(rq[i], &flag, &st);
		if (!flag)
			continue;
		CHECK(rq[i] != MPI_REQUEST_NULL, "Request_get_status freed request %d", i);
		got(i, k, &st);
		memset(&st, 0x55, sizeof st);
		MPI_Test(&rq[i], &flag, &st);
		CHECK(flag, "request %d complete, then not", i);
		got(i, k, &st);
		left_over--;
	}
}

static void cancelled(void)
{
	MPI_Request rq;
	MPI_Status st;
	int flag, word = 77;

	MPI_Irecv(&word, 1, MPI_INT, left, 999, MPI_COMM_WORLD, &rq);
	MPI_Test(&rq, &flag, &st);
	CHECK(!flag, "a receive without a message completed");
	MPI_Cancel(&rq);
	MPI_Wait(&rq, &st);
	MPI_Test_cancelled(&st, &flag);
	CHECK(flag && word == 77, "receive was not cancelled");
}

/* A freed send still delivers. */
static void freed(long k)
{
	static int word;
	MPI_Request rq;
	int got_word = -1;

	word = pattern(me, k, 3);
	MPI_Isend(&word, 1, MPI_INT, right, 500, MPI_COMM_WORLD, &rq);
	MPI_Request_free(&rq);
	CHECK(rq == MPI_REQUEST_NULL, "freed request is not null");
	MPI_Recv(&got_word, 1, MPI_INT, left, 500, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	CHECK(got_word == pattern(left, k, 3), "freed send delivered %d", got_word);
	MPI_Barrier(MPI_COMM_WORLD);
}

static void empty_status(void)
{
	MPI_Request rq = MPI_REQUEST_NULL;
	MPI_Status st;
	int n, flag;

	memset(&st, 0x55, sizeof st);
	MPI_Wait(&rq, &st);
	MPI_Get_count(&st, MPI_INT, &n);
	MPI_Test_cancelled(&st, &flag);
	CHECK(st.MPI_SOURCE == MPI_ANY_SOURCE && st.MPI_TAG == MPI_ANY_TAG && n == 0 && !flag, "status of a null request");
	MPI_Recv(&n, 1, MPI_INT, MPI_PROC_NULL, 4, MPI_COMM_WORLD, &st);
	CHECK(st.MPI_SOURCE == MPI_PROC_NULL && st.MPI_TAG == MPI_ANY_TAG, "status of MPI_PROC_NULL");
}

/*
 * Of two receives one fails at once, its message being too long; that of the other comes later. Odd ranks send it
 * while even ones wait. The failure is told all the same, with and without statuses.
 */
static void truncated(long k)
{
	int two[2] = {1, 2}, one = me, a[2] = {0, 0}, got = -1, class, rc;
	MPI_Request rq[2];
	MPI_Status st[2];

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Irecv(a, 1, MPI_INT, left, 700, MPI_COMM_WORLD, &rq[0]);
	MPI_Irecv(&got, 1, MPI_INT, left, 701, MPI_COMM_WORLD, &rq[1]);
	MPI_Send(two, 2, MPI_INT, right, 700, MPI_COMM_WORLD);
	if (me % 2) {
		usleep(1000);
		MPI_Send(&one, 1, MPI_INT, right, 701, MPI_COMM_WORLD);
	}
	memset(st, 0, sizeof st);
	rc = MPI_Waitall(2, rq, k % 2 ? st : MPI_STATUSES_IGNORE);
	MPI_Error_class(rc, &class);
	CHECK(class == MPI_ERR_IN_STATUS, "Waitall with a message too long: error class %d", class);
	if (k % 2) {
		MPI_Error_class(st[0].MPI_ERROR, &class);
		CHECK(class == MPI_ERR_TRUNCATE, "error class %d in the status", class);
	}
	if (rq[1] != MPI_REQUEST_NULL)
		MPI_Wait(&rq[1], MPI_STATUS_IGNORE);
	CHECK(got == left && a[1] == 0, "received %d from %d, and %d beyond the buffer", got, left, a[1]);
	if (me % 2 == 0)
		MPI_Send(&one, 1, MPI_INT, right, 701, MPI_COMM_WORLD);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL);
}

int main(int argc, char **argv)
{
	MPI_Request rq[2 * N];

	begin(argc, argv);
	left = (me + np - 1) % np;
	right = (me + 1) % np;
	for (long k = 0; k < steps; k++) {
		post(rq, k);
		switch (k % 6) {
		case 0: by_waitany(rq, k); break;
		case 1: by_some(rq, k, 1); break;
		case 2: by_some(rq, k, 0); break;
		case 3: by_all(rq, k, 1); break;
		case 4: by_all(rq, k, 0); break;
		case 5: by_test(rq, k); break;
		}
		for (int i = 0; i < 2 * N; i++)
			CHECK(rq[i] == MPI_REQUEST_NULL, "request %d is not null at the end", i);
		mix(in, sizeof in);
		cancelled();
		freed(k);
		truncated(k);
		empty_status();
		end_step(k);
	}
	finish();
}
