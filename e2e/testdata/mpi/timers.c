/*
 * timers: signals at about 1 kHz, of real and of processor time, while the ranks
 * pass numbers around a ring and reduce them. The handlers use thread-local
 * memory and errno, which is another one inside the MPI library.
 */
#include "check.h"
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

static __thread long here = 42; /* of the thread that the signal interrupts */
static volatile sig_atomic_t real, prof, wrong;

static void on_timer(int s)
{
	int old = errno;

	if (here < 42)
		wrong++;
	here++;
	errno = ERANGE;
	if (s == SIGALRM)
		real++;
	else
		prof++;
	errno = old;
}

int main(int argc, char **argv)
{
	struct itimerval often = {{0, 1000}, {0, 1000}};
	struct sigaction sa = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
	volatile double work = 0;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	setitimer(ITIMER_PROF, &often, NULL);
	begin(argc, argv);
	for (long k = 0; k < steps; k++) {
		long mine = k * np + me, left, sum, before = real;

		for (int i = 0; i < 20; i++) {
			MPI_Sendrecv(&mine, 1, MPI_LONG, (me + 1) % np, i, &left, 1, MPI_LONG, (me + np - 1) % np, i, MPI_COMM_WORLD,
				     MPI_STATUS_IGNORE);
			CHECK(left == k * np + (me + np - 1) % np, "the left neighbour sends %ld", left);
		}
		MPI_Allreduce(&mine, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		CHECK(sum == k * np * np + np * (np - 1) / 2, "sum %ld", sum);
		for (int i = 0; real == before; i++) {
			CHECK(i < 1000000000, "no more SIGALRM");
			work += i;
		}
		CHECK(!wrong, "%d handlers ran with memory that is not theirs", (int)wrong);
		mix_long(sum);
		end_step(k);
	}
	CHECK(real >= steps && prof > 0, "%d and %d signals", (int)real, (int)prof);
	finish();
}
