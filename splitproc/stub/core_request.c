/* core_request.c - life of a request: made, completed, waited for, freed.
 *
 * Requests come from a pool and keep their table entry (hence their virtual
 * handle) for ever, so that making one costs neither an allocation nor a
 * search. A request that ends anywhere (wait, test, drain) becomes DONE at
 * once; the program sees it when it asks.
 */
#include "core_p2p.h"

uint32_t core_p2p_spin;
struct core_request *core_request_pool, *core_orphans;
uint64_t core_request_seq;
struct core_request core_over = {
	.kind = REQ_SEND, .state = REQ_DONE, .live = 1, .st = {.source = MPI_ANY_SOURCE, .tag = MPI_ANY_TAG},
};
MPI_Comm core_failed_comm;

#define POOL_STEP 64

void core_request_grow(void)
{
	uintptr_t line = _Alignof(struct core_request);
	char *space = core_alloc(POOL_STEP * sizeof(struct core_request) + line);
	struct core_request *block = (void *)(((uintptr_t)space + line - 1) & -line);

	for (int i = POOL_STEP; i-- > 0;) {
		block[i].vid = core_table_add(&core_requests, &block[i]);
		block[i].next_free = core_request_pool;
		core_request_pool = &block[i];
	}
}

struct core_request *core_request_take_locked(int kind)
{
	struct core_request *r;

	core_p2p_lock();
	r = core_request_take(kind);
	core_p2p_unlock();
	return r;
}

struct core_request *core_request_new(int kind, struct core_comm *c)
{
	struct core_request *r = core_request_alloc(kind);

	r->st = (struct mana_status){.source = MPI_ANY_SOURCE, .tag = MPI_ANY_TAG};
	r->comm = c;
	if (c)
		core_comm_ref(c);
	return r;
}

void core_request_drop(struct core_request *r)
{
	core_request_unref(r);
	core_request_recycle(r);
}

/* A receive whose communicator was freed before a restart has nothing below; generalized requests never have. */
static void wait_without_lower(volatile struct mana_thread *t, struct core_request *r, uint32_t *seq)
{
	if (r->kind != REQ_GENERALIZED && !r->poll)
		core_die("a receive on a freed communicator cannot complete after a restart");
	t->state = MANA_WAIT;
	while (*(volatile uint8_t *)&r->state == REQ_ACTIVE && mana_ctl->intr == *seq) {
		mana_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
		if (r->poll)
			r->poll(t, r);
	}
	t->state = MANA_IN;
	if (*(volatile uint8_t *)&r->state == REQ_ACTIVE)
		*seq = core_gate(t);
}

void core_request_wait(volatile struct mana_thread *t, struct core_request *r, uint32_t seq, int interrupted)
{
	struct mana_status st;
	int done, which, rc;

	if (interrupted)
		seq = core_gate(t);
	while (*(volatile uint8_t *)&r->state == REQ_ACTIVE) {
		if (unlikely(!r->lower)) {
			wait_without_lower(t, r, &seq);
			continue;
		}
		st = (struct mana_status){.error = 0};
		rc = LOWER_WAIT(t, core_lower->p.wait(1, &r->lower, MANA_WAIT_ALL, seq, &done, &which, &st));
		if (unlikely(rc == MANA_INTERRUPTED)) {
			seq = core_gate(t);
			continue;
		}
		if (unlikely(rc && !st.error))
			st.error = rc;
		core_request_complete(r, &st);
	}
}

void core_request_test(volatile struct mana_thread *t, struct core_request *r)
{
	struct mana_status st = {.error = 0};
	int done = 0, which, rc;

	if (unlikely(r->poll && r->state == REQ_ACTIVE))
		r->poll(t, r);
	if (r->state != REQ_ACTIVE || !r->lower)
		return;
	rc = LOWER(t, core_lower->p.test(1, &r->lower, MANA_WAIT_ALL, &done, &which, &st));
	if (likely(!rc && r->lower))
		return;
	if (unlikely(rc && !st.error))
		st.error = rc;
	core_request_complete(r, &st);
}

static int wait_other(MPI_Request *h, MPI_Status *status)
{
	if (*h != MPI_REQUEST_NULL)
		return MPI_ERR_REQUEST;
	core_status_empty(status);
	return MPI_SUCCESS;
}

/* Hands the completion of r to the program. */
static int finish(struct core_request *r, MPI_Request *h, MPI_Status *status)
{
	int rc = r->st.error;

	if (unlikely(r->kind == REQ_GENERALIZED))
		rc = core_grequest_query(r, status);
	else
		core_status_out(status, &r->st);
	core_request_seen(r, h);
	return rc;
}

int core_Wait(MPI_Request *h, MPI_Status *status)
{
	struct core_request *r = core_request_of(*h);

	if (unlikely(!r))
		return wait_other(h, status);
	ENTER_WAIT();
	if (unlikely(r->state == REQ_INACTIVE)) {
		core_status_empty(status);
		LEAVE(MPI_SUCCESS);
	}
	core_request_wait(self_, r, seq_, 0);
	LEAVE(finish(r, h, status));
}

