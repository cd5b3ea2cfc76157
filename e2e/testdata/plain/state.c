/*
 * state STEPS PAUSE_US DIR [child]: sets up kernel state of many kinds and verifies all
 * of it at every step: signal handlers and masks, interval and POSIX timers,
 * pipes with data in them, eventfd, epoll, a socketpair, shared and file mappings, file
 * positions, an unlinked file, umask, cwd, limits, the alternate stack, and, if told
 * so, a child that shares memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(c) do { if (!(c)) { fprintf(stderr, "FAIL %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #c, errno); exit(3); } } while (0)

static volatile sig_atomic_t alarms, ticks, usr1, on_alt;
static char altstack[65536], cwd[4096];
static int pipefd[2], pair[2], event, poller, tfd, file, gone;
static unsigned char *shared, *mapped, *guarded;
static timer_t posix_timer;
static pid_t child;

static void on_alarm(int s) { alarms++; }
static void on_tick(int s) { ticks++; }
static void on_usr1(int s, siginfo_t *si, void *u)
{
	char here;

	usr1 += si->si_pid == getpid();
	on_alt = &here >= altstack && &here < altstack + sizeof altstack;
}

static void signals(void)
{
	struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}, b = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	struct itimerval it = {{0, 20000}, {0, 20000}};
	struct itimerspec its = {{0, 30000000}, {0, 30000000}};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	sigset_t set;

	CHECK(sigaltstack(&ss, NULL) == 0);
	sigaction(SIGALRM, &a, NULL);
	sigaction(SIGUSR1, &b, NULL);
	a.sa_handler = on_tick;
	sigaction(SIGRTMIN + 3, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2); /* pending for the whole run */
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	CHECK(timer_create(CLOCK_MONOTONIC, &ev, &posix_timer) == 0);
	CHECK(timer_settime(posix_timer, 0, &its, NULL) == 0);
}

static void files(const char *dir)
{
	struct itimerspec its = {{0, 10000000}, {0, 10000000}};
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0xfeedface12345678};

	CHECK(chdir(dir) == 0);
	CHECK(getcwd(cwd, sizeof cwd) != NULL);
	umask(027);
	CHECK(pipe2(pipefd, O_CLOEXEC) == 0 && write(pipefd[1], "in the pipe", 11) == 11);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write(pair[0], "in the socket", 13) == 13);
	CHECK((event = eventfd(41, EFD_NONBLOCK)) >= 0);
	CHECK((poller = epoll_create1(0)) >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event, &e) == 0);
	CHECK((tfd = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0 && timerfd_settime(tfd, 0, &its, NULL) == 0);
	CHECK((file = open("state.data", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0644)) >= 0);
	CHECK(write(file, "0123456789", 10) == 10 && lseek(file, 4, SEEK_SET) == 4);
	CHECK(dup2(file, 200) == 200);
	CHECK((gone = open("state.gone", O_RDWR | O_CREAT | O_TRUNC, 0600)) >= 0);
	CHECK(write(gone, "unlinked", 8) == 8 && unlink("state.gone") == 0);
	CHECK(ftruncate(open("state.map", O_RDWR | O_CREAT | O_TRUNC, 0600), 8192) == 0);
}

static void memory(void)
{
	int fd = open("state.map", O_RDWR);
	struct rlimit rl;

	mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shared = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	guarded = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mapped != MAP_FAILED && shared != MAP_FAILED && guarded != MAP_FAILED);
	memset(guarded, 0x5a, 3 * 4096);
	CHECK(mprotect(guarded + 4096, 4096, PROT_NONE) == 0 && mprotect(guarded + 8192, 4096, PROT_READ) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	rl.rlim_cur = 333;
	CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	CHECK(prctl(PR_SET_NAME, "state-test") == 0);
}

/* offspring counts in shared memory until its parent is gone, or it is told to stop. */
static void offspring(void)
{
	volatile unsigned *word = (unsigned *)(shared + 4096);
	pid_t parent = getpid();
	int sig = 0;

	fflush(stdout);
	if ((child = fork()) != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!word[1] && getppid() == parent) {
		word[0]++;
		usleep(1000);
	}
	prctl(PR_GET_PDEATHSIG, &sig);
	_exit(word[1] == 77 && sig == SIGKILL ? 55 : 66);
}

