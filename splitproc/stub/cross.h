/* cross.h - from the upper half into the lower half and back.
 *
 * A crossing is a call through a function pointer on the same stack: the
 * lower half finds its TLS by gs, which stays as it is between the calls.
 */
#ifndef MANA_CROSS_H
#define MANA_CROSS_H

#include "control.h"
#include "tp.h"

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

/* Gives the thread a thread pointer in the lower half (a donor's); ends the job when there is no lower half. */
void core_thread_lower(volatile struct mana_thread *t) __attribute__((visibility("hidden"), cold));
/* Makes the calling thread, whose slot is t, the one with this thread pointer there. */
void core_thread_is(volatile struct mana_thread *t, uint64_t lower_tp) __attribute__((visibility("hidden"), cold));

/* Evaluates expr, a call into the lower half, on thread t, which must have one. */
#define LOWER(t, expr)                \
	({                            \
		(void)(t);            \
		(expr);               \
	})
#define LOWER_VOID(t, expr)           \
	do {                          \
		(void)(t);            \
		(expr);               \
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