int core_Test(MPI_Request *h, int *flag, MPI_Status *status)
{
	struct core_request *r = core_request_of(*h);

	if (unlikely(!r)) {
		*flag = 1;
		return wait_other(h, status);
	}
	ENTER();
	*flag = 1;
	if (unlikely(r->state == REQ_INACTIVE)) {
		core_status_empty(status);
		LEAVE(MPI_SUCCESS);
	}
	core_request_test(self_, r);
	if (r->state == REQ_ACTIVE) {
		*flag = 0;
		LEAVE(MPI_SUCCESS);
	}
	LEAVE(finish(r, h, status));
}

int core_Request_get_status(MPI_Request h, int *flag, MPI_Status *status)
{
	struct core_request *r = core_request_of(h);

	*flag = 1;
	if (!r)
		return wait_other(&h, status);
	ENTER();
	if (r->state == REQ_INACTIVE) {
		core_status_empty(status);
		LEAVE(MPI_SUCCESS);
	}
	core_request_test(self_, r);
	if (r->state == REQ_ACTIVE) {
		*flag = 0;
		LEAVE(MPI_SUCCESS);
	}
	if (r->kind == REQ_GENERALIZED)
		LEAVE(core_grequest_query(r, status));
	core_status_out(status, &r->st);
	LEAVE(r->st.error);
}

/* ---- requests whose handle is gone ---- */

void core_orphan_add(struct core_request *r)
{
	r->freed = 1;
	core_p2p_lock();
	r->next = core_orphans;
	core_orphans = r;
	core_p2p_unlock();
}

static int reapers; /* threads that have taken orphans out of the list for a moment */

int core_orphans_elsewhere(void)
{
	return __atomic_load_n(&reapers, __ATOMIC_ACQUIRE);
}

int core_orphans_reap(volatile struct mana_thread *t)
{
	struct core_request *list, *r, *next, *keep = 0;
	int n = 0;

	if (!core_orphans)
		return 0;
	core_p2p_lock();
	list = core_orphans;
	core_orphans = 0;
	__atomic_add_fetch(&reapers, 1, __ATOMIC_RELAXED);
	core_p2p_unlock();
	for (r = list; r; r = next) {
		next = r->next;
		core_request_test(t, r);
		if (r->state == REQ_DONE) {
			core_request_recycle(r);
			continue;
		}
		r->next = keep;
		keep = r;
		n++;
	}
	while (keep) {
		r = keep;
		keep = r->next;
		core_orphan_add(r);
	}
	__atomic_sub_fetch(&reapers, 1, __ATOMIC_RELEASE);
	return n;
}

int core_Request_free(MPI_Request *h)
{
	struct core_request *r = core_request_of(*h);

	if (!r)
		return MPI_ERR_REQUEST;
	ENTER();
	core_orphans_reap(self_);
	core_request_test(self_, r);
	*h = MPI_REQUEST_NULL;
	if (r->kind == REQ_GENERALIZED) {
		r->freed = 1;
		if (r->state == REQ_DONE) {
			int rc = core_grequest_free(r);

			core_request_recycle(r);
			LEAVE(rc);
		}
		LEAVE(MPI_SUCCESS);
	}
	if (r->persistent) {
		/* From now on like any other; an active one lets go of its references when it ends. */
		r->persistent = 0;
		if (r->state != REQ_ACTIVE) {
			if (r->release)
				r->release(r);
			core_request_unref(r);
		}
	}
	if (r->state == REQ_ACTIVE)
		core_orphan_add(r);
	else
		core_request_recycle(r);
	LEAVE(MPI_SUCCESS);
}

int core_Cancel(MPI_Request *h)
{
	struct core_request *r = core_request_of(*h);
	int rc = MPI_SUCCESS;

	if (!r)
		return MPI_ERR_REQUEST;
	ENTER();
	if (r->state == REQ_INACTIVE || r->kind == REQ_COLL || r->kind == REQ_FILE || r->kind == REQ_PART)
		LEAVE(MPI_ERR_REQUEST);
	if (r->kind == REQ_GENERALIZED)
		LEAVE(core_grequest_cancel(r));
	if (r->kind == REQ_SYNC)
		LEAVE(MPI_SUCCESS); /* too late: its message has arrived */
	if (r->state == REQ_ACTIVE && r->lower) {
		r->cancel = 1;
		rc = LOWER(self_, core_lower->f.Cancel(&r->lower));
	} else if (r->state == REQ_ACTIVE) {
		/* not posted again after a restart: nothing can match it any more */
		struct mana_status st = {.source = MPI_ANY_SOURCE, .tag = MPI_ANY_TAG, .cancelled = 1};

		core_request_complete(r, &st);
	}
	LEAVE(rc);
}

/* MPI_Finalize waits for buffered sends and for what was freed while active,
 * except receives, which may never find a message. */
void core_p2p_finalize(void)
{
	volatile struct mana_thread *t = core_self_thread();
	uint32_t state = t->state;

	for (;;) {
		int waiting = 0;

		core_orphans_reap(t);
		for (struct core_request *r = core_orphans; r; r = r->next)
			waiting += r->kind != REQ_RECV;
		if (!waiting)
			return;
		if (unlikely(mana_ctl->pending))
			core_gate(t);
		t->state = state;
	}
}
