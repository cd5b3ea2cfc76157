/* lib.c - DMTCP's functions for applications (dmtcp.h), for programs that refer to them.
 *
 * Preloaded into such a program. It needs no libc of a certain kind: what it
 * calls of one is in all. Return values are those of dmtcp.h.
 */
#include <string.h>

#include "board.h"
#include "environ.h"
#include "sys.h"

#define EXPORT __attribute__((visibility("default")))
#define board ((volatile struct mana_board *)MANA_BOARD_ADDR)

enum { FAILED = 0, DONE = 1, AFTER_CHECKPOINT = 1, AFTER_RESTART = 2, NOT_PRESENT = 3, IS_PRESENT = 4 };

/* A program that this one has executed has no board. */
static int present(void)
{
	static int known;
	if (!known)
		known = mana_sys(SYS_msync, MANA_BOARD_ADDR, MANA_BOARD_SIZE, 1 /* MS_ASYNC */, 0, 0, 0) == 0 &&
		                board->magic == MANA_BOARD_MAGIC
		            ? 1
		            : -1;
	return known > 0;
}

static void ring(void)
{
	__atomic_add_fetch(&board->doorbell, 1, __ATOMIC_SEQ_CST);
	mana_futex_wake(&board->doorbell);
}

EXPORT int dmtcp_is_enabled(void)
{
	return present();
}

/* Comes back after the checkpoint, and after each restart from it. A rank for which the others wait in a collective comes
 * back before, since it must join them first. */
EXPORT int dmtcp_checkpoint(void)
{
	if (!present())
		return NOT_PRESENT;
	uint32_t life = board->life, mine = __atomic_add_fetch(&board->wanted, 1, __ATOMIC_SEQ_CST);
	ring();
	for (;;) {
		uint32_t turn = __atomic_load_n(&board->turn, __ATOMIC_SEQ_CST);
		if (board->life != life)
			return AFTER_RESTART;
		if ((int32_t)(board->served - mine) >= 0)
			return (int32_t)(board->good - mine) >= 0 ? AFTER_CHECKPOINT : FAILED;
		if ((int32_t)(board->begun - mine) >= 0)
			return AFTER_CHECKPOINT;
		mana_futex_wait(&board->turn, turn);
	}
}

/* The agent announces a checkpoint and then looks at `disabled`, here it is the other way round: one sees the other. */
EXPORT int dmtcp_disable_ckpt(void)
{
	if (!present())
		return NOT_PRESENT;
	for (;;) {
		uint32_t turn = __atomic_load_n(&board->turn, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&board->disabled, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&board->pending, __ATOMIC_SEQ_CST))
			return DONE;
		__atomic_sub_fetch(&board->disabled, 1, __ATOMIC_SEQ_CST);
		ring();
		mana_futex_wait(&board->turn, turn);
	}
}

EXPORT int dmtcp_enable_ckpt(void)
{
	if (!present())
		return NOT_PRESENT;
	uint32_t n = __atomic_load_n(&board->disabled, __ATOMIC_SEQ_CST);
	do {
		if (!n)
			return FAILED;
	} while (!__atomic_compare_exchange_n(&board->disabled, &n, n - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	ring();
	return DONE;
}

EXPORT int dmtcp_get_local_status(int *checkpoints, int *restarts)
{
	if (!present())
		return NOT_PRESENT;
	*checkpoints = (int)board->taken;
	*restarts = (int)board->life;
	return IS_PRESENT;
}

EXPORT uint32_t dmtcp_get_generation(void)
{
	return present() ? board->generation : 0;
}

EXPORT int checkpoint_is_pending(void)
{
	return present() && board->pending;
}

static const char *text(volatile const char *of)
{
	return present() ? (const char *)of : "";
}

EXPORT const char *dmtcp_get_ckpt_dir(void)
{
	return text(board->dir);
}

EXPORT const char *dmtcp_get_ckpt_filename(void)
{
	return text(board->image);
}

EXPORT const char *dmtcp_get_uniquepid_str(void)
{
	return text(board->upid);
}

/* Takes itself out of LD_PRELOAD, unless the MPI stub already has put back what the user preloads. */
__attribute__((constructor)) static void start(void)
{
	extern char **environ __attribute__((weak));
	static const char name[] = "LD_PRELOAD=";
	if (!present() || !&environ)
		return;
	for (char **e = environ; e && *e; e++)
		if (!strncmp(*e, name, sizeof name - 1) && strstr(*e, "/libmana-aware.so")) {
			mana_restore_variable(environ, "LD_PRELOAD");
			return;
		}
}
