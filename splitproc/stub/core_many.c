/* core_many.c - completion calls on arrays of requests; those that want all of them.
 *
 * The native requests are gathered into one array for one crossing; whatever
 * completes below is recorded in its core request at once, so that an
 * interruption leaves nothing behind in the array.
 */
#include "core_many.h"

static void many_alloc(struct many *m, int n)
{
	char *p;

	m->n = 0;
	m->block = 0;
	m->ended = 0;
	m->r = m->r_;
	m->at = m->at_;
	m->lower = m->lower_;
	m->st = m->st_;
	m->which = m->which_;
	if (likely(n <= INLINE_MAX))
		return;
	p = m->block = core_alloc(n * (sizeof(*m->r) + sizeof(*m->at) + sizeof(*m->lower) + sizeof(*m->st) + sizeof(*m->which)));
	m->st = (void *)p;
	m->r = (void *)(m->st + n);
	m->lower = (void *)(m->r + n);
	m->which = (void *)(m->lower + n);
	m->at = m->which + n;
}

void core_many_free(struct many *m)
{
	if (unlikely(m->block))
		core_free(m->block);
}

/* Where requests stand; counted in registers, which a struct that others see is not. */
struct tally {
	int active, done, soft, files;
};

static inline void look(struct tally *t, MPI_Request *lower, struct core_request *r)
{
	*lower = 0;
	if (unlikely(r->kind >= REQ_PART && r->state == REQ_ACTIVE))
		r->poll(core_self_thread(), r);
	if (unlikely(r->state == REQ_DONE)) {
		t->done++;
		return;
	}
	*lower = r->lower;
	t->active++;
	t->soft += !r->lower;
	t->files += r->kind == REQ_FILE;
}

static void note(struct many *m, const struct tally *t)
{
	m->active = t->active;
	m->done = t->done;
	m->soft = t->soft;
	m->files = t->files;
}

/* Reads again what is active below; requests may have ended at a drain. */
static void collect(struct many *m)
{
	struct tally t = {0};

	for (int i = 0; i < m->n; i++)
		look(&t, &m->lower[i], m->r[i]);
	note(m, &t);
}

int core_many_gather(struct many *m, int n, const MPI_Request h[])
{
	struct tally t = {0};
	int k = 0;

	many_alloc(m, n);
	for (int i = 0; i < n; i++) {
		struct core_request *r = core_request_of(h[i]);

		if (unlikely(!r && h[i] != MPI_REQUEST_NULL)) {
			core_many_free(m);
			return MPI_ERR_REQUEST;
		}
		if (unlikely(!r || r->state == REQ_INACTIVE))
			continue;
		m->r[k] = r;
		m->at[k] = i;
		look(&t, &m->lower[k++], r);
	}
	m->n = k;
	note(m, &t);
	return MPI_SUCCESS;
}

/* Records what completed below; returns how many. rc: of the call, for a
 * library that does not fill in the error of a single status. */
static int absorb(struct many *m, int rc)
{
	int n = 0;

	if (rc == MPI_ERR_IN_STATUS || rc == MANA_INTERRUPTED)
		rc = 0;
	for (int i = 0; i < m->n; i++) {
		struct core_request *r = m->r[i];

		if (r->state != REQ_ACTIVE || m->lower[i] || !r->lower)
			continue;
		if (unlikely(rc && m->active == 1 && !m->st[i].error))
			m->st[i].error = rc;
		core_request_complete(r, &m->st[i]);
		m->active--;
		m->done++;
		n++;
	}
	return n;
}

/* MPICH 4.0's Testall counts down completed file requests twice (an assertion ends the job); its Testsome does not. */
static int mode_below(const struct many *m, int mode)
{
	return unlikely(m->files) && mode == MANA_WAIT_ALL ? MANA_WAIT_SOME : mode;
}

