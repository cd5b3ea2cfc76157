/* The cases: each runs in a process of its own, named on the command line. */
#include "fake.h"

#include "first.h"

#define WORLD MPI_COMM_WORLD
#define ANY MPI_ANY_SOURCE
#define NOTAG MPI_ANY_TAG

static void say(struct core_comm *c, int source, int tag, int value)
{
	inject(c, source, tag, &value, sizeof(value));
}

static void want(const MPI_Status *st, int source, int tag, int ints)
{
	MPI_Count n;

	EQ(st->MPI_SOURCE, source);
	EQ(st->MPI_TAG, tag);
	EQ(core_Get_count(st, MPI_INT, &n), 0);
	EQ(n, ints);
}

static void want_recv(int source, int tag, MPI_Comm comm, int value, int from, int with)
{
	MPI_Status st = {.MPI_ERROR = 77};
	int got = -1;

	EQ(core_Recv(&got, 1, MPI_INT, source, tag, comm, &st), 0);
	EQ(got, value);
	want(&st, from, with, 1);
	EQ(st.MPI_ERROR, 77); /* not touched by a call with one status */
}

static void drain(void)
{
	EQ(core_drain_messages(), 0);
}

static void drain_and_restart(void)
{
	drain();
	restart();
}

static void clean(void)
{
	EQ(natives_active(), 0);
	EQ(core_ndrained, 0);
	EQ(core_threaded(), 0);
	EQ(core_syncs, 0);
	EQ(dup_comm.refs, 1);
	EQ(gap_type.refs, 1);
}

static void recv_matches_in_order(void)
{
	say(&core_world, 1, 5, 10);
	say(&core_world, 2, 5, 20);
	say(&core_world, 1, 6, 11);
	want_recv(1, 6, WORLD, 11, 1, 6);
	want_recv(ANY, 5, WORLD, 10, 1, 5);
	want_recv(ANY, NOTAG, WORLD, 20, 2, 5);
	EQ(core_received[1], 2);
	EQ(core_received[2], 1);
}

static void communicators_are_apart(void)
{
	say(&dup_comm, 1, 5, 1);
	say(&core_world, 1, 5, 2);
	drain();
	EQ(core_ndrained, 2);
	want_recv(1, 5, WORLD, 2, 1, 5);
	want_recv(1, 5, DUP, 1, 1, 5);
}

static void drained_in_order(void)
{
	MPI_Status st;
	int flag;

	say(&core_world, 1, 5, 10);
	say(&core_world, 2, 5, 20);
	say(&core_world, 1, 6, 11);
	say(&core_world, 1, 5, 12);
	drain_and_restart();
	EQ(core_ndrained, 4);
	say(&core_world, 1, 5, 13); /* younger, from the new life */
	EQ(core_Probe(2, NOTAG, WORLD, &st), 0);
	want(&st, 2, 5, 1);
	want_recv(1, NOTAG, WORLD, 10, 1, 5);
	EQ(core_Iprobe(ANY, NOTAG, WORLD, &flag, &st), 0);
	EQ(flag, 1);
	want(&st, 2, 5, 1);
	want_recv(1, 5, WORLD, 12, 1, 5);
	want_recv(ANY, NOTAG, WORLD, 20, 2, 5);
	want_recv(ANY, NOTAG, WORLD, 11, 1, 6);
	EQ(core_ndrained, 0);
	want_recv(ANY, NOTAG, WORLD, 13, 1, 5);
	drain();
	EQ(core_received[1], 4);
}

static void drained_irecv_and_persistent(void)
{
	MPI_Request q, p;
	MPI_Status st;
	int a = 0, b = 0;

	EQ(core_Recv_init(&b, 1, MPI_INT, 2, 7, DUP, &p), 0);
	say(&core_world, 1, 5, 10);
	say(&dup_comm, 2, 7, 20);
	drain_and_restart();
	EQ(core_Irecv(&a, 1, MPI_INT, ANY, 5, WORLD, &q), 0);
	EQ(core_Start(&p), 0);
	EQ(core_Wait(&q, &st), 0);
	want(&st, 1, 5, 1);
	EQ(a, 10);
	EQ((long)q, (long)MPI_REQUEST_NULL);
	EQ(core_Wait(&p, &st), 0);
	want(&st, 2, 7, 1);
	EQ(b, 20);
	say(&dup_comm, 2, 7, 30); /* and once more, natively */
	EQ(core_Start(&p), 0);
	EQ(core_Wait(&p, &st), 0);
	EQ(b, 30);
	EQ(core_Request_free(&p), 0);
	EQ((long)p, (long)MPI_REQUEST_NULL);
	drain();
}

static void drained_truncation(void)
{
	int three[3] = {1, 2, 3}, one[2] = {0, 0};
	MPI_Status st = {.MPI_SOURCE = -9};
	MPI_Request q;

	inject(&core_world, 1, 5, three, sizeof(three));
	inject(&core_world, 1, 5, three, sizeof(three));
	drain();
	EQ(core_Recv(one, 1, MPI_INT, 1, 5, WORLD, &st), MPI_ERR_TRUNCATE);
	EQ(one[0], 1);
	EQ(one[1], 0);
	EQ(st.MPI_SOURCE, 1);
	EQ(core_Irecv(one, 1, MPI_INT, 1, 5, WORLD, &q), 0);
	EQ(core_Wait(&q, &st), MPI_ERR_TRUNCATE);
	EQ(core_ndrained, 0);
}

static void drained_argument_error_keeps_message(void)
{
	int got;

	say(&core_world, 1, 5, 1);
	say(&core_world, 1, 5, 2);
	drain();
	EQ(core_Recv(&got, -1, MPI_INT, 1, 5, WORLD, 0), MPI_ERR_COUNT);
	want_recv(1, 5, WORLD, 1, 1, 5);
	EQ(core_Recv(&got, -1, MPI_INT, 1, 5, WORLD, 0), MPI_ERR_COUNT);
	say(&core_world, 1, 5, 3);
	drain();
	want_recv(1, 5, WORLD, 2, 1, 5);
	want_recv(1, 5, WORLD, 3, 1, 5);
}

