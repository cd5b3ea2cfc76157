/*
 * threads STEPS PAUSE_US: 64 threads with contended mutexes, a condition variable,
 * a barrier, a semaphore, thread-local storage and per-thread signal masks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 64, LOCKS = 4 };

static pthread_mutex_t lock[LOCKS], turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem;
static long sum[LOCKS], turn, steps, pause_us;
static __thread long mine;

#define CHECK(c) do { if (!(c)) { fprintf(stderr, "FAIL %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #c, errno); _exit(3); } } while (0)

static void *body(void *arg)
{
	long id = (long)arg;
	pid_t tid = syscall(SYS_gettid);
	sigset_t set, old;

	mine = id * 1000;
	sigemptyset(&set);
	sigaddset(&set, 34 + (int)(id % 20));
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	for (long k = 0; k < steps; k++) {
		for (int i = 0; i < 20; i++) {
			int l = (int)((id + i) % LOCKS);

			pthread_mutex_lock(&lock[l]);
			sum[l] += id + 1;
			pthread_mutex_unlock(&lock[l]);
		}
		mine++;
		CHECK(mine == id * 1000 + k + 1);
		CHECK(syscall(SYS_gettid) == tid);
		pthread_sigmask(SIG_SETMASK, NULL, &old);
		CHECK(sigismember(&old, 34 + (int)(id % 20)) && !sigismember(&old, 60));
		pthread_mutex_lock(&turn_lock);
		while (turn % THREADS != id)
			pthread_cond_wait(&turn_cond, &turn_lock);
		turn++;
		if (id == 0) {
			printf("step %ld\n", k);
			fflush(stdout);
			if (pause_us && !(getenv("MANAE2E_HURRY") && access(getenv("MANAE2E_HURRY"), F_OK) == 0))
				usleep(pause_us);
		}
		pthread_cond_broadcast(&turn_cond);
		pthread_mutex_unlock(&turn_lock);
		CHECK(sem_post(&sem) == 0);
		while (sem_wait(&sem) != 0)
			CHECK(errno == EINTR);
		pthread_barrier_wait(&barrier);
	}
	return (void *)mine;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	pthread_mutexattr_t kind;
	long total = 0;
	void *r;

	steps = argc > 1 ? atol(argv[1]) : 50;
	pause_us = argc > 2 ? atol(argv[2]) : 0;
	pthread_mutexattr_init(&kind);
	for (int i = 0; i < LOCKS; i++) {
		pthread_mutexattr_settype(&kind, i == 1 ? PTHREAD_MUTEX_ERRORCHECK : i == 2 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
		pthread_mutexattr_setrobust(&kind, i == 3 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED);
		pthread_mutex_init(&lock[i], &kind);
	}
	pthread_barrier_init(&barrier, NULL, THREADS);
	sem_init(&sem, 0, 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, body, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &r);
		CHECK((long)r == i * 1000 + steps);
	}
	for (int i = 0; i < LOCKS; i++)
		total += sum[i];
	printf("RESULT threads steps=%ld %ld %ld\n", steps, total, turn);
	return 0;
}