static void check_files(long k)
{
	char buf[64], here[4096];
	struct epoll_event e;
	uint64_t v;

	CHECK(getcwd(here, sizeof here) && strcmp(here, cwd) == 0);
	mode_t m = umask(027);
	CHECK(m == 027);
	CHECK(read(pipefd[0], buf, 64) == 11 && memcmp(buf, "in the pipe", 11) == 0 && write(pipefd[1], buf, 11) == 11);
	CHECK(read(pair[1], buf, 64) == 13 && memcmp(buf, "in the socket", 13) == 0 && write(pair[0], buf, 13) == 13);
	CHECK(fcntl(pipefd[0], F_GETFD) == FD_CLOEXEC && fcntl(pair[0], F_GETFD) == 0);
	CHECK(epoll_wait(poller, &e, 1, 0) == 1 && e.data.u64 == 0xfeedface12345678);
	CHECK(read(event, &v, 8) == 8 && v == 41 + (uint64_t)k);
	v++;
	CHECK(write(event, &v, 8) == 8 && read(tfd, &v, 8) == 8 && v > 0);
	CHECK(lseek(200, 0, SEEK_CUR) == 4 && (fcntl(file, F_GETFL) & O_APPEND));
	CHECK(pread(gone, buf, 64, 0) == 8 && memcmp(buf, "unlinked", 8) == 0);
}

static void check_memory(long k)
{
	volatile unsigned *word = (unsigned *)(shared + 4096);
	struct rlimit rl;
	char name[32];
	unsigned before = word[0];

	CHECK(mapped[0] == (unsigned char)k && shared[0] == (unsigned char)k);
	mapped[0]++;
	shared[0]++;
	CHECK(guarded[0] == 0x5a && guarded[8192] == 0x5a);
	CHECK(write(pipefd[1], guarded + 4096, 1) == -1 && errno == EFAULT); /* still PROT_NONE */
	CHECK(getrandom(guarded + 8192, 8, 0) == -1 && errno == EFAULT); /* still read-only */
	CHECK(getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur == 333);
	CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "state-test") == 0);
	for (int i = 0; child && word[0] == before; i++) {
		CHECK(i < 20000 && waitpid(child, NULL, WNOHANG) == 0);
		usleep(1000);
	}
}

static void check_signals(void)
{
	int a = alarms, t = ticks, u = usr1;
	sigset_t set;
	struct itimerval it;

	sigpending(&set);
	CHECK(sigismember(&set, SIGUSR2));
	sigprocmask(SIG_SETMASK, NULL, &set);
	CHECK(sigismember(&set, SIGUSR2) && !sigismember(&set, SIGALRM));
	raise(SIGUSR1);
	CHECK(usr1 == u + 1 && on_alt);
	CHECK(getitimer(ITIMER_REAL, &it) == 0 && it.it_interval.tv_usec == 20000);
	CHECK(write(-1, "", 1) == -1 && errno == EBADF);
	for (int i = 0; alarms == a || ticks == t; i++) {
		struct timespec ts = {0, 1000000};

		CHECK(i < 20000);
		nanosleep(&ts, NULL);
	}
}

int main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 50, pause_us = argc > 2 ? atol(argv[2]) : 0;
	time_t start = time(NULL);
	int status;

	files(argc > 3 ? argv[3] : ".");
	memory();
	if (argc > 4)
		offspring();
	signals();
	for (long k = 0; k < steps; k++) {
		check_files(k);
		check_memory(k);
		check_signals();
		CHECK(time(NULL) >= start);
		printf("step %ld\n", k);
		fflush(stdout);
		if (pause_us && !(getenv("MANAE2E_HURRY") && access(getenv("MANAE2E_HURRY"), F_OK) == 0))
			usleep(pause_us);
	}
	((volatile unsigned *)(shared + 4096))[1] = 77;
	if (child)
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 55);
	printf("RESULT state steps=%ld\n", steps);
	return 0;
}