static void drained_into_gaps(void)
{
	int sent[2] = {7, 8}, got[4] = {0, -1, 0, -1};
	MPI_Status st;

	inject(&core_world, 1, 5, sent, sizeof(sent));
	drain_and_restart();
	EQ(core_Recv(got, 2, GAP, 1, 5, WORLD, &st), 0);
	EQ(got[0], 7);
	EQ(got[1], -1);
	EQ(got[2], 8);
	EQ(got[3], -1);
	want(&st, 1, 5, 2);
}

static void after_restart(void)
{
	drain_and_restart();
	EQ(natives_active(), 1);
	idle = 0;
	say(&core_world, 2, 9, 42);
}

static void checkpoint_in_recv(void)
{
	idle = interrupt;
	at_gate = after_restart;
	want_recv(ANY, 9, WORLD, 42, 2, 9);
	EQ(gates, 1);
	drain();
	EQ(core_received[2], 1);
}

static void send_during(void)
{
	say(&core_world, 1, 9, 42);
	idle = 0;
	drain_and_restart();
	EQ(core_ndrained, 0); /* matched the posted receive */
	EQ(natives_active(), 0);
}

static void message_meets_posted_recv_in_drain(void)
{
	idle = interrupt;
	at_gate = send_during;
	want_recv(1, NOTAG, WORLD, 42, 1, 9);
	EQ(core_received[1], 1);
}

static void probe_gate(void)
{
	say(&core_world, 1, 9, 42);
	idle = 0;
	drain_and_restart();
}

static void checkpoint_in_probe(void)
{
	MPI_Status st;
	MPI_Message m;
	int got;

	idle = interrupt;
	at_gate = probe_gate;
	EQ(core_Probe(ANY, NOTAG, WORLD, &st), 0);
	want(&st, 1, 9, 1);
	want_recv(1, 9, WORLD, 42, 1, 9);
	idle = interrupt;
	at_gate = probe_gate;
	EQ(core_Mprobe(ANY, 9, WORLD, &m, &st), 0);
	EQ(core_Mrecv(&got, 1, MPI_INT, &m, &st), 0);
	EQ(got, 42);
	EQ((long)m, (long)MPI_MESSAGE_NULL);
	want(&st, 1, 9, 1);
}

static void checkpoint_in_send(void)
{
	int v = 3;

	hold_sends = 1;
	idle = interrupt;
	at_gate = drain_and_restart;
	EQ(core_Send(&v, 1, MPI_INT, 1, 5, WORLD), 0);
	EQ(gates, 1);
	EQ(core_sent[1], 1);
	at_gate = drain_and_restart;
	EQ(core_Ssend(&v, 1, GAP, 2, 5, DUP), 0);
	EQ(core_sent[2], 1);
	EQ(sends_below, 2);
}

static void three_messages(void)
{
	drain_and_restart();
	idle = 0;
	say(&core_world, 1, 5, 1);
	say(&core_world, 1, 5, 2);
	say(&core_world, 1, 5, 3);
}

static void reposted_in_order(void)
{
	MPI_Request q[3], first;
	int v[3] = {0, 0, 0}, x;

	/* shuffle the pool, so that table order is not posting order */
	say(&core_world, 2, 1, 0);
	EQ(core_Irecv(&x, 1, MPI_INT, 2, 1, WORLD, &first), 0);
	EQ(core_Irecv(&v[0], 1, MPI_INT, 1, 5, WORLD, &q[0]), 0);
	EQ(core_Wait(&first, 0), 0);
	EQ(core_Irecv(&v[1], 1, MPI_INT, ANY, 5, WORLD, &q[1]), 0);
	EQ(core_Irecv(&v[2], 1, MPI_INT, 1, NOTAG, WORLD, &q[2]), 0);
	idle = interrupt;
	at_gate = three_messages;
	EQ(core_Waitall(3, q, 0), 0);
	EQ(v[0], 1);
	EQ(v[1], 2);
	EQ(v[2], 3);
}

static void waitall_half_done(void)
{
	MPI_Request q[4];
	MPI_Status st[4];
	int v[4] = {0, 0, 0, 9};

	hold_sends = 1;
	for (int i = 0; i < 3; i++)
		EQ(core_Irecv(&v[i], 1, MPI_INT, 1, 10 + i, WORLD, &q[i]), 0);
	EQ(core_Isend(&v[3], 1, MPI_INT, 2, 5, WORLD, &q[3]), 0);
	say(&core_world, 1, 11, 1);
	idle = interrupt;
	at_gate = after_restart;
	say(&core_world, 1, 12, 2);
	say(&core_world, 1, 10, 0);
	EQ(core_Irecv(&v[3], 1, MPI_INT, 2, 9, WORLD, &q[3]), 0);
	EQ(core_Waitall(4, q, st), 0);
	EQ(v[3], 42);
	want(&st[0], 1, 10, 1);
	want(&st[1], 1, 11, 1);
	want(&st[3], 2, 9, 1);
	for (int i = 0; i < 4; i++)
		EQ((long)q[i], (long)MPI_REQUEST_NULL);
}

