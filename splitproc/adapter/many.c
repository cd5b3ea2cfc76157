/* many.c - tests of and waits for many requests of the lower half. */
#include <stdlib.h>
#include <string.h>

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

/* MANA_WAIT_OVER ends before all n are complete, or one has failed: those before i are, and have a status. */
__attribute__((cold, noinline)) static void clear(struct mana_status *st, int i)
{
	if (st)
		memset(st, 0, (size_t)i * sizeof *st);
}

/* Are all of the set over? One that failed makes *mode MANA_WAIT_ALL. */
static int all(struct set *s, MPI_Request *reqs, int *mode, int *failed, int *ndone, struct mana_status *st)
{
	int flag = 0;
	if (__builtin_expect(native.Testall(s->n, s->r, &flag, s->st), 0)) {
		*failed = MPI_ERR_IN_STATUS;
		if (*mode == MANA_WAIT_OVER)
			clear(st, s->which[0]);
		*mode = MANA_WAIT_ALL;
		return all_singly(s, reqs, ndone, st);
	}
	for (int k = 0; flag && k < s->n; k++) {
		int i = s->which[k];
		if (!reqs[i])
			continue;
		++*ndone;
		if (*mode == MANA_WAIT_OVER)
			reqs[i] = 0;
		else
			complete(s, reqs, st, i, k, 0);
	}
	return flag;
}

/* seq NULL: one test only. While some are waited for, the library's progress
 * completes the others too. */
static int wait_all(int n, MPI_Request *reqs, int mode, const uint32_t *seq, int *ndone, struct mana_status *st)
{
	native_Request r[BATCH];
	native_Status status[BATCH];
	int which[BATCH], failed = 0;
	struct set s = {0, r, status, which, 0};
	unsigned polls = 0;
	for (int next = take(&s, 0, n, reqs); s.n; next = take(&s, next, n, reqs))
		while (!all(&s, reqs, &mode, &failed, ndone, st)) {
			if (!seq || interrupted(*seq)) {
				if (mode == MANA_WAIT_OVER)
					clear(st, which[0]);
				return seq ? MANA_INTERRUPTED : failed;
			}
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
	if (mode == MANA_WAIT_ALL || mode == MANA_WAIT_OVER)
		return wait_all(n, reqs, mode, &seq, ndone, st);
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
	if (mode == MANA_WAIT_ALL || mode == MANA_WAIT_OVER)
		return wait_all(n, reqs, mode, 0, ndone, st);
	int rc = set_open(&s, n, r, status, index, reqs);
	if (rc)
		return rc;
	rc = poll(&s, reqs, mode, ndone, which, st);
	if (rc == PENDING)
		rc = 0;
	free(s.heap);
	return rc;
}
