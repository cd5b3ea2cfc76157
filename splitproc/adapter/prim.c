/* prim.c - point-to-point communication and what else the stub asks for by hand.
 *
 * Nothing here blocks inside the real library: operations are started
 * nonblocking and tested in a loop that leaves when the agent changes
 * ctl->intr. A request of the lower half is 0 when it is complete.
 */
#include <stdlib.h>

#include "adapter.h"

/* After so many polls without success the core may be needed by somebody else. */
#define POLLS_BEFORE_YIELD 512
#define SMALL 64
/* Not an MPI error class: nothing yet. */
#define PENDING (MANA_INTERRUPTED - 1)

static inline void pause_poll(unsigned *polls)
{
	if (++*polls >= POLLS_BEFORE_YIELD) {
		*polls = 0;
		mana_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
}

static inline int interrupted(uint32_t seq)
{
	return __builtin_expect(mana_ctl->intr != seq, 0);
}

static inline int done(native_Request r)
{
	return r == native_request(MPI_REQUEST_NULL);
}

/* Tests one request until it is complete; status may be NATIVE_STATUS_IGNORE. */
static int finish(native_Request *r, uint32_t seq, native_Status *status)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = native.Test(r, &flag, status);
		if (rc || flag)
			return native_err(rc);
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

static int send(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm, int mode,
                uint32_t seq, MPI_Request *req)
{
	native_Datatype t = native_type(type);
	native_Comm c = native_comm(comm);
	native_Request r;
	int rc;
	*req = 0;
	dst = native_rank(dst);
	if (__builtin_expect(native_fits(n), 1))
		rc = mode == MANA_SEND_SYNC ? native.Issend(native_buf(buf), (int)n, t, dst, tag, c, &r)
		                            : native.Isend(native_buf(buf), (int)n, t, dst, tag, c, &r);
	else if (native.Isend_c && native.Issend_c)
		rc = mode == MANA_SEND_SYNC ? native.Issend_c(native_buf(buf), n, t, dst, tag, c, &r)
		                            : native.Isend_c(native_buf(buf), n, t, dst, tag, c, &r);
	else
		return MPI_ERR_COUNT;
	if (rc)
		return native_err(rc);
	rc = finish(&r, seq, NATIVE_STATUS_IGNORE);
	if (rc == MANA_INTERRUPTED)
		*req = native_request_out(r);
	return rc;
}

static int recv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag, MPI_Comm comm, uint32_t seq,
                MPI_Request *req, struct mana_status *st)
{
	native_Datatype t = native_type(type);
	native_Comm c = native_comm(comm);
	native_Status status;
	native_Request r;
	int rc;
	*req = 0;
	if (__builtin_expect(native_fits(n), 1))
		rc = native.Irecv(native_buf(buf), (int)n, t, native_rank(src), native_tag(tag), c, &r);
	else if (native.Irecv_c)
		rc = native.Irecv_c(native_buf(buf), n, t, native_rank(src), native_tag(tag), c, &r);
	else
		return MPI_ERR_COUNT;
	if (rc)
		return native_err(rc);
	rc = finish(&r, seq, &status);
	if (rc == MANA_INTERRUPTED)
		*req = native_request_out(r);
	else
		native_status_out(&status, rc, st);
	return rc;
}

/* ---- many requests ---- */

struct set {
	int n;
	native_Request *r;
	native_Status *st;
	int *which;
	void *heap;
};

static void set_fill(struct set *s, const MPI_Request *reqs)
{
	for (int i = 0; i < s->n; i++)
		s->r[i] = reqs[i] ? native_request(reqs[i]) : native_request(MPI_REQUEST_NULL);
}

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
	set_fill(s, reqs);
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

/* ---- all of many requests, SMALL at a time ---- */

