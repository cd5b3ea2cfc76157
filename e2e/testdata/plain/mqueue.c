/*
 * mqueue: two processes that talk through POSIX message queues, of which two have
 * lost their name, with messages of several priorities waiting.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

#define SIZE 100

static char b[SIZE];

static mqd_t make(const char *name, int flags)
{
	struct mq_attr a = {.mq_maxmsg = 5, .mq_msgsize = SIZE};
	mqd_t q;

	mq_unlink(name); /* of a run that was killed */
	CHECK((q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0640, &a)) != (mqd_t)-1);
	return q;
}

static void receive(mqd_t q, const char *text, unsigned int priority)
{
	unsigned int p;
	ssize_t n;

	while ((n = mq_receive(q, b, sizeof b, &p)) < 0)
		CHECK(errno == EINTR);
	CHECK((size_t)n == strlen(text) && memcmp(b, text, (size_t)n) == 0 && p == priority);
}

static void send(mqd_t q, const char *text, unsigned int priority)
{
	CHECK(mq_send(q, text, strlen(text), priority) == 0);
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	char name[64], text[32];
	struct mq_attr a;
	struct stat st;
	int status;

	CHECK(argc > 2);
	snprintf(name, sizeof name, "/manae2e-%d", (int)getuid());
	mqd_t gone = make(name, 0);
	CHECK(mq_unlink(name) == 0);
	mqd_t kept = make(name, 0);
	CHECK(mq_unlink(name) == 0);
	mqd_t named = make(name, O_NONBLOCK);
	send(named, "low", 1), send(named, "first", 7), send(named, "", 7), send(named, "high", 30000);
	send(kept, "stays", 1);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) { /* answers what has priority 5 */
		for (long k = 0; k < steps; k++) {
			snprintf(text, sizeof text, "%ld", k);
			receive(gone, text, 5);
			mqd_t again = mq_open(name, O_WRONLY);
			CHECK(again != (mqd_t)-1);
			send(again, text, 31000), mq_close(again);
		}
		exit(0);
	}
	for (long k = 0; k < steps; k++) {
		snprintf(text, sizeof text, "%ld", k);
		send(gone, text, 5);
		do {
			usleep(100);
			CHECK(mq_getattr(named, &a) == 0);
		} while (a.mq_curmsgs < 5);
		receive(named, text, 31000);
		CHECK(mq_getattr(named, &a) == 0 && a.mq_maxmsg == 5 && a.mq_msgsize == SIZE && a.mq_curmsgs == 4 && a.mq_flags == O_NONBLOCK);
		CHECK(mq_getattr(kept, &a) == 0 && a.mq_curmsgs == 1 && a.mq_flags == 0 && fstat(named, &st) == 0 && (st.st_mode & 0777) == 0640);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	receive(named, "high", 30000), receive(named, "first", 7), receive(named, "", 7), receive(named, "low", 1);
	CHECK(mq_receive(named, b, sizeof b, NULL) < 0 && errno == EAGAIN && mq_unlink(name) == 0);
	receive(kept, "stays", 1);
	printf("RESULT mqueue %ld\n", steps);
	return 0;
}
