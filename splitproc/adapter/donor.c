/* donor.c - TLS of the lower half for threads of the program.
 *
 * A thread that the program created has no TLS here. It borrows that of a
 * donor: a thread of the lower half that sleeps for ever. Only a thread of the
 * lower half can create one, so a factory thread waits for orders. A donor whose
 * borrower has ended serves the next one.
 */
#include <pthread.h>

#include "adapter.h"

#define DONOR_STACK (256 * 1024) /* holds the static TLS of all libraries; the donor itself needs little */

static volatile uint32_t lock;
static volatile uint32_t order;   /* 1: a donor is wanted; futex */
static volatile uint64_t made;    /* its thread pointer, 0 when it could not be created */
static volatile uint32_t publish; /* bumped by a new donor when `made` is set; futex */
static uint64_t idle[MANA_MAX_THREADS];
static uint32_t nidle;

static void take_lock(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		mana_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void drop_lock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void *donor(void *unused)
{
	static volatile uint32_t forever;
	made = mana_tp();
	__atomic_fetch_add(&publish, 1, __ATOMIC_SEQ_CST);
	mana_futex_wake(&publish);
	for (;;)
		mana_futex_wait(&forever, 0);
	return unused;
}

static void make_donor(void)
{
	pthread_attr_t attr;
	pthread_t id;
	uint32_t seen = publish;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, DONOR_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&id, &attr, donor, 0) == 0)
		while (publish == seen)
			mana_futex_wait(&publish, seen);
	pthread_attr_destroy(&attr);
}

static void *factory(void *unused)
{
	for (;;) {
		while (!order)
			mana_futex_wait(&order, 0);
		make_donor();
		__atomic_store_n(&order, 0, __ATOMIC_SEQ_CST);
		mana_futex_wake(&order);
	}
	return unused;
}

int adapter_donor_start(void)
{
	pthread_attr_t attr;
	pthread_t id;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, DONOR_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(&id, &attr, factory, 0);
	pthread_attr_destroy(&attr);
	return rc;
}

int adapter_donor(uint64_t *lower_tp)
{
	take_lock();
	if (nidle > 0) {
		*lower_tp = idle[--nidle];
	} else {
		made = 0;
		__atomic_store_n(&order, 1, __ATOMIC_SEQ_CST);
		mana_futex_wake(&order);
		while (order)
			mana_futex_wait(&order, 1);
		*lower_tp = made;
	}
	drop_lock();
	return *lower_tp ? 0 : MPI_ERR_OTHER;
}

void adapter_donor_free(uint64_t lower_tp)
{
	if (lower_tp == adapter_table.main_tp)
		return;
	take_lock();
	if (nidle < MANA_MAX_THREADS)
		idle[nidle++] = lower_tp;
	drop_lock();
}