static void waitall_errors(void)
{
	int two[2] = {1, 2}, a, b;
	MPI_Request q[3] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL, MPI_REQUEST_NULL};
	MPI_Status st[3];

	EQ(core_Irecv(&a, 1, MPI_INT, 1, 1, WORLD, &q[0]), 0);
	EQ(core_Irecv(&b, 1, MPI_INT, 1, 2, WORLD, &q[2]), 0);
	inject(&core_world, 1, 1, two, sizeof(two));
	say(&core_world, 1, 2, 5);
	EQ(core_Waitall(3, q, st), MPI_ERR_IN_STATUS);
	EQ(st[0].MPI_ERROR, MPI_ERR_TRUNCATE);
	EQ(st[1].MPI_ERROR, MPI_SUCCESS);
	EQ(st[2].MPI_ERROR, MPI_SUCCESS);
	EQ(b, 5);
	EQ((long)core_failed_comm, (long)WORLD);
	EQ(core_received[1], 2);
}

static void waitall_ignored_errors(void)
{
	int two[2] = {1, 2}, a, b;

	for (int n = 1; n <= 2; n++) {
		MPI_Request q[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};

		EQ(core_Irecv(&a, 1, MPI_INT, 1, 1, WORLD, &q[0]), 0);
		EQ(core_Irecv(&b, 1, MPI_INT, 1, 2, WORLD, &q[1]), 0);
		inject(&core_world, 1, 1, two, sizeof(two));
		say(&core_world, 1, 2, 5 + n);
		core_failed_comm = 0;
		EQ(core_Waitall(n, q, 0), MPI_ERR_IN_STATUS);
		EQ((long)core_failed_comm, (long)WORLD);
		EQ(core_Waitall(2, q, 0), 0);
		EQ(b, 5 + n);
		EQ((long)q[0], (long)MPI_REQUEST_NULL);
		EQ((long)q[1], (long)MPI_REQUEST_NULL);
		EQ(core_received[1], 2 * n);
	}
}

static void many_requests(void)
{
	enum { N = 100 };
	MPI_Request q[N];
	MPI_Status st[N];
	int v[N], index[N], n, left = N, k;

	for (int i = 0; i < N; i++)
		EQ(core_Irecv(&v[i], 1, MPI_INT, 1, i, WORLD, &q[i]), 0);
	for (int i = N - 1; i >= 0; i--)
		say(&core_world, 1, i, i * i);
	EQ(core_Waitany(N, q, &k, &st[0]), 0);
	EQ(k, N - 1);
	left--;
	while (left) {
		EQ(core_Waitsome(N, q, &n, index, st), 0);
		CHECK(n > 0);
		for (int i = 0; i < n; i++)
			want(&st[i], 1, index[i], 1);
		left -= n;
	}
	for (int i = 0; i < N; i++)
		EQ(v[i], i * i);
	EQ(core_Waitsome(N, q, &n, index, st), 0);
	EQ(n, MPI_UNDEFINED);
	EQ(core_Testsome(N, q, &n, index, st), 0);
	EQ(n, MPI_UNDEFINED);
	EQ(core_Waitany(N, q, &n, st), 0);
	EQ(n, MPI_UNDEFINED);
	want(&st[0], ANY, NOTAG, 0);
}

static void tests(void)
{
	MPI_Request q[2];
	MPI_Status st;
	int v[2], flag = 9, k = 9, index[2];

	EQ(core_Irecv(&v[0], 1, MPI_INT, 1, 1, WORLD, &q[0]), 0);
	EQ(core_Irecv(&v[1], 1, MPI_INT, 1, 2, WORLD, &q[1]), 0);
	EQ(core_Test(&q[0], &flag, &st), 0);
	EQ(flag, 0);
	EQ(core_Testany(2, q, &k, &flag, &st), 0);
	EQ(flag, 0);
	EQ(k, MPI_UNDEFINED);
	EQ(core_Testsome(2, q, &k, index, 0), 0);
	EQ(k, 0);
	say(&core_world, 1, 2, 22);
	EQ(core_Testall(2, q, &flag, 0), 0);
	EQ(flag, 0);
	CHECK(q[1] != MPI_REQUEST_NULL);
	EQ(core_Request_get_status(q[1], &flag, &st), 0);
	EQ(flag, 1);
	want(&st, 1, 2, 1);
	CHECK(q[1] != MPI_REQUEST_NULL);
	EQ(core_Testany(2, q, &k, &flag, &st), 0);
	EQ(flag, 1);
	EQ(k, 1);
	say(&core_world, 1, 1, 11);
	EQ(core_Testall(2, q, &flag, 0), 0);
	EQ(flag, 1);
	EQ(v[0], 11);
	EQ(v[1], 22);
	EQ(core_Test(&q[0], &flag, &st), 0);
	EQ(flag, 1);
	want(&st, ANY, NOTAG, 0);
	EQ(core_Testany(2, q, &k, &flag, &st), 0);
	EQ(flag, 1);
	EQ(k, MPI_UNDEFINED);
}

static void persistent(void)
{
	MPI_Request q[2];
	MPI_Status st[2];
	int in = 0, out = 5, flag, n;

	EQ(core_Send_init(&out, 1, MPI_INT, 1, 1, DUP, &q[0]), 0);
	EQ(core_Recv_init(&in, 1, MPI_INT, 1, 1, DUP, &q[1]), 0);
	EQ(dup_comm.refs, 3);
	EQ(core_Wait(&q[1], &st[0]), 0); /* inactive */
	want(&st[0], ANY, NOTAG, 0);
	EQ(core_Waitany(2, q, &n, &st[0]), 0);
	EQ(n, MPI_UNDEFINED);
	for (int i = 0; i < 3; i++) {
		EQ(core_Startall(2, q), 0);
		EQ(core_Start(&q[1]), MPI_ERR_REQUEST); /* active */
		say(&dup_comm, 1, 1, i);
		if (i == 1)
			drain_and_restart();
		EQ(core_Waitall(2, q, st), 0);
		EQ(in, i);
		want(&st[1], 1, 1, 1);
		EQ(core_Test(&q[0], &flag, 0), 0);
		EQ(flag, 1);
	}
	EQ(core_sent[1], 3);
	EQ(core_received[1], 3);
	EQ(core_Request_free(&q[0]), 0);
	EQ(core_Request_free(&q[1]), 0);
	EQ(dup_comm.refs, 1);
}

