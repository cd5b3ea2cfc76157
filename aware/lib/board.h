/* board.h - the memory through which a program and its agent speak of checkpoints.
 *
 * Mapped MAP_SHARED at one fixed address before the program's first
 * instruction, and again at a restart; children made by fork share it. The
 * agent's view of the layout is aware/board_unsafe.go; a test compares the two.
 */
#ifndef MANA_BOARD_H
#define MANA_BOARD_H

#include <stdint.h>

#define MANA_BOARD_ADDR 0x2ffd00000000UL
#define MANA_BOARD_SIZE 8192UL
#define MANA_BOARD_MAGIC 0x57414e4dU

struct mana_board {
	uint32_t magic;
	/* By the program: */
	uint32_t doorbell; /* bumped, then woken, when the agent should look; futex */
	uint32_t wanted;   /* checkpoints asked for so far */
	uint32_t disabled; /* calls of dmtcp_disable_ckpt that dmtcp_enable_ckpt has not yet followed */
	/* By the agent: */
	uint32_t turn;       /* bumped with every other change; futex of who waits in the program */
	uint32_t pending;    /* a checkpoint is announced and has not been taken */
	uint32_t served;     /* of those wanted, how many have come to an end */
	uint32_t good;       /* … and the last of them that has succeeded */
	uint32_t begun;      /* … how many may come back before it is taken: the program must move on for it */
	uint32_t generation; /* the last that was committed */
	uint32_t taken;      /* checkpoints that the program has been in */
	uint32_t life;       /* how often it has been restarted */
	char dir[4096];      /* where its images go */
	char image[2048];    /* path of its image */
	char upid[128];
};

_Static_assert(sizeof(struct mana_board) <= MANA_BOARD_SIZE, "board too small");

#endif
