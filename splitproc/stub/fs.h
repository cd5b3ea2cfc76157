/* fs.h - the fs base register, used by both halves.
 *
 * The TLS of a half hangs on fs: crossing from one half to the other is a
 * change of the fs base. Where the kernel lets user code write it (FSGSBASE,
 * AT_HWCAP2 bit 1, Linux 5.9) that is one instruction, else arch_prctl(2).
 */
#ifndef MANA_FS_H
#define MANA_FS_H

#include <stdint.h>

#include "control.h"
#include "sys.h"

/* Set by each half at its start: non-zero where wrfsbase may be used. */
extern int mana_fsgsbase __attribute__((visibility("hidden")));

#define MANA_HWCAP2_FSGSBASE 2 /* arch/x86/include/uapi/asm/hwcap2.h */
#define MANA_ARCH_SET_FS 0x1002
#define MANA_ARCH_GET_FS 0x1003

static inline uint64_t mana_fs_get(void)
{
	uint64_t v;
	if (__builtin_expect(mana_fsgsbase, 1))
		__asm__ volatile("rdfsbase %0" : "=r"(v)::"memory");
	else
		mana_sys(SYS_arch_prctl, MANA_ARCH_GET_FS, (long)&v, 0, 0, 0, 0);
	return v;
}

static inline void mana_fs_set(uint64_t v)
{
	if (__builtin_expect(mana_fsgsbase, 1))
		__asm__ volatile("wrfsbase %0" ::"r"(v) : "memory");
	else
		mana_sys(SYS_arch_prctl, MANA_ARCH_SET_FS, (long)v, 0, 0, 0, 0);
}

/* Anything of the lower half? (fs is 0 only while its ld.so starts.) */
static inline int mana_in_zone(uint64_t addr)
{
	return addr >= MANA_ZONE_LO && addr < MANA_ZONE_HI;
}

#endif