/* The usual end of a call that completes all: finish_all, which comes next, looks at each anyway. */
static int all_over(struct many *m, int mode, int rc, int ndone)
{
	if (mode != MANA_WAIT_ALL || rc || ndone != m->active)
		return 0;
	m->ended = 1;
	m->active = 0;
	return 1;
}

int core_many_wait(volatile struct mana_thread *t, struct many *m, int mode, uint32_t *seq)
{
	int ndone = 0, rc;

	if (unlikely(m->soft)) {
		/* generalized and partitioned requests, and synchronous sends after a drain, end in the upper half: look at both sides in turn */
		rc = LOWER_WAIT(t, core_lower->p.test(m->n, m->lower, MANA_WAIT_SOME, &ndone, m->which, m->st));
		absorb(m, rc);
		if (mana_ctl->intr != *seq)
			*seq = core_gate(t);
		collect(m);
		return 0;
	}
	rc = LOWER_WAIT(t, core_lower->p.wait(m->n, m->lower, mode_below(m, mode), *seq, &ndone, m->which, m->st));
	if (likely(all_over(m, mode, rc, ndone)))
		return 0;
	ndone = absorb(m, rc);
	if (unlikely(rc == MANA_INTERRUPTED)) {
		*seq = core_gate(t);
		collect(m);
		return 0;
	}
	return ndone ? 0 : rc;
}

void core_many_test(volatile struct mana_thread *t, struct many *m, int mode)
{
	int ndone = 0, rc;

	if (m->active == m->soft)
		return;
	rc = LOWER(t, core_lower->p.test(m->n, m->lower, mode_below(m, mode), &ndone, m->which, m->st));
	if (!all_over(m, mode, rc, ndone))
		absorb(m, rc);
}

/* ---- results ---- */

int core_many_error(struct core_request *r, MPI_Status *status)
{
	if (unlikely(r->kind == REQ_GENERALIZED))
		return core_grequest_query(r, status);
	core_status_out(status, &r->st);
	return r->st.error;
}

/* Statuses and handles of a call that completes all; unfinished ones are MPI_ERR_PENDING. */
static int finish_all(struct many *m, int n, MPI_Request h[], MPI_Status statuses[])
{
	int failed = 0;

	for (int i = 0, k = 0; statuses && i < n; i++) {
		if (k < m->n && m->at[k] == i)
			k++;
		else
			core_status_empty(&statuses[i]);
	}
	for (int k = 0; k < m->n; k++) {
		struct core_request *r = m->r[k];
		MPI_Request *handle = &h[m->at[k]];
		int rc;

		if (m->ended && r->state == REQ_ACTIVE)
			core_request_complete(r, &m->st[k]);
		if (likely(r->state == REQ_DONE)) {
			rc = core_many_error(r, statuses ? &statuses[m->at[k]] : 0);
			core_request_seen(r, handle);
		} else {
			rc = MPI_ERR_PENDING;
		}
		m->which[k] = rc;
		failed |= rc;
	}
	if (likely(!failed))
		return MPI_SUCCESS;
	for (int k = 0; statuses && k < m->n; k++)
		statuses[m->at[k]].MPI_ERROR = m->which[k];
	return MPI_ERR_IN_STATUS;
}

/* ---- the calls ---- */

int core_Waitall(int n, MPI_Request h[], MPI_Status statuses[])
{
	struct many m;

	ENTER_WAIT();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	while (m.active)
		if (unlikely(core_many_wait(self_, &m, MANA_WAIT_ALL, &seq_)))
			break;
	rc = finish_all(&m, n, h, statuses);
	core_many_free(&m);
	LEAVE(rc);
}

int core_Testall(int n, MPI_Request h[], int *flag, MPI_Status statuses[])
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	core_many_test(self_, &m, MANA_WAIT_ALL);
	*flag = !m.active;
	if (!m.active)
		rc = finish_all(&m, n, h, statuses);
	core_many_free(&m);
	LEAVE(rc);
}
