/* many.c - tests of and waits for many requests of the lower half. */
#include <stdlib.h>

#include "wait.h"

#define SMALL 64
/* Not an MPI error class: nothing yet. */
#define PENDING (MANA_INTERRUPTED - 1)

static inline int done(native_Request r)
{
	return r == native_request(MPI_REQUEST_NULL);
}

struct set {
	int n;
	native_Request *r;
	native_Status *st;
	int *which;
	void *heap;
};

/* Makes native arrays; those of up to SMALL entries come from the caller's stack. */
static int set_open(struct set *s, int n, native_Request *r, native_Status *st, int *which, const MPI_Request *reqs)
{
	*s = (struct set){n, r, st, which, 0};
	if (n > SMALL) {
		size_t one = sizeof *r + sizeof *st + sizeof *which;
		s->heap = malloc((size_t)n * one);
		if (!s->heap)
			return MPI_ERR_NO_MEM;
		s->r = s->heap;
		s->st = (native_Status *)(s->r + n);
		s->which = (int *)(s->st + n);
	}
	for (int i = 0; i < n; i++)
		s->r[i] = native_request(reqs[i] ? reqs[i] : MPI_REQUEST_NULL);
	return 0;
}

/* Notes the completion of entry i. */
static void complete(const struct set *s, MPI_Request *reqs, struct mana_status *st, int i, int k, int error)
{
	reqs[i] = 0;
	if (st)
		native_status_out(&s->st[k], error, &st[i]);
}

/* One round of a wait: PENDING to go on, or its result; the entries that
 * it completes go to which[*ndone ...]. Nothing active is success. */
static int some(struct set *s, MPI_Request *reqs, int *ndone, int *which, struct mana_status *st)
{
	int out = 0;
	int rc = native_err(native.Testsome(s->n, s->r, &out, s->which, s->st));
	if (rc && rc != MPI_ERR_IN_STATUS)
		return rc;
	for (int k = 0; k < out; k++) { /* MPI_UNDEFINED is negative in every ABI */
		int error = rc ? native_err(s->st[k].MPI_ERROR) : 0;
		which[(*ndone)++] = s->which[k];
		complete(s, reqs, st, s->which[k], k, error);
	}
	return out ? rc : PENDING;
}

static int any(struct set *s, MPI_Request *reqs, int *ndone, int *which, struct mana_status *st)
{
	int i = -1, flag = 0;
	int rc = native_err(native.Testany(s->n, s->r, &i, &flag, s->st));
	*which = -1;
	if (flag && i >= 0) {
		*which = i;
		*ndone = 1;
		complete(s, reqs, st, i, 0, rc);
	}
	return flag || rc ? rc : PENDING;
}

static int poll(struct set *s, MPI_Request *reqs, int mode, int *ndone, int *which, struct mana_status *st)
{
	return mode == MANA_WAIT_ANY ? any(s, reqs, ndone, which, st) : some(s, reqs, ndone, which, st);
}

/* ---- all of many requests, BATCH at a time ---- */

#define BATCH 16 /* with more, each look at those that are still awaited holds up the library's progress */

/* Takes the next active requests, from i on, into the set, their places into which; returns where the rest begins. */
static int take(struct set *s, int i, int n, const MPI_Request *reqs)
{
	for (s->n = 0; i < n && s->n < BATCH; i++)
		if (reqs[i]) {
			s->which[s->n] = i;
			s->r[s->n++] = native_request(reqs[i]);
		}
	return i;
}

/* Completes what Testall left when an operation failed: one after the other. Returns whether none is left. */
__attribute__((cold, noinline)) static int all_singly(struct set *s, MPI_Request *reqs, int *ndone, struct mana_status *st)
{
	int over = 1;
	for (int k = 0; k < s->n; k++) {
		int i = s->which[k], flag = 1, error;
		if (!reqs[i])
			continue;
		if (done(s->r[k]))
			error = native_err(s->st[k].MPI_ERROR);
		else
			error = native_err(native.Test(&s->r[k], &flag, &s->st[k]));
		if (!flag && !error) {
			over = 0;
			continue;
		}
		++*ndone;
		complete(s, reqs, st, i, k, error);
	}
	return over;
}

/* Are all of the set complete? */
static int all(struct set *s, MPI_Request *reqs, int *failed, int *ndone, struct mana_status *st)
{
	int flag = 0;
	if (__builtin_expect(native.Testall(s->n, s->r, &flag, s->st), 0)) {
		*failed = MPI_ERR_IN_STATUS;
		return all_singly(s, reqs, ndone, st);
	}
	for (int k = 0; flag && k < s->n; k++) {
		int i = s->which[k];
		if (!reqs[i])
			continue;
		++*ndone;
		complete(s, reqs, st, i, k, 0);
	}
	return flag;
}

/* seq NULL: one test only. While some are waited for, the library's progress
 * completes the others too. */
