/*
 * ids: a rank that remembers numbers of processes and threads and uses them:
 * kill, tgkill, pthread_kill, waitpid, sched_getaffinity, /proc, and at the end
 * pthread_cancel.
 */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile sig_atomic_t by_process, by_thread[2];
static volatile pid_t tids[2];
static __thread int number;

static void on_process(int s) { by_process++; }
static void on_thread(int s) { by_thread[number]++; }

static void *waiter(void *arg)
{
	number = 1;
	tids[1] = gettid();
	for (;;)
		usleep(1000);
	return NULL;
}

static void until(volatile sig_atomic_t *n, long want)
{
	for (int i = 0; *n < want; i++) {
		CHECK(i < 20000, "signal %ld did not arrive", want);
		usleep(1000);
	}
}

static void look(pid_t pid, pid_t tid)
{
	char path[64];
	cpu_set_t set;

	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	CHECK(access(path, R_OK) == 0, "%s: %s", path, strerror(errno));
	CHECK(sched_getaffinity(tid, sizeof set, &set) == 0, "sched_getaffinity %d: %s", (int)tid, strerror(errno));
}

int main(int argc, char **argv)
{
	pid_t pid = getpid(), child;
	pthread_t t;
	void *end;
	int status;

	begin(argc, argv);
	signal(SIGUSR1, on_process);
	signal(SIGUSR2, on_thread);
	pthread_create(&t, NULL, waiter, NULL);
	tids[0] = gettid();
	child = fork();
	if (child == 0) {
		pid_t self = getpid();
		while (getppid() == pid && getpid() == self)
			usleep(1000);
		_exit(1);
	}
	while (!tids[1])
		usleep(1000);
	for (long k = 0; k < steps; k++) {
		long sum = 0, one = 1;

		CHECK(getpid() == pid && gettid() == tids[0], "pid %d was %d", (int)getpid(), (int)pid);
		CHECK(kill(pid, SIGUSR1) == 0, "kill %d: %s", (int)pid, strerror(errno));
		until(&by_process, k + 1);
		CHECK(pthread_kill(t, SIGUSR2) == 0, "pthread_kill");
		until(&by_thread[1], 2 * k + 1);
		CHECK(syscall(SYS_tgkill, pid, tids[1], SIGUSR2) == 0, "tgkill %d: %s", (int)tids[1], strerror(errno));
		until(&by_thread[1], 2 * k + 2);
		CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0 && by_thread[0] == k + 1, "pthread_kill of oneself");
		look(pid, tids[0]);
		look(pid, tids[1]);
		CHECK(waitpid(child, &status, WNOHANG) == 0, "the child %d has ended: %#x", (int)child, status);
		MPI_Allreduce(&one, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		mix_long(sum);
		end_step(k);
	}
	CHECK(pthread_cancel(t) == 0 && pthread_join(t, &end) == 0 && end == PTHREAD_CANCELED, "pthread_cancel");
	CHECK(kill(child, SIGTERM) == 0, "kill %d: %s", (int)child, strerror(errno));
	CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM, "the child ended with %#x", status);
	finish();
}
