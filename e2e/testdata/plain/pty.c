/*
 * pty: pseudo-terminals of the program's own: one with a session of its own
 * behind it, as screen and script have them, and ones with bytes in flight both
 * ways, of which nothing is lost or changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define CHECK(cond) \
	do { if (!(cond)) { dprintf(err, "FAIL line %d: %s: %s\n", __LINE__, #cond, strerror(errno)); exit(3); } } while (0)

static int err = 2;

/* open a pseudo-terminal and its terminal */
static int pty(int *slave)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);

	CHECK(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0 && (*slave = open(ptsname(fd), O_RDWR | O_NOCTTY)) >= 0);
	return fd;
}

/* read exactly the text */
static void expect(int fd, const char *want)
{
	char b[256];
	size_t got = 0, n = strlen(want);

	while (got < n) {
		ssize_t k = read(fd, b + got, n - got);
		CHECK(k > 0 || errno == EINTR);
		got += k > 0 ? (size_t)k : 0;
	}
	CHECK(memcmp(b, want, n) == 0);
}

/* what runs on the terminal: a session leader, and a job in the background */
static void session(char *name)
{
	char line[64];
	struct winsize w;
	pid_t job;

	err = dup(2);
	CHECK(fcntl(err, F_SETFD, FD_CLOEXEC) == 0 && setsid() == getpid());
	int tty = open(name, O_RDWR);
	CHECK(tty >= 0 && dup2(tty, 0) == 0 && dup2(tty, 1) == 1 && dup2(tty, 2) == 2 && close(tty) == 0);
	CHECK((tty = open("/dev/tty", O_RDWR)) >= 0 && (job = fork()) >= 0);
	setpgid(job, job == 0 ? 0 : job); /* in both, whoever is first */
	if (job == 0) {
		for (;;) {
			CHECK(tcgetsid(0) == getppid() && tcgetpgrp(tty) == getppid() && getpgrp() == getpid());
			usleep(10000);
		}
	}
	while (fgets(line, sizeof line, stdin)) {
		int again = open("/dev/tty", O_RDWR);
		CHECK(again >= 0 && tcgetpgrp(again) == getpid() && tcgetsid(tty) == getpid() && close(again) == 0);
		CHECK(ioctl(tty, TIOCGWINSZ, &w) == 0 && w.ws_row == 33 && w.ws_col == 77);
		CHECK(ttyname(0) && getpgid(job) == job && waitpid(job, NULL, WNOHANG) == 0);
		printf("got %s", line);
		fflush(stdout);
	}
	kill(job, SIGKILL);
	waitpid(job, NULL, 0);
	exit(0);
}

int main(int argc, char **argv)
{
	long steps = atol(argv[1]), pause_us = atol(argv[2]);
	const char *hurry = getenv("MANAE2E_HURRY");
	int main_tty, lines_tty, packet_tty, status, on = 1;
	struct winsize w = {.ws_row = 33, .ws_col = 77};
	struct termios t;
	char text[64], b[8];

	CHECK(argc > 2);
	int mainfd = pty(&main_tty), lines = pty(&lines_tty), packet = pty(&packet_tty);
	CHECK(ioctl(mainfd, TIOCSWINSZ, &w) == 0 && tcgetattr(lines_tty, &t) == 0);
	t.c_lflag &= ~(tcflag_t)ECHO;
	CHECK(tcsetattr(lines_tty, TCSANOW, &t) == 0 && tcsetattr(main_tty, TCSANOW, &t) == 0);
	cfmakeraw(&t);
	t.c_cc[VMIN] = 3;
	CHECK(tcsetattr(packet_tty, TCSANOW, &t) == 0 && ioctl(packet, TIOCPKT, &on) == 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		session(ptsname(mainfd));
	close(main_tty);
	CHECK(write(lines, "one\ntwo\npart", 12) == 12 && write(lines_tty, "out\n", 4) == 4);
	CHECK(write(packet_tty, "raw\n\r\1\377", 7) == 7 && write(packet, "\3\r\n\21", 4) == 4);
	for (long k = 0; k < steps; k++) {
		snprintf(text, sizeof text, "line %ld\n", k);
		CHECK(write(mainfd, text, strlen(text)) == (ssize_t)strlen(text));
		snprintf(text, sizeof text, "got line %ld\r\n", k);
		expect(mainfd, text);
		printf("step %ld\n", k);
		fflush(stdout);
		if (!(hurry && access(hurry, F_OK) == 0))
			usleep(pause_us);
	}
	expect(lines, "out\r\n");
	CHECK(read(lines_tty, text, sizeof text) == 4 && memcmp(text, "one\n", 4) == 0);
	CHECK(write(lines, "ial\n", 4) == 4);
	CHECK(read(lines_tty, text, sizeof text) == 4 && memcmp(text, "two\n", 4) == 0);
	CHECK(read(lines_tty, text, sizeof text) == 8 && memcmp(text, "partial\n", 8) == 0);
	CHECK(read(packet, text, sizeof text) == 8 && memcmp(text, "\0raw\n\r\1\377", 8) == 0);
	CHECK(tcgetattr(packet_tty, &t) == 0 && t.c_cc[VMIN] == 3 && !(t.c_lflag & (ICANON | ECHO)));
	CHECK(read(packet_tty, b, sizeof b) == 4 && memcmp(b, "\3\r\n\21", 4) == 0);
	CHECK(write(mainfd, "\4", 1) == 1 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(read(mainfd, b, sizeof b) < 0 && errno == EIO);
	printf("RESULT pty %ld\n", steps);
	return 0;
}