static void cancel(void)
{
	MPI_Request q, p;
	MPI_Status st;
	int v, flag;

	EQ(core_Irecv(&v, 1, GAP, 1, 1, WORLD, &q), 0);
	EQ(core_Cancel(&q), 0);
	EQ(core_Wait(&q, &st), 0);
	EQ(core_Test_cancelled(&st, &flag), 0);
	EQ(flag, 1);
	EQ(core_received[1], 0);
	say(&core_world, 1, 1, 3);
	want_recv(1, 1, WORLD, 3, 1, 1);
	EQ(core_Recv_init(&v, 1, MPI_INT, 1, 1, WORLD, &p), 0);
	EQ(core_Cancel(&p), MPI_ERR_REQUEST);
	EQ(core_Start(&p), 0);
	drain_and_restart();
	EQ(core_Cancel(&p), 0);
	EQ(core_Wait(&p, &st), 0);
	EQ(core_Test_cancelled(&st, &flag), 0);
	EQ(flag, 1);
	EQ(core_Start(&p), 0);
	say(&core_world, 1, 1, 4);
	EQ(core_Wait(&p, &st), 0);
	EQ(core_Test_cancelled(&st, &flag), 0);
	EQ(flag, 0);
	EQ(v, 4);
	EQ(core_Request_free(&p), 0);
	EQ(core_Cancel(&p), MPI_ERR_REQUEST);
}

static void proc_null(void)
{
	MPI_Status st;
	MPI_Request q;
	MPI_Message m;
	int v = 1, flag = 0;

	EQ(core_Send(&v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD), 0);
	EQ(core_Recv(&v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &st), 0);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_Isend(&v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &q), 0);
	EQ(core_Wait(&q, &st), 0);
	EQ(core_Irecv(&v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &q), 0);
	EQ(core_Wait(&q, &st), 0);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_Send(&v, -1, MPI_INT, MPI_PROC_NULL, 1, WORLD), MPI_ERR_COUNT); /* wrong arguments are, with nobody too */
	EQ(core_Ssend(&v, 1, MPI_DATATYPE_NULL, MPI_PROC_NULL, 1, WORLD), MPI_ERR_TYPE);
	EQ(core_Isend(&v, 1, MPI_INT, MPI_PROC_NULL, -9, WORLD, &q), MPI_ERR_TAG);
	EQ(core_Recv(&v, 1, MPI_INT, MPI_PROC_NULL, MPI_ANY_TAG, WORLD, &st), 0);
	EQ(core_Irecv(&v, -1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &q), MPI_ERR_COUNT);
	EQ(core_Send_init(&v, 1, MPI_INT, MPI_PROC_NULL, -9, WORLD, &q), 0);
	EQ(core_Start(&q), MPI_ERR_TAG);
	EQ(core_Request_free(&q), 0);
	EQ(core_Probe(MPI_PROC_NULL, 1, WORLD, &st), 0);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_Improbe(MPI_PROC_NULL, 1, WORLD, &flag, &m, &st), 0);
	EQ(flag, 1);
	EQ((long)m, (long)MPI_MESSAGE_NO_PROC);
	EQ(core_Mrecv(&v, 1, MPI_INT, &m, &st), 0);
	EQ((long)m, (long)MPI_MESSAGE_NULL);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_Recv_init(&v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &q), 0);
	EQ(core_Start(&q), 0);
	EQ(core_Wait(&q, &st), 0);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_Request_free(&q), 0);
	say(&core_world, 2, 1, 8);
	EQ(core_Sendrecv(&v, 1, MPI_INT, MPI_PROC_NULL, 1, &v, 1, MPI_INT, 2, 1, WORLD, &st), 0);
	EQ(v, 8);
	want(&st, 2, 1, 1);
	EQ(core_Sendrecv(&v, 1, MPI_INT, 2, 1, &v, 1, MPI_INT, MPI_PROC_NULL, 1, WORLD, &st), 0);
	want(&st, MPI_PROC_NULL, NOTAG, 0);
	EQ(core_sent[2], 1);
	EQ(sends_below, 1);
}

static void bad_arguments(void)
{
	MPI_Request q = (MPI_Request)0x7fffL, null = MPI_REQUEST_NULL;
	int v = 0;

	EQ(core_Send(&v, 1, MPI_INT, 3, 1, WORLD), MPI_ERR_RANK);
	EQ(core_Send(&v, 1, MPI_INT, ANY, 1, WORLD), MPI_ERR_RANK);
	EQ(core_Send(&v, 1, MPI_INT, 1, -5, WORLD), MPI_ERR_TAG);
	EQ(core_Isend(&v, 1, MPI_INT, 1, -5, WORLD, &q), MPI_ERR_TAG);
	EQ(core_Send(&v, 1, MPI_INT, 1, 1, MPI_COMM_NULL), MPI_ERR_COMM);
	EQ(core_Recv(&v, 1, MPI_INT, 3, 1, WORLD, 0), MPI_ERR_RANK);
	EQ(core_Recv(&v, -1, MPI_INT, 1, 1, WORLD, 0), MPI_ERR_COUNT);
	EQ(core_Wait(&q, 0), MPI_ERR_REQUEST);
	EQ(core_Waitall(1, &q, 0), MPI_ERR_REQUEST);
	EQ(core_Request_free(&null), MPI_ERR_REQUEST);
	EQ(core_Start(&null), MPI_ERR_REQUEST);
	EQ(core_sent[1], 0);
	say(&core_world, 1, 1, 1);
	EQ(core_Irecv(&v, 1, MPI_INT, 1, 1, WORLD, &q), 0);
	MPI_Request again = q;
	EQ(core_Wait(&q, 0), 0);
	EQ(core_Wait(&again, 0), MPI_ERR_REQUEST); /* a stale handle */
}