/* Completes what Testall left when an operation failed: one after the other. */
__attribute__((cold, noinline)) static int all_singly(struct set *s, MPI_Request *reqs, int *ndone, struct mana_status *st)
{
	int failed = MPI_ERR_IN_STATUS;
	for (int i = 0; i < s->n; i++) {
		int flag = 1, error;
		if (!reqs[i])
			continue;
		if (done(s->r[i]))
			error = native_err(s->st[i].MPI_ERROR);
		else
			error = native_err(native.Test(&s->r[i], &flag, &s->st[i]));
		if (!flag && !error) {
			failed = PENDING;
			continue;
		}
		++*ndone;
		complete(s, reqs, st, i, i, error);
	}
	return failed;
}

/* Notes the completion of entry i, of which only that is asked. */
static void over(MPI_Request *reqs, struct mana_status *st, int i)
{
	reqs[i] = 0;
	if (st)
		st[i] = (struct mana_status){.error = 0};
}

static int all(struct set *s, MPI_Request *reqs, int mode, int *ndone, struct mana_status *st)
{
	int flag = 0;
	int rc = native.Testall(s->n, s->r, &flag, s->st);
	if (__builtin_expect(rc, 0))
		return all_singly(s, reqs, ndone, st);
	if (!flag)
		return PENDING;
	int n = 0;
	for (int i = 0; i < s->n; i++)
		if (reqs[i]) {
			n++;
			if (mode == MANA_WAIT_OVER)
				over(reqs, st, i);
			else
				complete(s, reqs, st, i, i, 0);
		}
	*ndone += n;
	return 0;
}

/* seq NULL: one test only. While some are waited for, the library's progress
 * completes the others too. */