static int wait_all(int n, MPI_Request *reqs, const uint32_t *seq, int *ndone, struct mana_status *st)
{
	native_Request r[BATCH];
	native_Status status[BATCH];
	int which[BATCH], failed = 0;
	struct set s = {0, r, status, which, 0};
	unsigned polls = 0;
	for (int next = take(&s, 0, n, reqs); s.n; next = take(&s, next, n, reqs))
		while (!all(&s, reqs, &failed, ndone, st)) {
			if (!seq || interrupted(*seq))
				return seq ? MANA_INTERRUPTED : failed;
			pause_poll(&polls);
		}
	return failed;
}

/* One request, the usual case, without arrays. */
static int wait_one(MPI_Request *req, const uint32_t *seq, int *ndone, int *which, struct mana_status *st)
{
	native_Request r = native_request(*req);
	native_Status status;
	int flag = 1, rc;
	if (seq) {
		rc = finish(&r, *seq, &status);
	} else {
		rc = native_err(native.Test(&r, &flag, &status));
		if (!rc && !flag)
			return 0;
	}
	if (rc == MANA_INTERRUPTED)
		return rc;
	*req = 0;
	*ndone = 1;
	*which = 0;
	if (st)
		native_status_out(&status, rc, st);
	return rc;
}

int adapter_wait(int n, MPI_Request reqs[], int mode, uint32_t seq, int *ndone, int which[], struct mana_status st[])
{
	native_Request r[SMALL];
	native_Status status[SMALL];
	int index[SMALL];
	struct set s;
	unsigned polls = 0;
	*ndone = 0;
	if (n == 1 && reqs[0])
		return wait_one(reqs, &seq, ndone, which, st);
	if (mode == MANA_WAIT_ALL)
		return wait_all(n, reqs, &seq, ndone, st);
	int rc = set_open(&s, n, r, status, index, reqs);
	if (rc)
		return rc;
	while ((rc = poll(&s, reqs, mode, ndone, which, st)) == PENDING) {
		if (interrupted(seq)) {
			rc = MANA_INTERRUPTED;
			break;
		}
		pause_poll(&polls);
	}
	free(s.heap);
	return rc;
}

int adapter_test(int n, MPI_Request reqs[], int mode, int *ndone, int which[], struct mana_status st[])
{
	native_Request r[SMALL];
	native_Status status[SMALL];
	int index[SMALL];
	struct set s;
	*ndone = 0;
	if (n == 1 && reqs[0])
		return wait_one(reqs, 0, ndone, which, st);
	if (mode == MANA_WAIT_ALL)
		return wait_all(n, reqs, 0, ndone, st);
	int rc = set_open(&s, n, r, status, index, reqs);
	if (rc)
		return rc;
	rc = poll(&s, reqs, mode, ndone, which, st);
	if (rc == PENDING)
		rc = 0;
	free(s.heap);
	return rc;
}

/* ---- sends and receives without statuses ---- */

/* One look at those of r[] that are left, PENDING if some are. The last comes first: when it is over the others mostly
 * are, and while it is not nothing is gained by looking at them. */
static inline int look(int n, native_Request *r)
{
	native_Request *last = &r[n - 1];
	int flag = 0, rc;
	if (!done(*last)) {
		rc = native.Test(last, &flag, NATIVE_STATUS_IGNORE);
		if (__builtin_expect(rc, 0))
			*last = native_request(MPI_REQUEST_NULL);
		if (rc || !flag)
			return rc ? native_err(rc) : PENDING;
	}
	rc = native.Testall(n - 1, r, &flag, NATIVE_STATUSES_IGNORE);
	return rc ? native_err(rc) : flag ? 0 : PENDING;
}

/* What is over of the first n, of which the last are r[at ...], becomes 0. */
static void mark(MPI_Request reqs[], int n, const native_Request *r, int at)
{
	for (int i = 0; i < n; i++)
		if (i < at || done(r[i - at]))
			reqs[i] = 0;
}

/* All or nothing: the program may ask for the status of each when they are not all over. */
static int test_over(int n, MPI_Request reqs[])
{
	native_Request r[MANA_OVER_MAX];
	int flag = 0;
	for (int i = 0; i < n; i++)
		r[i] = (native_Request)(uintptr_t)reqs[i];
	int rc = native.Testall(n, r, &flag, NATIVE_STATUSES_IGNORE);
	if (!rc)
		return flag ? 0 : MANA_INTERRUPTED;
	mark(reqs, n, r, 0);
	return native_err(rc);
}

int adapter_over_all(int n, MPI_Request reqs[], const uint32_t *seq)
{
	native_Request r[BATCH];
	unsigned polls = 0;
	int m, rc;
	if (!seq)
		return test_over(n, reqs);
	for (int at = 0; at < n; at += m) {
		m = n - at < BATCH ? n - at : BATCH;
		for (int i = 0; i < m; i++)
			r[i] = (native_Request)(uintptr_t)reqs[at + i];
		while (__builtin_expect((rc = look(m, r)), 0)) {
			if (rc != PENDING || interrupted(*seq)) {
				mark(reqs, at + m, r, at);
				return rc == PENDING ? MANA_INTERRUPTED : rc;
			}
			pause_poll(&polls);
		}
	}
	return 0;
}