static void matched_messages_survive(void)
{
	MPI_Message m[2], none;
	MPI_Status st;
	MPI_Request q;
	int v = 0, flag;

	say(&core_world, 1, 1, 10);
	say(&dup_comm, 1, 1, 11);
	say(&core_world, 1, 1, 12);
	EQ(core_Mprobe(1, 1, WORLD, &m[0], &st), 0);
	EQ(core_Mprobe(1, 1, DUP, &m[1], &st), 0);
	EQ(dup_comm.refs, 2);
	drain_and_restart();
	EQ(core_received[1], 3);
	EQ(core_Improbe(2, NOTAG, WORLD, &flag, &none, &st), 0);
	EQ(flag, 0);
	EQ(core_Improbe(ANY, NOTAG, WORLD, &flag, &none, &st), 0);
	EQ(flag, 1);
	EQ(core_ndrained, 0);
	EQ(core_Mrecv(&v, 1, MPI_INT, &m[0], &st), 0);
	EQ(v, 10);
	want(&st, 1, 1, 1);
	EQ(core_Imrecv(&v, 1, MPI_INT, &m[1], &q), 0);
	EQ(core_Wait(&q, &st), 0);
	EQ(v, 11);
	EQ(core_Mrecv(&v, 1, MPI_INT, &none, 0), 0);
	EQ(v, 12);
	say(&dup_comm, 2, 1, 13); /* natively, without a checkpoint */
	EQ(core_Mprobe(ANY, NOTAG, DUP, &m[0], &st), 0);
	EQ(core_Mrecv(&v, 1, MPI_INT, &m[0], &st), 0);
	EQ(v, 13);
	want(&st, 2, 1, 1);
	EQ(core_received[2], 1);
	drain();
}

static void buffered(void)
{
	char space[2 * (8 + MPI_BSEND_OVERHEAD)];
	int v[4] = {1, 2, 3, 4};
	MPI_Request q;
	MPI_Count size;
	void *addr;

	EQ(core_Bsend(v, 1, MPI_INT, 1, 1, WORLD), MPI_ERR_BUFFER);
	EQ(core_Buffer_attach(space, sizeof(space)), 0);
	EQ(core_Buffer_attach(space, sizeof(space)), MPI_ERR_BUFFER);
	hold_sends = 1;
	EQ(core_Bsend(v, 2, MPI_INT, 1, 1, WORLD), 0);
	EQ(core_Ibsend(v, 2, GAP, 2, 1, DUP, &q), 0);
	EQ(core_Bsend(v, 2, MPI_INT, 1, 1, WORLD), MPI_ERR_BUFFER);
	EQ(core_Wait(&q, 0), 0);
	EQ(core_sent[1], 1);
	EQ(core_sent[2], 1);
	EQ(natives_active(), 2);
	idle = 0;
	drain_and_restart();
	EQ(core_Bsend(v, 2, MPI_INT, 1, 1, WORLD), 0);
	hold_sends = 0;
	at_gate = drain;
	mana_ctl->pending = 1;
	EQ(core_Buffer_flush(), 0);
	mana_ctl->pending = 0;
	EQ(core_Bsend_init(v, 1, MPI_INT, 1, 1, WORLD, &q), 0);
	EQ(core_Start(&q), 0);
	EQ(core_Wait(&q, 0), 0);
	EQ(core_Request_free(&q), 0);
	EQ(core_Buffer_detach(&addr, &size), 0);
	EQ((long)addr, (long)space);
	EQ(size, sizeof(space));
	EQ(core_Bsend(v, 1, MPI_INT, 1, 1, WORLD), MPI_ERR_BUFFER);
}

/* A send that the library completes at once takes no request, and can still be asked about in every way. */
static void sends_over_at_once(void)
{
	MPI_Request q[6], persistent, *h = q;
	MPI_Status st[6];
	int v = 1, flag = 0, index;

	for (int i = 0; i < 6; i++)
		EQ(core_Isend(&v, 1, GAP, 2, i, DUP, &q[i]), 0);
	EQ(core_sent[2], 6);
	EQ(dup_comm.refs, 1);
	EQ(gap_type.refs, 1);
	drain_and_restart();
	EQ(core_Request_free(h++), 0);
	EQ(core_Cancel(h), 0);
	EQ(core_Wait(h++, st), 0);
	want(st, ANY, NOTAG, 0);
	EQ(st->MPI_internal[0], 0);
	EQ(core_Waitany(4, h, &index, st), 0);
	EQ(index, 0);
	EQ(core_Irecv(&v, 1, MPI_INT, 1, 3, WORLD, h), 0);
	EQ(core_Testall(4, h, &flag, st), 0);
	EQ(flag, 0);
	EQ((long)(h[1] == MPI_REQUEST_NULL), 0); /* a test that fails ends none */
	say(&core_world, 1, 3, 7);
	h[2] = MPI_REQUEST_NULL;
	EQ(core_Waitall(4, h, st), 0);
	want(&st[0], 1, 3, 1);
	for (int i = 1; i < 4; i++)
		want(&st[i], ANY, NOTAG, 0);
	for (int i = 0; i < 6; i++)
		EQ((long)q[i], (long)MPI_REQUEST_NULL);
	EQ(core_Send_init(&v, 1, MPI_INT, 2, 1, WORLD, &persistent), 0);
	for (int i = 0; i < 2; i++) {
		EQ(core_Start(&persistent), 0);
		EQ(core_Waitall(1, &persistent, MPI_STATUSES_IGNORE), 0);
	}
	EQ(core_sent[2], 8);
	EQ(core_Request_free(&persistent), 0);
}

