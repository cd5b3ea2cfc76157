/*
 * overhead: the times of single MPI calls that the bench compares, for two ranks.
 * Each is measured in STEPS short blocks of which the fastest counts: whatever else the machine
 * does makes blocks slower, never faster. "TIME name ns calls": calls are the MPI calls of this rank
 * that one operation waits for, so that a difference can be told per call. MODE: one operation.
 */
#include <pthread.h>
#include <time.h>

#include "check.h"

#define WINDOW 64

struct thread {
	pthread_t id;
	MPI_Comm comm;
	double best;
};

static char buf[1 << 20], in[WINDOW][8];
static struct thread threads[2];
static pthread_barrier_t turn;

/* Ranks 0 and 1 exchange messages; per message, a Send and a Recv one after the other. */
static void exchange(MPI_Comm comm, char *p, int bytes, int n)
{
	for (int i = 0; i < n; i++) {
		if (me == 0)
			MPI_Send(p, bytes, MPI_CHAR, 1, 0, comm);
		MPI_Recv(p, bytes, MPI_CHAR, 1 - me, 0, comm, MPI_STATUS_IGNORE);
		if (me == 1)
			MPI_Send(p, bytes, MPI_CHAR, 0, 0, comm);
	}
}

static void small(int n) { exchange(MPI_COMM_WORLD, buf, 8, n); }
static void medium(int n) { exchange(MPI_COMM_WORLD, buf, 64 << 10, n); }
static void large(int n) { exchange(MPI_COMM_WORLD, buf, sizeof buf, n); }

/* Both send WINDOW messages at once. */
static void window(int n)
{
	MPI_Request r[2 * WINDOW];

	for (int i = 0; i < n; i += WINDOW) {
		for (int k = 0; k < WINDOW; k++)
			MPI_Irecv(in[k], 8, MPI_CHAR, 1 - me, 1, MPI_COMM_WORLD, &r[k]);
		for (int k = 0; k < WINDOW; k++)
			MPI_Isend(buf, 8, MPI_CHAR, 1 - me, 1, MPI_COMM_WORLD, &r[WINDOW + k]);
		MPI_Waitall(2 * WINDOW, r, MPI_STATUSES_IGNORE);
	}
}

