/* core_many_some.c - completion calls that are content with some of an array of requests. */
#include "core_many.h"

/* One that is done, as Waitany and Testany give it. */
static int finish_any(struct many *m, MPI_Request h[], int *index, MPI_Status *status)
{
	for (int k = 0; k < m->n; k++) {
		struct core_request *r = m->r[k];
		int rc;

		if (r->state != REQ_DONE)
			continue;
		rc = core_many_error(r, status);
		*index = m->at[k];
		core_request_seen(r, &h[*index]);
		return rc;
	}
	*index = MPI_UNDEFINED;
	core_status_empty(status);
	return MPI_SUCCESS;
}

static int finish_some(struct many *m, MPI_Request h[], int *outcount, int indices[], MPI_Status statuses[])
{
	int n = 0, failed = 0;

	for (int k = 0; k < m->n; k++) {
		struct core_request *r = m->r[k];

		if (r->state != REQ_DONE)
			continue;
		m->which[n] = core_many_error(r, statuses ? &statuses[n] : 0);
		failed |= m->which[n];
		indices[n] = m->at[k];
		core_request_seen(r, &h[indices[n++]]);
	}
	*outcount = n;
	if (likely(!failed))
		return MPI_SUCCESS;
	for (int i = 0; statuses && i < n; i++)
		statuses[i].MPI_ERROR = m->which[i];
	return MPI_ERR_IN_STATUS;
}

int core_Waitany(int n, MPI_Request h[], int *index, MPI_Status *status)
{
	struct many m;

	ENTER_WAIT();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	while (m.active && !m.done) {
		rc = core_many_wait(self_, &m, MANA_WAIT_ANY, &seq_);
		if (unlikely(rc))
			break;
	}
	if (likely(!rc))
		rc = finish_any(&m, h, index, status);
	core_many_free(&m);
	LEAVE(rc);
}

int core_Waitsome(int n, MPI_Request h[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct many m;

	ENTER_WAIT();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	*outcount = MPI_UNDEFINED;
	if (m.done)
		core_many_test(self_, &m, MANA_WAIT_SOME);
	while (m.active && !m.done) {
		rc = core_many_wait(self_, &m, MANA_WAIT_SOME, &seq_);
		if (unlikely(rc))
			break;
	}
	if (m.done)
		rc = finish_some(&m, h, outcount, indices, statuses);
	core_many_free(&m);
	LEAVE(rc);
}

int core_Testany(int n, MPI_Request h[], int *index, int *flag, MPI_Status *status)
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	if (!m.done)
		core_many_test(self_, &m, MANA_WAIT_ANY);
	*flag = m.done || !m.active;
	if (*flag)
		rc = finish_any(&m, h, index, status);
	else
		*index = MPI_UNDEFINED;
	core_many_free(&m);
	LEAVE(rc);
}

int core_Testsome(int n, MPI_Request h[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h);

	if (unlikely(rc))
		LEAVE(rc);
	core_many_test(self_, &m, MANA_WAIT_SOME);
	if (!m.done && !m.active)
		*outcount = MPI_UNDEFINED;
	else
		rc = finish_some(&m, h, outcount, indices, statuses);
	core_many_free(&m);
	LEAVE(rc);
}
