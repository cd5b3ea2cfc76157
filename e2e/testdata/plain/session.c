/*
 * session: processes whose session's and process group's leaders have ended, as
 * what a shell started in the background.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

/* answers where it is, until its peer ends */
static void member(int fd)
{
	pid_t ids[4];
	char c;

	while (read(fd, &c, 1) == 1) {
		ids[0] = getpid(), ids[1] = getsid(0), ids[2] = getpgrp(), ids[3] = getppid();
		CHECK(write(fd, ids, sizeof ids) == sizeof ids);
	}
	exit(0);
}

static void ask(int fd, pid_t ids[4])
{
	CHECK(write(fd, "?", 1) == 1 && read(fd, ids, 4 * sizeof *ids) == (ssize_t)(4 * sizeof *ids));
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	int a[2], b[2], status;
	pid_t in_session[4], in_group[4], now[4];

	CHECK(argc > 2 && socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
	pid_t leader = fork();
	CHECK(leader >= 0);
	if (leader == 0) {
		close(a[0]), close(b[0]);
		CHECK(setsid() == getpid());
		if (fork() == 0)
			member(a[1]);
		pid_t group = fork();
		if (group == 0) {
			CHECK(setpgid(0, 0) == 0);
			if (fork() == 0)
				member(b[1]);
			_exit(0);
		}
		CHECK(waitpid(group, &status, 0) == group && status == 0);
		_exit(0);
	}
	close(a[1]), close(b[1]);
	CHECK(waitpid(leader, &status, 0) == leader && status == 0);
	ask(a[0], in_session), ask(b[0], in_group);
	CHECK(in_session[1] == leader && in_session[2] == leader && in_group[1] == leader);
	CHECK(in_group[2] != leader && in_group[2] != in_group[0]);
	for (long k = 0; k < steps; k++) {
		ask(a[0], now);
		CHECK(memcmp(now, in_session, 3 * sizeof *now) == 0);
		ask(b[0], now);
		CHECK(memcmp(now, in_group, 3 * sizeof *now) == 0);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	printf("RESULT session %ld\n", steps);
	return 0;
}