static void freed_requests(void)
{
	MPI_Request q, r;
	int v = 1, w = 0;

	hold_sends = 1;
	EQ(core_Isend(&v, 1, GAP, 1, 1, DUP, &q), 0);
	EQ(core_Irecv(&w, 1, MPI_INT, 2, 2, DUP, &r), 0);
	EQ(core_Request_free(&q), 0);
	EQ(core_Request_free(&r), 0);
	EQ((long)q, (long)MPI_REQUEST_NULL);
	EQ(dup_comm.refs, 3);
	EQ(gap_type.refs, 2);
	drain_and_restart();
	say(&dup_comm, 2, 2, 9);
	core_p2p_finalize();
	drain(); /* counts the freed receive */
	EQ(w, 9);
	core_orphans_reap(core_self_thread());
	EQ((long)core_orphans, 0);
}

static void sendrecv_interrupted(void)
{
	MPI_Status st;
	int a = 1, b = 0;

	hold_sends = 1;
	idle = interrupt;
	at_gate = after_restart;
	EQ(core_Sendrecv(&a, 1, MPI_INT, 1, 3, &b, 1, MPI_INT, 2, 9, WORLD, &st), 0);
	EQ(b, 42);
	want(&st, 2, 9, 1);
	EQ(core_sent[1], 1);
	say(&core_world, 1, 3, 7);
	drain(); /* the message to receive is drained already */
	hold_sends = 0;
	EQ(core_Sendrecv_replace(&a, 1, MPI_INT, 2, 3, 1, NOTAG, WORLD, &st), 0);
	EQ(a, 7);
	want(&st, 1, 3, 1);
	int many[5] = {0};
	inject(&core_world, 1, 3, many, sizeof(many));
	EQ(core_Sendrecv(&a, 1, MPI_INT, 1, 3, &b, 1, MPI_INT, 1, 3, WORLD, &st), MPI_ERR_TRUNCATE);
	drain();
}

static void isendrecv(void)
{
	MPI_Request q;
	MPI_Status st;
	int a = 5;

	say(&core_world, 1, 3, 7);
	EQ(core_Isendrecv_replace(&a, 1, MPI_INT, 2, 3, 1, 3, WORLD, &q), 0);
	EQ(core_Wait(&q, &st), 0);
	EQ(a, 7);
	want(&st, 1, 3, 1);
	EQ(core_sent[2], 1);
	core_p2p_finalize();
}

static void self_messages(void)
{
	MPI_Request q;
	int a = 1, b = 0;

	EQ(core_Isend(&a, 1, MPI_INT, 0, 4, MPI_COMM_SELF, &q), 0);
	drain();
	EQ(core_ndrained, 1);
	restart();
	EQ(core_Recv(&b, 1, MPI_INT, 0, 4, MPI_COMM_SELF, 0), 0);
	EQ(b, 1);
	EQ(core_Wait(&q, 0), 0);
	EQ(core_sent[0], 1);
	EQ(core_received[0], 1);
}

static void intercommunicator(void)
{
	int v = 1;

	EQ(core_Send(&v, 1, MPI_INT, 0, 1, INTER), 0);
	EQ(core_sent[2], 1);
	EQ(core_Send(&v, 1, MPI_INT, 2, 1, INTER), MPI_ERR_RANK);
	say(&inter_comm, 1, 1, 5);
	say(&inter_comm, 0, 1, 6);
	drain_and_restart();
	EQ(core_received[1], 1);
	EQ(core_received[2], 1);
	want_recv(0, 1, INTER, 6, 0, 1);
	want_recv(ANY, 1, INTER, 5, 1, 1);
}

/* ---- synchronous sends ---- */

static int over(MPI_Request *q)
{
	MPI_Status st;
	int flag;

	EQ(core_Test(q, &flag, &st), 0);
	return flag;
}

/* Both sides in one: which of several messages is received decides. */
static void ssend_to_self(void)
{
	MPI_Request q[2], other, plain[3];
	int v[] = {1, 2, 3, 4, 5, 6};

	EQ(core_Isend(&v[0], 1, MPI_INT, 0, 4, DUP, &plain[0]), 0); /* before it */
	EQ(core_Issend(&v[1], 1, MPI_INT, 0, 4, DUP, &q[0]), 0);
	EQ(core_Issend(&v[2], 1, MPI_INT, 0, 5, DUP, &other), 0); /* another channel */
	EQ(core_Isend(&v[3], 1, MPI_INT, 0, 4, DUP, &plain[1]), 0);
	EQ(core_Issend(&v[4], 1, MPI_INT, 0, 4, DUP, &q[1]), 0);
	EQ(core_Isend(&v[5], 1, MPI_INT, 0, 4, WORLD, &plain[2]), 0); /* another one still */
	drain();
	EQ(core_Waitall(3, plain, MPI_STATUSES_IGNORE), 0);
	EQ(over(&q[0]) + over(&q[1]) + over(&other), 0);
	drain_and_restart();
	want_recv(0, 4, DUP, 1, 0, 4);
	EQ(over(&q[0]) + over(&q[1]) + over(&other), 0);
	want_recv(0, 4, DUP, 2, 0, 4);
	drain_and_restart(); /* takes in the acknowledgement */
	EQ(over(&q[0]), 1);
	EQ(over(&q[1]) + over(&other), 0);
	want_recv(0, 5, DUP, 3, 0, 5);
	want_recv(0, 4, DUP, 4, 0, 4);
	EQ(over(&q[1]), 0);
	EQ(core_Cancel(&q[1]), 0);
	want_recv(ANY, NOTAG, DUP, 5, 0, 4);
	MPI_Request both[] = {q[1], other};
	EQ(core_Waitall(2, both, MPI_STATUSES_IGNORE), 0);
	want_recv(0, 4, WORLD, 6, 0, 4);
	core_p2p_finalize();
}

