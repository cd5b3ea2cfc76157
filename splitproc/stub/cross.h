/* cross.h - from the upper half into the lower half and back.
 *
 * A crossing changes the fs base and calls a function pointer on the same
 * stack. Between the two changes the upper half's TLS is out of reach: no
 * libc function, no errno, no lazy binding (the stub is linked with -z now).
 */
#ifndef MANA_CROSS_H
#define MANA_CROSS_H

#include "control.h"
#include "fs.h"

/* This thread's slot, NULL before its first MPI call. Initial-exec: the stub is
 * loaded with the program, so one load relative to fs reads it. */
extern __thread volatile struct mana_thread *core_thread_slot
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

volatile struct mana_thread *core_thread_new(void) __attribute__((visibility("hidden"), cold));

static inline volatile struct mana_thread *core_self_thread(void)
{
	volatile struct mana_thread *t = core_thread_slot;
	return __builtin_expect(t != 0, 1) ? t : core_thread_new();
}

/* Gives the thread a lower fs base (a donor's); ends the job when there is no lower half. */
void core_thread_lower(volatile struct mana_thread *t) __attribute__((visibility("hidden"), cold));

/* Evaluates expr, a call into the lower half, with t's lower fs base. The
 * whole expression is evaluated there: its arguments must not touch TLS. */
#define LOWER(t, expr)                                       \
	({                                                   \
		mana_fs_set((t)->lower_fs);                  \
		__typeof__(expr) lower_result_ = (expr);     \
		mana_fs_set((t)->upper_fs);                  \
		lower_result_;                               \
	})
#define LOWER_VOID(t, expr)                   \
	do {                                  \
		mana_fs_set((t)->lower_fs);   \
		(expr);                       \
		mana_fs_set((t)->upper_fs);   \
	} while (0)

/* Tells the agent to look at the control page. */
static inline void mana_ring(void)
{
	__atomic_fetch_add(&mana_ctl->doorbell, 1, __ATOMIC_SEQ_CST);
	mana_futex_wake(&mana_ctl->doorbell);
}

/* Spin lock over the clock and thread tables. */
static inline void mana_lock(volatile uint32_t *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		while (*l)
			mana_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static inline void mana_unlock(volatile uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* Signals with a handler of the program are held back, so that threads which
 * the lower half starts meanwhile never receive them; returns the old mask. */
uint64_t mana_hold_signals(void) __attribute__((visibility("hidden")));
void mana_release_signals(uint64_t mask) __attribute__((visibility("hidden")));

#endif
