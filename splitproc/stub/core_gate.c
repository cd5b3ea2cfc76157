/* core_gate.c - where threads stand still for a checkpoint. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "core.h"
#include "core_win.h"

/* Must this rank still reach a collective that others have begun? */
static int moving(void)
{
	for (uint32_t i = 0; i < mana_ctl->nclocks; i++) {
		volatile struct mana_clock *k = &mana_ctl->clocks[i];
		if (k->kind != MANA_CLOCK_NONE && k->clock < k->target)
			return 1;
	}
	return 0;
}

static int take_token(int collective)
{
	uint32_t n = mana_ctl->tokens;
	while ((n & ~MANA_TOKENS_COLL) > 0 && (!collective || n & MANA_TOKENS_COLL))
		if (__atomic_compare_exchange_n(&mana_ctl->tokens, &n, n - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return 1;
	return 0;
}

/* While windows are open a peer's one-sided operation may need this rank's
 * library to move: the main thread looks in now and then instead of sleeping. */
static void wait_parked(volatile struct mana_thread *t, uint32_t seq)
{
	struct timespec step = {0, 1000000};
	struct mana_status st;
	int flag;
	if (!core_win_count || !t->lower_tp || !core_lower || t->tid != mana_ctl->main_tid) {
		mana_futex_wait(&mana_ctl->intr, seq);
		return;
	}
	LOWER(t, core_lower->p.iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, core_private, &flag, &st));
	mana_sys(SYS_futex, (long)&mana_ctl->intr, FUTEX_WAIT, (long)seq, (long)&step, 0, 0);
}

/* Waits until the thread may pass. *seq: the intr value acted upon; returns
 * whether it passes while the checkpoint is still pending. */
static int pass(volatile struct mana_thread *t, uint32_t *seq, int collective)
{
	for (;;) {
		*seq = __atomic_load_n(&mana_ctl->intr, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&mana_ctl->pending, __ATOMIC_SEQ_CST))
			return 0;
		if (moving() || take_token(collective)) {
			t->calls++;
			return 1;
		}
		if (t->state != MANA_PARKED) {
			__atomic_store_n(&t->state, MANA_PARKED, __ATOMIC_SEQ_CST);
			mana_ring();
		}
		wait_parked(t, *seq);
	}
}

HIDDEN uint32_t core_gate(volatile struct mana_thread *t)
{
	uint32_t seq;
	pass(t, &seq, 0);
	__atomic_store_n(&t->state, MANA_IN, __ATOMIC_SEQ_CST);
	/* After parking, not before: a restart may have taken the lower half away. */
	if (t->lower_tp == 0)
		core_thread_lower(t);
	return seq;
}

HIDDEN void core_coll_gate(volatile struct mana_thread *t, volatile struct mana_clock *k)
{
	int passed;
	do {
		uint32_t seq;
		__atomic_fetch_sub(&k->clock, 1, __ATOMIC_SEQ_CST);
		passed = pass(t, &seq, 1);
		if (t->lower_tp == 0)
			core_thread_lower(t);
		__atomic_store_n(&t->state, MANA_COLL, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&k->clock, 1, __ATOMIC_SEQ_CST);
		/* Unannounced when it passed: has that changed before the bump was visible? */
	} while (!passed && __atomic_load_n(&mana_ctl->pending, __ATOMIC_SEQ_CST));
}

/* ---- clocks ---- */

HIDDEN uint64_t core_hash(uint64_t seed, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t h = seed ^ 0x9e3779b97f4a7c15UL;
	for (size_t i = 0; i < n; i++) { /* FNV-1a step with a final mix (MurmurHash3 fmix64) below */
		h ^= b[i];
		h *= 0x100000001b3UL;
	}
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdUL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53UL;
	return h ^ h >> 33;
}

/* A free entry, filled in but for its kind; the tables' lock is held. */
static volatile struct mana_clock *clock_new(uint64_t gid)
{
	for (uint32_t i = 0; i < MANA_MAX_CLOCKS; i++) {
		volatile struct mana_clock *k = &mana_ctl->clocks[i];
		if (k->kind != MANA_CLOCK_NONE)
			continue;
		k->gid = gid;
		k->clock = k->target = 0;
		k->nmembers = 0;
		k->members = 0;
		if (mana_ctl->nclocks <= i)
			mana_ctl->nclocks = i + 1;
		return k;
	}
	return 0;
}

HIDDEN volatile struct mana_clock *core_clock_comm(uint64_t gid)
{
	mana_lock(&mana_ctl->lock);
	volatile struct mana_clock *k = clock_new(gid);
	if (k)
		__atomic_store_n(&k->kind, MANA_CLOCK_COMM, __ATOMIC_RELEASE);
	mana_unlock(&mana_ctl->lock);
	if (!k)
		core_die("more than %d communicators", MANA_MAX_CLOCKS);
	return k;
}

HIDDEN void core_clock_drop(volatile struct mana_clock *k)
{
	if (k)
		__atomic_store_n(&k->kind, MANA_CLOCK_NONE, __ATOMIC_RELEASE);
}

static volatile struct mana_clock *clock_find(uint64_t gid)
{
	for (uint32_t i = 0; i < mana_ctl->nclocks; i++)
		if (mana_ctl->clocks[i].kind == MANA_CLOCK_GROUP && mana_ctl->clocks[i].gid == gid)
			return &mana_ctl->clocks[i];
	return 0;
}

static void sort(int32_t *v, int n)
{
	for (int gap = n / 2; gap > 0; gap /= 2)
		for (int i = gap; i < n; i++) {
			int32_t x = v[i];
			int j = i;
			for (; j >= gap && v[j - gap] > x; j -= gap)
				v[j] = v[j - gap];
			v[j] = x;
		}
}

HIDDEN volatile struct mana_clock *core_clock_group(int n, const int *world_ranks)
{
	int32_t *members = core_alloc((size_t)n * sizeof *members);
	for (int i = 0; i < n; i++)
		members[i] = world_ranks[i];
	sort(members, n);
	uint64_t gid = core_hash(MANA_CLOCK_GROUP, members, (size_t)n * sizeof *members);
	mana_lock(&mana_ctl->lock);
	volatile struct mana_clock *k = clock_find(gid);
	if (k && k->nmembers) {
		core_free(members);
	} else if (k || (k = clock_new(gid))) { /* found without members: the agent made it, for its target */
		k->members = (uint64_t)(uintptr_t)members;
		k->nmembers = (uint32_t)n;
		__atomic_store_n(&k->kind, MANA_CLOCK_GROUP, __ATOMIC_RELEASE);
	}
	mana_unlock(&mana_ctl->lock);
	if (!k)
		core_die("more than %d sets of ranks", MANA_MAX_CLOCKS);
	return k;
}
