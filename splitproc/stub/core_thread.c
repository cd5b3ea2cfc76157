/* core_thread.c - the program's threads that call MPI: their slots and donors. */
#include <pthread.h>

#include "core.h"
#include "stub.h"

__thread volatile struct mana_thread *core_thread_slot __attribute__((tls_model("initial-exec"), visibility("hidden")));

static pthread_key_t at_exit; /* its destructor gives slot and donor back */
static pthread_once_t at_exit_once = PTHREAD_ONCE_INIT;

static void thread_ends(void *slot)
{
	volatile struct mana_thread *t = slot;
	if (t->tid != (uint32_t)mana_gettid()) /* the copy of a thread in a forked child */
		return;
	if (t->lower_tp && core_lower)
		core_lower->p.donor_free(t->lower_tp);
	core_thread_slot = 0;
	t->lower_tp = 0;
	__atomic_store_n(&t->tid, 0, __ATOMIC_RELEASE);
}

static void make_key(void)
{
	pthread_key_create(&at_exit, thread_ends);
}

volatile struct mana_thread *core_thread_new(void)
{
	volatile struct mana_thread *t = 0;
	mana_claim_page();
	mana_lock(&mana_ctl->lock);
	for (uint32_t i = 0; i < MANA_MAX_THREADS && !t; i++)
		if (mana_ctl->threads[i].tid == 0)
			t = &mana_ctl->threads[i];
	if (t) {
		t->state = MANA_OUT;
		t->lower_tp = 0;
		t->calls = 0;
		__atomic_store_n(&t->tid, (uint32_t)mana_gettid(), __ATOMIC_RELEASE);
		uint32_t n = (uint32_t)(t - mana_ctl->threads) + 1;
		if (mana_ctl->nthreads < n)
			mana_ctl->nthreads = n;
	}
	mana_unlock(&mana_ctl->lock);
	if (!t)
		core_die("more than %d threads call MPI", MANA_MAX_THREADS);
	core_thread_slot = t;
	pthread_once(&at_exit_once, make_key);
	pthread_setspecific(at_exit, (void *)t);
	return t;
}

void core_thread_is(volatile struct mana_thread *t, uint64_t lower_tp)
{
	uint64_t used = mana_lower_tp(); /* a new thread has its maker's */
	if (used && !mana_in_zone(used))
		core_die("thread %u uses the gs register, which the MPI library needs", t->tid);
	long rc = mana_set_lower_tp(lower_tp);
	if (rc)
		core_die("cannot set the gs base of thread %u (error %ld)", t->tid, -rc);
	*(volatile struct mana_thread **)(lower_tp + (uint64_t)mana_ctl->lower_tls_self) = t;
	t->lower_tp = lower_tp;
}

void core_thread_lower(volatile struct mana_thread *t)
{
	uint64_t tp = 0;
	if (!core_lower)
		core_die("MPI called %s", mana_ctl->inited == MANA_FINALIZED ? "after MPI_Finalize" : "before MPI_Init");
	int rc = core_lower->p.donor(&tp);
	if (rc || !tp)
		core_die("no thread of the real library for thread %u (error %d)", t->tid, rc);
	core_thread_is(t, tp);
}
