/*
 * aware DIR: a program that knows of checkpoints, by the functions that
 * dmtcp.h declares. It asks for one, and tells where it comes out; then it
 * forbids them, until DIR/gate is there, and waits for one that was asked for
 * meanwhile. Everything is repeated by a child that shares the board.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int dmtcp_is_enabled(void) __attribute__((weak));
int dmtcp_checkpoint(void) __attribute__((weak));
int dmtcp_disable_ckpt(void) __attribute__((weak));
int dmtcp_enable_ckpt(void) __attribute__((weak));
int dmtcp_get_local_status(int *, int *) __attribute__((weak));
uint32_t dmtcp_get_generation(void) __attribute__((weak));
const char *dmtcp_get_ckpt_dir(void) __attribute__((weak));
const char *dmtcp_get_ckpt_filename(void) __attribute__((weak));

#define CHECK(cond, ...)                                             \
	do {                                                         \
		if (!(cond)) {                                       \
			printf("FAIL %s: ", #cond);                  \
			printf(__VA_ARGS__);                         \
			printf("\n");                                \
			_exit(1);                                    \
		}                                                    \
	} while (0)

static void ask(const char *who)
{
	int before, restarts, taken, lives;

	dmtcp_get_local_status(&before, &restarts);
	uint32_t generation = dmtcp_get_generation();
	int rc = dmtcp_checkpoint();
	CHECK(dmtcp_get_local_status(&taken, &lives) == 4, "no status");
	CHECK(rc == 1 || rc == 2, "dmtcp_checkpoint returned %d", rc);
	CHECK(taken > before, "%d checkpoints before and %d after", before, taken);
	CHECK(lives == restarts + (rc == 2), "%d restarts before, %d after, result %d", restarts, lives, rc);
	CHECK(dmtcp_get_generation() > generation, "generation %u", dmtcp_get_generation());
	CHECK(access(dmtcp_get_ckpt_filename(), R_OK) == 0, "no image at %s", dmtcp_get_ckpt_filename());
	printf("%s: after %s\n", who, rc == 1 ? "checkpoint" : "restart");
	if (rc == 1) /* only what was restarted goes on */
		pause();
}

static void forbid(const char *gate)
{
	CHECK(dmtcp_disable_ckpt() == 1, "not disabled");
	CHECK(dmtcp_disable_ckpt() == 1, "not disabled twice");
	uint32_t generation = dmtcp_get_generation();
	printf("forbidden\n");
	while (access(gate, F_OK))
		usleep(10000);
	usleep(300000); /* a checkpoint takes less */
	CHECK(dmtcp_enable_ckpt() == 1, "not enabled");
	usleep(300000);
	CHECK(dmtcp_get_generation() == generation, "a checkpoint while they are forbidden");
	CHECK(dmtcp_enable_ckpt() == 1, "not enabled twice");
	while (dmtcp_get_generation() == generation)
		usleep(10000);
	CHECK(dmtcp_enable_ckpt() != 1, "enabled once too often");
}

int main(int argc, char **argv)
{
	char gate[4096];
	int status;

	setvbuf(stdout, 0, _IOLBF, 0);
	if (!dmtcp_is_enabled || !dmtcp_is_enabled()) {
		printf("RESULT not enabled\n");
		return 0;
	}
	CHECK(argc > 1 && dmtcp_get_ckpt_dir()[0] == '/', "directory %s", dmtcp_get_ckpt_dir());
	CHECK(!getenv("LD_PRELOAD"), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
	snprintf(gate, sizeof gate, "%s/gate", argv[1]);
	ask("program");
	pid_t child = fork();
	if (!child) {
		ask("child");
		_exit(7);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7, "child ended with %#x", status);
	forbid(gate);
	printf("RESULT aware\n");
	return 0;
}
