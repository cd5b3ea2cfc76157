/*
 * numbers: threads whose numbers lie far above their process', where a restart
 * would like to number its own processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

#define FIRST 990 /* above the process' own number */
#define LAST 1030

static pthread_barrier_t begin, done;

static void *look(void *arg)
{
	*(long *)arg = syscall(SYS_gettid);
	return NULL;
}

static void *stay(void *arg)
{
	long tid = syscall(SYS_gettid);

	for (;;) {
		pthread_barrier_wait(&begin);
		CHECK(syscall(SYS_gettid) == tid && syscall(SYS_tgkill, getpid(), tid, 0) == 0);
		*(long *)arg += 1;
		pthread_barrier_wait(&done);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]), counts[LAST - FIRST] = {0}, tid = 0, last;
	int kept = LAST - FIRST;
	const char *hurry = getenv("MANAE2E_HURRY");
	pthread_t t;

	CHECK(argc > 2 && pthread_barrier_init(&begin, NULL, kept + 1) == 0 && pthread_barrier_init(&done, NULL, kept + 1) == 0);
	do { /* numbers are given out in ascending order, until they begin again */
		last = tid;
		CHECK(pthread_create(&t, NULL, look, &tid) == 0 && pthread_join(t, NULL) == 0);
	} while (tid > last && tid < getpid() + FIRST);
	for (int i = 0; i < kept; i++)
		CHECK(pthread_create(&t, NULL, stay, &counts[i]) == 0);
	for (long k = 0; k < steps; k++) {
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&done);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	for (int i = 0; i < kept; i++)
		CHECK(counts[i] == steps);
	printf("RESULT numbers %ld\n", steps);
	return 0;
}
