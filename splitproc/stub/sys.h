/* sys.h - system calls without libc: no errno, so they work whatever fs is. */
#ifndef MANA_SYS_H
#define MANA_SYS_H

#include <stdint.h>
#include <sys/syscall.h>

/* Returns what the kernel returns: a negative errno on failure. */
static inline long mana_sys(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Whether a call that returns an address has failed. */
static inline int mana_failed(long ret)
{
	return ret < 0 && ret > -4096;
}

#define PAGE 4096UL

static inline uint64_t mana_page_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

#define MANA_FUTEX_WAIT 0 /* not FUTEX_PRIVATE: the agent is another process */
#define MANA_FUTEX_WAKE 1

static inline void mana_futex_wait(volatile uint32_t *word, uint32_t seen)
{
	mana_sys(SYS_futex, (long)word, MANA_FUTEX_WAIT, seen, 0, 0, 0);
}

static inline void mana_futex_wake(volatile uint32_t *word)
{
	mana_sys(SYS_futex, (long)word, MANA_FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

static inline int mana_gettid(void)
{
	return (int)mana_sys(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static inline int mana_getpid(void)
{
	return (int)mana_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

#endif
