/*
 * family: a rank that is a parent. It keeps a forked child without another
 * program, two shells with a child each, one child that
 * has ended and was not waited for, and talks to them by pipes while the ranks pass numbers on.
 */
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct helper {
	pid_t pid;
	FILE *to, *from;
};

/* Answers each line with its number doubled. */
static void answer(int in, int out)
{
	char line[64];
	FILE *from = fdopen(in, "r"), *to = fdopen(out, "w");
	while (fgets(line, sizeof line, from)) {
		fprintf(to, "%ld\n", 2 * atol(line));
		fflush(to);
	}
	_exit(5);
}

static struct helper start(int shell)
{
	int to[2], from[2];
	struct helper h;
	CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipe");
	h.pid = fork();
	CHECK(h.pid >= 0, "fork");
	if (h.pid == 0) {
		if (!shell) {
			close(to[1]);
			close(from[0]);
			answer(to[0], from[1]);
		}
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl("/bin/sh", "sh", "-c", "sleep 1000 & while read n; do echo $((n * 2)); done; kill $! && wait $! 2>/dev/null; exit 5", (char *)0);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	h.to = fdopen(to[1], "w");
	h.from = fdopen(from[0], "r");
	return h;
}

static long ask(struct helper *h, long n)
{
	char line[64];
	fprintf(h->to, "%ld\n", n);
	fflush(h->to);
	CHECK(fgets(line, sizeof line, h->from) != 0, "helper %d is gone", (int)h->pid);
	return atol(line);
}

static void end(struct helper *h)
{
	fclose(h->to);
	CHECK(fgetc(h->from) == EOF, "helper %d says more", (int)h->pid);
	fclose(h->from);
}

/* All children end, each as it should. */
static void collect(void)
{
	int status, n[3] = {0};
	while (waitpid(-1, &status, 0) > 0) {
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) >= 5 && WEXITSTATUS(status) <= 7, "a child ended with %#x", status);
		n[WEXITSTATUS(status) - 5]++;
	}
	CHECK(errno == ECHILD && n[0] == 3 && n[1] == 1 && n[2] == 1, "%d helpers, %d and %d others ended: %s", n[0], n[1], n[2],
	      strerror(errno));
}

int main(int argc, char **argv)
{
	long sum = 0;

	parse(argc, argv);
	volatile long *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct helper before = start(1);
	begin(argc, argv);
	struct helper plain = start(0), shell = start(1);
	if (fork() == 0)
		_exit(6); /* not waited for before the end */
	if (fork() == 0) { /* shares memory with the rank */
		for (; !shared[1]; usleep(1000))
			++*shared;
		_exit(7);
	}
	for (long k = 0; k < steps; k++) {
		long v = ask(&plain, k) + ask(&shell, k) + ask(&before, k), from, seen = *shared;

		CHECK(v == 6 * k, "the helpers say %ld", v);
		MPI_Sendrecv(&v, 1, MPI_LONG, (me + 1) % np, 1, &from, 1, MPI_LONG, (me + np - 1) % np, 1,
			     MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < 20000 && *shared == seen; i++)
			usleep(1000);
		CHECK(*shared != seen, "the counting child stands still");
		sum += from + me;
		end_step(k);
	}
	shared[1] = 1;
	end(&plain);
	end(&shell);
	end(&before);
	collect();
	mix_long(sum);
	finish();
	return 0;
}