/* The message that was sent after it is all that the drain finds. */
static void ssend_received_before(void)
{
	MPI_Request q, r, plain;
	int a = 1, b = 2, in = 0;

	EQ(core_Irecv(&in, 1, MPI_INT, 0, 4, WORLD, &r), 0);
	EQ(core_Issend(&a, 1, MPI_INT, 0, 4, WORLD, &q), 0);
	EQ(core_Isend(&b, 1, MPI_INT, 0, 4, WORLD, &plain), 0);
	drain();
	EQ(over(&q) + over(&r) + over(&plain), 3);
	EQ(in, 1);
	want_recv(0, 4, WORLD, 2, 0, 4);
}

static void acknowledge(void)
{
	inject(&core_parts, 1, CORE_SYNC_TAG, asked.ack, sizeof(asked.ack));
}

static void ssend_to_peer(void)
{
	MPI_Request q, plain;
	int a = 1;

	EQ(core_Issend(&a, 1, MPI_INT, 1, 4, DUP, &q), 0);
	drain(); /* it has been received */
	EQ(over(&q), 1);
	EQ(nasked, 1);

	peers_keep = 1;
	EQ(core_Issend(&a, 1, MPI_INT, 1, 4, DUP, &q), 0);
	EQ(core_Isend(&a, 1, MPI_INT, 1, 4, DUP, &plain), 0);
	EQ(core_Wait(&plain, 0), 0);
	drain_and_restart();
	EQ(nasked, 2);
	EQ(asked.gid, dup_comm.gid);
	EQ(asked.source, dup_comm.rank);
	EQ(asked.tag, 4);
	EQ(asked.after, 1);
	EQ(over(&q), 0);
	drain(); /* nothing new to ask about */
	EQ(nasked, 2);
	acknowledge();
	EQ(over(&q), 1);
}

static void drain_then_acknowledge(void)
{
	drain_and_restart();
	acknowledge();
}

static void checkpoint_in_ssend(void)
{
	int a = 1;

	hold_sends = peers_keep = 1;
	idle = interrupt;
	at_gate = drain_then_acknowledge;
	EQ(core_Ssend(&a, 1, MPI_INT, 1, 4, WORLD), 0);
	EQ(gates, 1);
	EQ(nasked, 1);
	EQ(asked.after, 0);
}

static void ssend_persistent_and_freed(void)
{
	MPI_Request q;
	int a = 1;

	peers_keep = 1;
	EQ(core_Ssend_init(&a, 1, MPI_INT, 1, 4, DUP, &q), 0);
	for (int i = 0; i < 2; i++) {
		EQ(core_Start(&q), 0);
		drain_and_restart();
		EQ(over(&q), 0);
		acknowledge();
		EQ(over(&q), 1);
		acknowledge(); /* one too many belongs to no request */
	}
	EQ(core_Start(&q), 0);
	drain_and_restart();
	EQ(core_Request_free(&q), 0);
	acknowledge();
	core_p2p_finalize();
}

static int freed;
static int g_query(void *extra, MPI_Status *st)
{
	EQ((long)extra, 5);
	st->MPI_SOURCE = 3;
	return core_Status_set_elements(st, MPI_INT, 2);
}
static int g_free(void *extra)
{
	return freed++, extra ? 0 : 1;
}
static int g_cancel(void *extra, int complete)
{
	return complete || !extra;
}
static MPI_Request pending_g;
static void complete_g(void)
{
	EQ(core_Grequest_complete(pending_g), 0);
}

static void generalized(void)
{
	MPI_Request q[2];
	MPI_Status st[2];
	int flag, v;

	EQ(core_Grequest_start(g_query, g_free, g_cancel, (void *)5, &q[0]), 0);
	EQ(core_Test(&q[0], &flag, st), 0);
	EQ(flag, 0);
	EQ(core_Cancel(&q[0]), 0);
	drain_and_restart();
	EQ(core_Irecv(&v, 1, MPI_INT, 1, 1, WORLD, &q[1]), 0);
	pending_g = q[0];
	say(&core_world, 1, 1, 5);
	interrupt();
	at_gate = complete_g; /* another thread would */
	mana_ctl->pending = 1;
	EQ(core_Waitall(2, q, st), 0);
	mana_ctl->pending = 0;
	want(&st[0], 3, NOTAG, 2);
	want(&st[1], 1, 1, 1);
	EQ(freed, 1);
}

static void elements(void)
{
	MPI_Status st;
	MPI_Count n;

	EQ(core_Status_set_elements(&st, MPI_INT, 3), 0);
	EQ(core_Get_count(&st, MPI_BYTE, &n), 0);
	EQ(n, 12);
	EQ(core_Get_elements(&st, MPI_INT, &n), 0);
	EQ(n, 3);
	EQ(core_Status_set_elements(&st, MPI_BYTE, 0x1234567890LL), 0);
	EQ(core_Get_count(&st, MPI_BYTE, &n), 0);
	EQ(n, 0x1234567890LL);
	EQ(core_Status_set_elements(&st, MPI_BYTE, 5), 0);
	EQ(core_Get_count(&st, MPI_INT, &n), 0);
	EQ(n, MPI_UNDEFINED);
	EQ(core_Get_count(&st, MPI_DATATYPE_NULL, &n), MPI_ERR_TYPE);
}

