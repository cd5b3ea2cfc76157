/*
 * check.h - what the MPI test programs share.
 *
 * Every program is called as  PROG STEPS PAUSE_US [GATE [MODE]]  and
 *   - checks its own state at every step and aborts with "FAIL ..." on stderr,
 *   - reports "step N" lines from rank 0, flushed, so that a test can see it move,
 *   - ends with one line "RESULT ..." from rank 0 that depends on nothing but
 *     the program, STEPS and the number of ranks.
 * GATE names a file: gate_wait() returns when it exists, which lets a test take
 * its checkpoint while the ranks sit in a chosen state. "-" or nothing: no gate.
 */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <errno.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int me, np;
static long steps = 100;
static useconds_t pause_us;
static const char *gate, *mode = "", *prog;
static uint64_t digest = 14695981039346656037u; /* FNV-1a */

static inline void fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fprintf(stderr, "FAIL %s:%d rank %d: %s: %s\n", file, line, me, what, text);
	fflush(stderr);
	MPI_Abort(MPI_COMM_WORLD, 3);
	_exit(3);
}

#define CHECK(cond, ...) \
	do { if (!(cond)) fail(__FILE__, __LINE__, #cond, __VA_ARGS__); } while (0)

static inline void mix(const void *p, size_t n)
{
	const unsigned char *c = p;

	while (n--)
		digest = (digest ^ *c++) * 1099511628211u;
}

static inline void mix_long(long v) { mix(&v, sizeof v); }

static inline void parse(int argc, char **argv)
{
	prog = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	if (argc > 1)
		steps = atol(argv[1]);
	if (argc > 2)
		pause_us = atol(argv[2]);
	if (argc > 3 && strcmp(argv[3], "-") != 0)
		gate = argv[3];
	if (argc > 4)
		mode = argv[4];
}

static inline void begin(int argc, char **argv)
{
	parse(argc, argv);
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &np);
	CHECK(np >= 2, "needs at least two ranks");
}

/* pause_step stretches the run without burning a core, until the test is in a hurry. */
static inline void pause_step(void)
{
	const char *hurry = getenv("MANAE2E_HURRY");

	struct timespec left = {pause_us / 1000000, pause_us % 1000000 * 1000};

	if (pause_us && !(hurry && access(hurry, F_OK) == 0))
		while (nanosleep(&left, &left) != 0 && errno == EINTR)
			; /* a handler has run */
}

/* end_step reports progress. */
static inline void end_step(long i)
{
	if (me == 0) {
		printf("step %ld\n", i);
		fflush(stdout);
	}
	pause_step();
}

/* ready tells the test that this rank has reached the state of interest. */
static inline void ready(void)
{
	printf("READY %d\n", me);
	fflush(stdout);
}

static inline int gate_open(void) { return !gate || access(gate, F_OK) == 0; }

/* gate_wait stays outside MPI until the test opens the gate. */
static inline void gate_wait(void)
{
	for (long i = 0; !gate_open(); i++) {
		CHECK(i < 150000, "gate %s never opened", gate);
		usleep(2000);
	}
}

/* finish folds the digests of all ranks into the one line that a test compares. */
static inline void finish(void)
{
	uint64_t all[64];

	CHECK(np <= 64, "too many ranks");
	MPI_Gather(&digest, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
	if (me == 0) {
		mix(all, np * sizeof all[0]);
		printf("RESULT %s%s%s np=%d steps=%ld %016llx\n", prog, *mode ? " " : "", mode,
		       np, steps, (unsigned long long)digest);
		fflush(stdout);
	}
	MPI_Finalize();
}

/* pattern is a value that every rank can compute for every (a, b, i). */
static inline int pattern(long a, long b, long i)
{
	uint64_t x = (uint64_t)a * 0x9e3779b97f4a7c15u + (uint64_t)b * 0xbf58476d1ce4e5b9u + (uint64_t)i;

	x ^= x >> 31;
	x *= 0x94d049bb133111ebu;
	x ^= x >> 29;
	return (int)(x & 0x7fffffff);
}

static inline void fill(int *buf, long n, long a, long b)
{
	for (long i = 0; i < n; i++)
		buf[i] = pattern(a, b, i);
}

static inline void verify(const int *buf, long n, long a, long b, const char *what)
{
	for (long i = 0; i < n; i++)
		CHECK(buf[i] == pattern(a, b, i), "%s: element %ld of %ld (%ld, %ld) is %d, not %d",
		      what, i, n, a, b, buf[i], pattern(a, b, i));
}

#endif
