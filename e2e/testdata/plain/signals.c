/* signals: counts the SIGUSR1 that it gets, says so after each, and ends at SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t usr1, term;

static void handle(int sig)
{
	if (sig == SIGUSR1)
		usr1++;
	else
		term++;
}

int main(void)
{
	struct sigaction act = {.sa_handler = handle};
	int told = 0;
	sigset_t block, before;

	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	printf("step 0\n");
	fflush(stdout);
	while (!term) {
		sigsuspend(&before);
		for (; told < usr1; told++) {
			printf("step %d\n", told + 1);
			fflush(stdout);
		}
	}
	printf("RESULT signals %d\n", (int)usr1);
	return 0;
}
