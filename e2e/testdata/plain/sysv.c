/*
 * sysv: two processes that work together through System V IPC: segments that
 * are attached, also in part and after their removal, or attached nowhere;
 * semaphores; message queues with messages in them. Ids and keys stay.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

#define PAGE 4096
#define WAITING 3 /* messages that are in the queue all the time */

struct msg {
	long type;
	char text[64];
};

static int keyed, gone, idle, sems, queue, empty;

static void op(int n, int by)
{
	struct sembuf b = {.sem_num = (unsigned short)n, .sem_op = (short)by};

	while (semop(sems, &b, 1) != 0)
		CHECK(errno == EINTR);
}

static long attached(int id)
{
	struct shmid_ds d;

	CHECK(shmctl(id, IPC_STAT, &d) == 0);
	return (long)d.shm_nattch;
}

/* the child adds what it gets to both segments */
static void child(long *a, long *b, long steps)
{
	struct msg m;

	for (long k = 0; k < steps; k++) {
		op(0, -1);
		a[0] += k, b[1] += 2 * k;
		CHECK(msgrcv(queue, &m, sizeof m.text, 7, 0) > 0 && atol(m.text) == k);
		op(1, 1);
	}
	op(0, -1);
	CHECK(shmdt(a) == 0 && shmdt(b) == 0);
	exit(0);
}

static void start(key_t key)
{
	unsigned short values[3] = {0, 0, 42};
	struct msg m = {.type = 3};

	CHECK((keyed = shmget(key, 3 * PAGE + 100, IPC_CREAT | IPC_EXCL | 0600)) >= 0);
	CHECK((gone = shmget(IPC_PRIVATE, PAGE, 0600)) >= 0 && (idle = shmget(key + 1, 2 * PAGE, IPC_CREAT | 0640)) >= 0);
	CHECK((sems = semget(key, 3, IPC_CREAT | IPC_EXCL | 0600)) >= 0 && semctl(sems, 0, SETALL, values) == 0);
	CHECK((queue = msgget(key, IPC_CREAT | IPC_EXCL | 0600)) >= 0 && (empty = msgget(key + 1, IPC_CREAT | 0600)) >= 0);
	for (int i = 0; i < WAITING; i++) {
		snprintf(m.text, sizeof m.text, "waiting %d", i);
		m.type = 3 - i % 2;
		CHECK(msgsnd(queue, &m, sizeof m.text - (size_t)i, 0) == 0);
	}
	char *p = shmat(idle, NULL, 0);
	CHECK(p != (void *)-1);
	strcpy(p + PAGE, "nobody has attached this");
	CHECK(shmdt(p) == 0);
}

static void check(key_t key, long *a, long *b, long sum)
{
	struct shmid_ds d;
	struct msqid_ds q;
	char *p;

	CHECK(shmget(key, 0, 0) == keyed && shmget(key + 1, 0, 0) == idle && semget(key, 0, 0) == sems);
	CHECK(msgget(key, 0) == queue && msgget(key + 1, 0) == empty);
	CHECK(a[0] == sum && b[1] == 2 * sum && attached(keyed) == 4 && attached(gone) == 2 && attached(idle) == 0);
	CHECK(shmctl(gone, IPC_STAT, &d) == 0 && (d.shm_perm.mode & SHM_DEST) && d.shm_segsz == PAGE);
	CHECK(shmctl(idle, IPC_STAT, &d) == 0 && (d.shm_perm.mode & 0777) == 0640 && d.shm_segsz == 2 * PAGE);
	CHECK((p = shmat(idle, NULL, SHM_RDONLY)) != (void *)-1 && strcmp(p + PAGE, "nobody has attached this") == 0 && shmdt(p) == 0);
	CHECK(semctl(sems, 2, GETVAL) == 42 && msgctl(queue, IPC_STAT, &q) == 0 && q.msg_qnum == WAITING);
}

static void finish(long *a, long *b, char *part)
{
	struct msg m;
	static const int order[WAITING] = {1, 0, 2}; /* the lowest type first */

	CHECK(shmdt(a) == 0 && shmdt(b) == 0 && strcmp(part, "third page") == 0 && shmdt(part - 2 * PAGE) == 0);
	CHECK(attached(keyed) == 0 && shmctl(gone, IPC_STAT, &(struct shmid_ds){0}) < 0 && errno == EINVAL);
	for (int i = 0; i < WAITING; i++) {
		char want[64];
		snprintf(want, sizeof want, "waiting %d", order[i]);
		CHECK(msgrcv(queue, &m, sizeof m.text, -9, IPC_NOWAIT) == (ssize_t)sizeof m.text - order[i] && strcmp(m.text, want) == 0);
	}
	CHECK(shmctl(keyed, IPC_RMID, NULL) == 0 && shmctl(idle, IPC_RMID, NULL) == 0 && semctl(sems, 0, IPC_RMID) == 0);
	CHECK(msgctl(queue, IPC_RMID, NULL) == 0 && msgctl(empty, IPC_RMID, NULL) == 0);
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]), sum = 0;
	const char *hurry = getenv("MANAE2E_HURRY");
	key_t key = getpid();
	struct msg m = {.type = 7};
	int status;

	CHECK(argc > 2);
	start(key);
	long *a = shmat(keyed, NULL, 0), *b = shmat(gone, NULL, 0);
	CHECK(a != (void *)-1 && b != (void *)-1 && shmctl(gone, IPC_RMID, NULL) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		child(a, b, steps);
	char *part = (char *)shmat(keyed, NULL, 0) + 2 * PAGE;
	CHECK(munmap(part - 2 * PAGE, 2 * PAGE) == 0);
	strcpy(part, "third page");
	CHECK(mprotect(part, PAGE, PROT_READ) == 0);
	for (long k = 0; k < steps; k++) {
		snprintf(m.text, sizeof m.text, "%ld", k);
		CHECK(msgsnd(queue, &m, sizeof m.text, 0) == 0);
		op(0, 1);
		op(1, -1);
		check(key, a, b, sum += k);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	op(0, 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	sum = a[0] + b[1];
	finish(a, b, part);
	printf("RESULT sysv %ld %ld\n", steps, sum);
	return 0;
}