static void sendrecv(int n)
{
	for (int i = 0; i < n; i++)
		MPI_Sendrecv(buf, 8, MPI_CHAR, 1 - me, 2, in, 8, MPI_CHAR, 1 - me, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void allreduce(int n)
{
	double x = 1, y;

	for (int i = 0; i < n; i++)
		MPI_Allreduce(&x, &y, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

static void barrier(int n)
{
	for (int i = 0; i < n; i++)
		MPI_Barrier(MPI_COMM_WORLD);
}

static void comm_rank(int n)
{
	int rank;

	for (int i = 0; i < n; i++)
		MPI_Comm_rank(MPI_COMM_WORLD, &rank);
}

static void wtime(int n)
{
	for (int i = 0; i < n; i++)
		MPI_Wtime();
}

static void get_count(int n)
{
	MPI_Status st;
	int count;

	MPI_Sendrecv(buf, 8, MPI_CHAR, me, 3, in, 8, MPI_CHAR, me, 3, MPI_COMM_WORLD, &st);
	for (int i = 0; i < n; i++)
		MPI_Get_count(&st, MPI_INT, &count);
}

static void type_size(int n)
{
	int size;

	for (int i = 0; i < n; i++)
		MPI_Type_size(MPI_DOUBLE, &size);
}

static void iprobe(int n)
{
	int flag;

	for (int i = 0; i < n; i++)
		MPI_Iprobe(MPI_ANY_SOURCE, 4, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
}

static MPI_Win win = MPI_WIN_NULL;

/* The other rank's memory of MPI_Win_allocate, all of it in reach; made when first asked for. */
static MPI_Win memory(void)
{
	long *own;

	if (win == MPI_WIN_NULL) {
		MPI_Win_allocate(2 * sizeof *own, sizeof *own, MPI_INFO_NULL, MPI_COMM_WORLD, &own, &win);
		MPI_Win_lock_all(0, win);
	}
	return win;
}

static void put(int n)
{
	MPI_Win w = memory();

	for (int i = 0; i < n; i++) {
		MPI_Put(buf, 8, MPI_CHAR, 1 - me, 0, 8, MPI_CHAR, w);
		MPI_Win_flush(1 - me, w);
	}
}

static void fetch_and_op(int n)
{
	MPI_Win w = memory();
	long one = 1, old;

	for (int i = 0; i < n; i++) {
		MPI_Fetch_and_op(&one, &old, MPI_LONG, 1 - me, 1, MPI_SUM, w);
		MPI_Win_flush(1 - me, w);
	}
}

static const struct {
	const char *name;
	void (*run)(int n);
	int n;        /* operations in a block */
	double each;  /* operations per iteration */
	double calls; /* of an operation */
} table[] = {
	{"pingpong_8B", small, 400, 2, 2},
	{"pingpong_64KiB", medium, 20, 2, 2},
	{"pingpong_1MiB", large, 4, 2, 2},
	{"window64_8B", window, 4 * WINDOW, 1, 2 + 1. / WINDOW},
	{"sendrecv_8B", sendrecv, 400, 1, 1},
	{"allreduce_8B", allreduce, 400, 1, 1},
	{"barrier", barrier, 400, 1, 1},
	{"iprobe", iprobe, 2000, 1, 1},
	{"comm_rank", comm_rank, 20000, 1, 1},
	{"wtime", wtime, 5000, 1, 1},
	{"get_count", get_count, 20000, 1, 1},
	{"type_size", type_size, 20000, 1, 1},
	{"put_8B", put, 200, 1, 2},
	{"fetch_and_op_8B", fetch_and_op, 200, 1, 2},
};

static void report(const char *what, double seconds, double calls)
{
	if (me == 0)
		printf("TIME %s %.2f %.3f\n", what, seconds * 1e9, calls);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* The two threads of each rank have their turns one after the other. */
static void *thread(void *arg)
{
	struct thread *t = arg;
	int mine = t - threads;

	t->best = 1e9;
	for (long i = 0; i < 2 * steps; i++) {
		pthread_barrier_wait(&turn);
		if (i % 2 != mine)
			continue;
		double begun = seconds();
		exchange(t->comm, in[mine], 8, 400);
		begun = seconds() - begun;
		t->best = begun < t->best ? begun : t->best;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int level;

	parse(argc, argv);
	MPI_Init_thread(&argc, &argv, strcmp(mode, "threads") ? MPI_THREAD_SINGLE : MPI_THREAD_MULTIPLE, &level);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &np);
	CHECK(np == 2, "for two ranks");
	if (!strcmp(mode, "threads")) {
		CHECK(level == MPI_THREAD_MULTIPLE, "no MPI_THREAD_MULTIPLE");
		pthread_barrier_init(&turn, 0, 2);
		for (int i = 0; i < 2; i++)
			MPI_Comm_dup(MPI_COMM_WORLD, &threads[i].comm);
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i].id, 0, thread, &threads[i]);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i].id, 0);
		double best = threads[0].best < threads[1].best ? threads[0].best : threads[1].best;
		report("threads_8B", best / 800, 2);
		finish();
		return 0;
	}
	for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
		double best = 1e9;
		if (*mode && strcmp(mode, table[k].name))
			continue;
		for (long i = 0; i < steps; i++) {
			MPI_Barrier(MPI_COMM_WORLD);
			double t = seconds();
			table[k].run(table[k].n);
			t = seconds() - t;
			best = t < best ? t : best;
		}
		report(table[k].name, best / table[k].n / table[k].each, table[k].calls);
	}
	if (win != MPI_WIN_NULL) {
		MPI_Win_unlock_all(win);
		MPI_Win_free(&win);
	}
	finish();
}
