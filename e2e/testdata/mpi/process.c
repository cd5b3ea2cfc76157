/*
 * process: what a rank has besides MPI: argv and environment, a heap grown by
 * realloc and by brk, mappings, children run by system() and popen(), open files,
 * a signal handler, a thread that never calls MPI.
 */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static volatile sig_atomic_t signals;
static long ticks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int s) { signals++; }

static void *ticker(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		ticks++;
		pthread_mutex_unlock(&lock);
		usleep(1000);
	}
	return NULL;
}

static long read_ticks(void)
{
	pthread_mutex_lock(&lock);
	long t = ticks;
	pthread_mutex_unlock(&lock);
	return t;
}

static void children(long k)
{
	char line[64], want[64];
	FILE *p;

	CHECK(system("exit 7") == 7 << 8, "system() failed");
	snprintf(line, sizeof line, "echo child %ld", k);
	snprintf(want, sizeof want, "child %ld\n", k);
	p = popen(line, "r");
	CHECK(p != NULL, "popen");
	CHECK(fgets(line, sizeof line, p) && strcmp(line, want) == 0, "child said \"%s\"", line);
	CHECK(pclose(p) == 0, "pclose");
}

int main(int argc, char **argv)
{
	unsigned char *heap = NULL, *map = NULL;
	size_t size = 0, mapped = 0;
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	char saved[8][256];
	pthread_t t;
	FILE *log;

	CHECK(argc <= 8, "too many arguments");
	for (int i = 0; i < argc; i++)
		snprintf(saved[i], sizeof saved[i], "%s", argv[i]);
	begin(argc, argv);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&t, NULL, ticker, NULL);
	log = tmpfile();
	for (long k = 0; k < steps; k++) {
		size_t more = 50000 + pattern(me, 1, k) % 300000, at;
		long before = read_ticks();

		for (int i = 0; i < argc; i++)
			CHECK(strcmp(argv[i], saved[i]) == 0, "argv[%d] is \"%s\"", i, argv[i]);
		CHECK(getenv("PATH") && getenv("MANAE2E_MARK") && strcmp(getenv("MANAE2E_MARK"), "kept") == 0, "environment lost");
		/* a block that only grows: realloc moves it by mremap */
		heap = realloc(heap, size + more);
		memset(heap + size, (int)(k % 251), more);
		size += more;
		free(malloc(200000));
		map = mapped ? mremap(map, mapped, mapped + 65536, MREMAP_MAYMOVE)
			     : mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(map != MAP_FAILED, "mremap");
		memset(map + mapped, (int)(k % 241), 65536);
		mapped += 65536;
		at = 0;
		for (long j = 0; j <= k; j++) {
			size_t len = 50000 + pattern(me, 1, j) % 300000;

			CHECK(heap[at] == j % 251 && heap[at + len - 1] == j % 251 && heap[at + len / 2] == j % 251, "heap block of step %ld", j);
			CHECK(map[j * 65536] == j % 241 && map[j * 65536 + 65535] == j % 241, "mapping of step %ld", j);
			at += len;
		}
		char *brk0 = sbrk(4096);
		CHECK(brk0 != (char *)-1, "sbrk failed");
		memset(brk0, 1, 4096);
		if (k % 10 == 0)
			children(k);
		fprintf(log, "%ld\n", k);
		long sig = signals;
		raise(SIGUSR1);
		CHECK(signals == sig + 1, "signal handler was not called");
		MPI_Allreduce(MPI_IN_PLACE, &sig, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sig == k * np, "signals: %ld", sig);
		mix_long(sig);
		for (int i = 0; read_ticks() == before; i++) {
			CHECK(i < 20000, "the other thread stands still");
			usleep(1000);
		}
		end_step(k);
	}
	rewind(log);
	for (long k = 0, v; k < steps; k++)
		CHECK(fscanf(log, "%ld", &v) == 1 && v == k, "the log lost line %ld", k);
	finish();
}