/* What a front end tries first, where it ends: refused by the library, not over at once, not usual. */
static void tried_first(void)
{
	MPI_Request q[4], none = MPI_REQUEST_NULL;
	MPI_Status st;
	int v = 1, w[3] = {0};

	failed_on = 0;
	EQ(core_Isend(&v, -1, MPI_INT, 1, 1, WORLD, &none), MPI_ERR_COUNT);
	EQ((long)failed_on, (long)WORLD);
	EQ(core_Irecv(&v, -1, MPI_INT, 1, 1, DUP, &none), MPI_ERR_COUNT);
	EQ((long)failed_on, (long)DUP);
	EQ((long)none, (long)MPI_REQUEST_NULL);
	EQ(core_sent[1], 0);
	EQ(dup_comm.refs, 1);
	hold_sends = 1;
	EQ(core_Isend(&v, 1, MPI_INT, 1, 1, DUP, &q[0]), 0);
	EQ(core_Irecv(&w[0], 1, MPI_INT, 2, 2, DUP, &q[1]), 0);
	EQ(core_Isend(&v, 1, MPI_INT, 2, 1, DUP, &q[2]), 0);
	EQ(core_Irecv(&w[1], 1, MPI_INT, ANY, NOTAG, DUP, &q[3]), 0);
	EQ(dup_comm.refs, 5);
	EQ(core_sent[1] + core_sent[2], 2);
	drain_and_restart();
	say(&dup_comm, 2, 2, 5);
	EQ(core_Waitall(3, q, MPI_STATUSES_IGNORE), 0);
	EQ(w[0], 5);
	say(&dup_comm, 1, 9, 6);
	EQ(core_Wait(&q[3], &st), 0);
	want(&st, 1, 9, 1);
	EQ(core_received[1] + core_received[2], 2);
	hold_sends = 0;
}

/* A checkpoint between two arrivals of a Waitall without statuses: what is over is not awaited again. */
static int arrivals;
static void arrive_or_interrupt(void)
{
	if (++arrivals == 1) {
		say(&core_world, 1, 2, 20);
	} else if (arrivals == 2) {
		at_gate = drain_and_restart;
		mana_ctl->pending = 1;
		interrupt();
	} else {
		mana_ctl->pending = 0;
		say(&core_world, 2, 1, 10);
	}
}

static void waitall_interrupted(void)
{
	MPI_Request q[4] = {MPI_REQUEST_NULL};
	int v[3] = {0};

	EQ(core_Irecv(&v[0], 1, MPI_INT, 2, 1, WORLD, &q[0]), 0);
	EQ(core_Irecv(&v[1], 1, MPI_INT, 1, 2, WORLD, &q[2]), 0);
	EQ(core_Isend(v, 0, MPI_INT, 1, 2, WORLD, &q[3]), 0);
	q[1] = MPI_REQUEST_NULL;
	idle = arrive_or_interrupt;
	EQ(core_Waitall(4, q, MPI_STATUSES_IGNORE), 0);
	EQ(gates, 1);
	EQ(v[0], 10);
	EQ(v[1], 20);
	EQ(core_received[1], 1);
	EQ(core_received[2], 1);
	for (int i = 0; i < 4; i++)
		EQ((long)q[i], (long)MPI_REQUEST_NULL);
}

/* More than are looked at together, over two communicators, tested before they are over. */
static void testall_without_statuses(void)
{
	enum { N = PLAIN_MAX + 5 };
	MPI_Request q[N], two[2];
	int v[N], flag = 1;

	for (int i = 0; i < N; i++)
		EQ(core_Irecv(&v[i], 1, MPI_INT, 1, i, WORLD, &q[i]), 0);
	for (int i = 0; i < N; i++)
		say(&core_world, 1, i, i);
	EQ(core_Waitall(N, q, MPI_STATUSES_IGNORE), 0);
	EQ(core_received[1], N);
	for (int i = 0; i < N; i++)
		EQ(v[i], i);
	EQ(core_Irecv(&v[0], 1, MPI_INT, 1, 1, WORLD, &two[0]), 0);
	for (int alone = 1; alone >= 0; alone--) {
		EQ(core_Irecv(&v[1], 1, MPI_INT, 2, 1, alone ? WORLD : DUP, &two[1]), 0);
		EQ(core_Testall(2, two, &flag, MPI_STATUSES_IGNORE), 0);
		EQ(flag, 0);
		say(alone ? &core_world : &dup_comm, 2, 1, 3);
		EQ(core_Testall(2 - alone, two + alone, &flag, MPI_STATUSES_IGNORE), 0);
		EQ(flag, alone);
		EQ(core_received[2], 1);
	}
	say(&core_world, 1, 1, 4);
	while (!flag)
		EQ(core_Testall(2, two, &flag, MPI_STATUSES_IGNORE), 0);
	EQ(v[0], 4);
	EQ(v[1], 3);
	EQ(core_received[1], N + 1);
	EQ(core_received[2], 2);
}

#define CASE(f) {#f, f}
static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	CASE(recv_matches_in_order), CASE(communicators_are_apart), CASE(drained_in_order),
	CASE(drained_irecv_and_persistent), CASE(drained_truncation), CASE(drained_argument_error_keeps_message),
	CASE(drained_into_gaps), CASE(checkpoint_in_recv), CASE(message_meets_posted_recv_in_drain),
	CASE(checkpoint_in_probe), CASE(checkpoint_in_send), CASE(reposted_in_order), CASE(waitall_half_done),
	CASE(waitall_errors), CASE(waitall_ignored_errors), CASE(many_requests), CASE(tests), CASE(persistent), CASE(cancel), CASE(proc_null),
	CASE(bad_arguments), CASE(matched_messages_survive), CASE(buffered), CASE(sends_over_at_once), CASE(freed_requests),
	CASE(sendrecv_interrupted), CASE(isendrecv), CASE(self_messages), CASE(intercommunicator), CASE(generalized),
	CASE(ssend_to_self), CASE(ssend_received_before), CASE(ssend_to_peer), CASE(checkpoint_in_ssend),
	CASE(ssend_persistent_and_freed), CASE(elements), CASE(tried_first),
	CASE(waitall_interrupted), CASE(testall_without_statuses),
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (!strcmp(argv[1], cases[i].name)) {
			fake_init();
			cases[i].run();
			clean();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
