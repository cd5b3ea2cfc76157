/*
 * odds: what a process rarely has: a stopped child, children that a signal has
 * ended, a deleted directory and FIFO, a pidfd, the mode of a memfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { fprintf(stderr, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

static pid_t child(int sig)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		raise(sig);
		for (;;)
			pause();
	}
	return pid;
}

static char state(pid_t pid)
{
	char path[64], c = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%*d %*s %c", &c) == 1);
	fclose(f);
	return c;
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	int status, dir, fifo, pidfd, mem;
	siginfo_t si;
	struct stat st;
	char b[8];

	CHECK(argc > 2 && mkdir("gone", 0750) == 0 && mkfifo("fifo", 0600) == 0);
	CHECK((dir = open("gone", O_RDONLY | O_DIRECTORY)) >= 0 && rmdir("gone") == 0);
	CHECK((fifo = open("fifo", O_RDWR)) >= 0 && unlink("fifo") == 0 && write(fifo, "abc", 3) == 3);
	CHECK((mem = memfd_create("odd", 0)) >= 0 && fchmod(mem, 0640) == 0);
	pid_t stopped = child(SIGSTOP), killed = child(SIGKILL), crashed = child(SIGSEGV);
	CHECK((pidfd = (int)syscall(SYS_pidfd_open, stopped, 0)) >= 0);
	CHECK(waitid(P_PID, killed, &si, WEXITED | WNOWAIT) == 0 && waitid(P_PID, crashed, &si, WEXITED | WNOWAIT) == 0);
	for (int i = 0; state(stopped) != 'T'; i++) {
		CHECK(i < 10000);
		usleep(1000);
	}
	for (long k = 0; k < steps; k++) {
		CHECK(state(stopped) == 'T' && state(killed) == 'Z' && state(crashed) == 'Z');
		CHECK(fstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 0);
		CHECK(fstat(fifo, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_nlink == 0);
		CHECK(fstat(mem, &st) == 0 && (st.st_mode & 0777) == 0640);
		CHECK(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	CHECK(read(fifo, b, sizeof b) == 3 && memcmp(b, "abc", 3) == 0);
	CHECK(waitpid(killed, &status, 0) == killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(waitpid(crashed, &status, 0) == crashed && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) == 0 && kill(stopped, SIGCONT) == 0);
	CHECK(waitpid(stopped, &status, 0) == stopped && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	printf("RESULT odds %ld\n", steps);
	return 0;
}
