/* tp.h - thread pointers, used by both halves.
 *
 * Compiled code reaches the TLS of its thread through fs. The upper half keeps
 * fs; the lower half's code is changed to use gs instead when it is mapped
 * (zone_code.c). A thread thus has both at once, and crossing from one half to
 * the other is a plain call.
 */
#ifndef MANA_TP_H
#define MANA_TP_H

#include <stdint.h>

#include "control.h"
#include "sys.h"

#define MANA_ARCH_SET_GS 0x1001 /* arch/x86/include/uapi/asm/prctl.h */
#define MANA_ARCH_GET_GS 0x1004

/* The caller's half's thread pointer: its first word is its own address (ELF
 * Handling For Thread-Local Storage, 3.4.6). */
static inline uint64_t mana_tp(void)
{
	uint64_t v;
	__asm__ volatile("mov %%fs:0, %0" : "=r"(v));
	return v;
}

/* The thread pointer of the calling thread in the lower half. */
static inline uint64_t mana_lower_tp(void)
{
	uint64_t v = 0;
	mana_sys(SYS_arch_prctl, MANA_ARCH_GET_GS, (long)&v, 0, 0, 0, 0);
	return v;
}

static inline long mana_set_lower_tp(uint64_t v)
{
	return mana_sys(SYS_arch_prctl, MANA_ARCH_SET_GS, (long)v, 0, 0, 0, 0);
}

/* Anything of the lower half? */
static inline int mana_in_zone(uint64_t addr)
{
	return addr >= MANA_ZONE_LO && addr < MANA_ZONE_HI;
}

#endif