static int wait_all(int n, MPI_Request *reqs, int mode, const uint32_t *seq, int *ndone, struct mana_status *st)
{
	native_Request r[SMALL];
	native_Status status[SMALL];
	unsigned polls = 0;
	int failed = 0;
	for (int from = 0; from < n; from += SMALL) {
		struct set s = {n - from < SMALL ? n - from : SMALL, r, status, 0, 0};
		int rc;
		set_fill(&s, reqs + from);
		while ((rc = all(&s, reqs + from, mode, ndone, st ? st + from : 0)) == PENDING) {
			if (!seq)
				return failed;
			if (interrupted(*seq))
				return MANA_INTERRUPTED;
			pause_poll(&polls);
		}
		failed = rc ? rc : failed;
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

static int wait(int n, MPI_Request reqs[], int mode, uint32_t seq, int *ndone, int which[], struct mana_status st[])
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

static int test(int n, MPI_Request reqs[], int mode, int *ndone, int which[], struct mana_status st[])
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

/* ---- probes ---- */

static int iprobe(int src, int tag, MPI_Comm comm, int *flag, struct mana_status *st)
{
	native_Status status;
	int rc = native_err(native.Iprobe(native_rank(src), native_tag(tag), native_comm(comm), flag, &status));
	if (!rc && *flag)
		native_status_out(&status, 0, st);
	return rc;
}

static int probe(int src, int tag, MPI_Comm comm, uint32_t seq, struct mana_status *st)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = iprobe(src, tag, comm, &flag, st);
		if (rc || flag)
			return rc;
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

static int improbe(int src, int tag, MPI_Comm comm, int *flag, MPI_Message *m, struct mana_status *st)
{
	native_Status status;
	native_Message msg;
	int rc = native_err(native.Improbe(native_rank(src), native_tag(tag), native_comm(comm), flag, &msg, &status));
	if (!rc && *flag) {
		*m = native_message_out(msg);
		native_status_out(&status, 0, st);
	}
	return rc;
}

static int mprobe(int src, int tag, MPI_Comm comm, uint32_t seq, MPI_Message *m, struct mana_status *st)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = improbe(src, tag, comm, &flag, m, st);
		if (rc || flag)
			return rc;
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

/* The message is matched: its sender brings it here without more help than ours. */
static int mrecv(void *buf, MPI_Count n, MPI_Datatype type, MPI_Message *m, struct mana_status *st)
{
	native_Message msg = native_message(*m);
	native_Status status;
	native_Request r;
	int rc;
	if (native_fits(n))
		rc = native.Imrecv(native_buf(buf), (int)n, native_type(type), &msg, &r);
	else if (native.Imrecv_c)
		rc = native.Imrecv_c(native_buf(buf), n, native_type(type), &msg, &r);
	else
		return MPI_ERR_COUNT;
	if (rc)
		return native_err(rc);
	*m = native_message_out(msg);
	do
		rc = finish(&r, mana_ctl->intr, &status);
	while (rc == MANA_INTERRUPTED);
	native_status_out(&status, rc, st);
	return rc;
}

/* ---- communicators and types ---- */

static int members(MPI_Comm comm, int remote, MPI_Comm world, int n, int ranks[])
{
	native_Group all = native_group(MPI_GROUP_NULL), g = all;
	int *index = malloc(((size_t)n + 1) * sizeof *index);
	int rc = index ? 0 : MPI_ERR_NO_MEM;
	for (int i = 0; i < n && index; i++)
		index[i] = i;
	if (!rc)
		rc = native_err(native.Comm_group(native_comm(world), &all));
	if (!rc)
		rc = native_err(remote ? native.Comm_remote_group(native_comm(comm), &g)
		                       : native.Comm_group(native_comm(comm), &g));
	if (!rc)
		rc = native_err(native.Group_translate_ranks(g, n, index, all, ranks));
	if (g != native_group(MPI_GROUP_NULL))
		native.Group_free(&g);
	if (all != native_group(MPI_GROUP_NULL))
		native.Group_free(&all);
	free(index);
	return rc;
}

/* tag >= 0: collective over the new members only. */
static int comm_of_some(native_Comm from, int n, const int ranks[], int tag, MPI_Comm *out)
{
	native_Group all = native_group(MPI_GROUP_NULL), g = all;
	native_Comm none = native_comm(MPI_COMM_NULL), c = none;
	int rc = native_err(native.Comm_group(from, &all));
	if (!rc)
		rc = native_err(native.Group_incl(all, n, ranks, &g));
	if (!rc)
		rc = native_err(tag < 0 ? native.Comm_create(from, g, &c) : native.Comm_create_group(from, g, tag, &c));
	if (!rc) {
		if (c != none)
			native.Comm_set_errhandler(c, native_errh(MPI_ERRORS_RETURN));
		*out = native_comm_out(c);
	}
	if (g != native_group(MPI_GROUP_NULL))
		native.Group_free(&g);
	if (all != native_group(MPI_GROUP_NULL))
		native.Group_free(&all);
	return rc;
}

static int comm_from_ranks(MPI_Comm world, int n, const int ranks[], int tag, MPI_Comm *out)
{
	return comm_of_some(native_comm(world), n, ranks, tag, out);
}

static int comm_create(MPI_Comm c, int n, const int positions[], MPI_Comm *out)
{
	return comm_of_some(native_comm(c), n, positions, -1, out);
}

static int elements(MPI_Datatype type, int64_t bytes, MPI_Count *n)
{
	const struct mana_status st = {.bytes = bytes};
	native_Status status;
	native_status_in(&st, &status);
	return native_err(native.Get_elements_x(&status, native_type(type), n));
}

const struct mana_prims adapter_prims = {
	.send = send,
	.recv = recv,
	.wait = wait,
	.test = test,
	.probe = probe,
	.iprobe = iprobe,
	.improbe = improbe,
	.mprobe = mprobe,
	.mrecv = mrecv,
	.members = members,
	.comm_from_ranks = comm_from_ranks,
	.comm_create = comm_create,
	.elements = elements,
	.op_create = adapter_op_create,
	.donor = adapter_donor,
	.donor_free = adapter_donor_free,
};
