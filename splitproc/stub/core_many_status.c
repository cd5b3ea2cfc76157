/* core_many_status.c - MPI_Request_get_status on arrays: tests that free nothing. */
#include "core_many.h"

int core_Request_get_status_all(int n, const MPI_Request h[], int *flag, MPI_Status statuses[])
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h), failed = 0;

	if (rc)
		LEAVE(rc);
	core_many_test(self_, &m, MANA_WAIT_SOME);
	*flag = !m.active;
	for (int i = 0, k = 0; i < n && *flag; i++) {
		MPI_Status *status = statuses ? &statuses[i] : 0;

		if (k == m.n || m.at[k] != i)
			core_status_empty(status);
		else if (core_many_error(m.r[k++], status))
			failed = 1;
	}
	core_many_free(&m);
	LEAVE(failed ? MPI_ERR_IN_STATUS : MPI_SUCCESS);
}

int core_Request_get_status_any(int n, const MPI_Request h[], int *index, int *flag, MPI_Status *status)
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h);

	if (rc)
		LEAVE(rc);
	if (!m.done)
		core_many_test(self_, &m, MANA_WAIT_ANY);
	*flag = m.done || !m.active;
	*index = MPI_UNDEFINED;
	if (!m.done && !m.active)
		core_status_empty(status);
	for (int k = 0; k < m.n && m.done; k++)
		if (m.r[k]->state == REQ_DONE) {
			*index = m.at[k];
			rc = core_many_error(m.r[k], status);
			break;
		}
	core_many_free(&m);
	LEAVE(rc);
}

int core_Request_get_status_some(int n, const MPI_Request h[], int *outcount, int indices[], MPI_Status statuses[])
{
	struct many m;

	ENTER();
	int rc = core_many_gather(&m, n, h), k = 0, failed = 0;

	if (rc)
		LEAVE(rc);
	core_many_test(self_, &m, MANA_WAIT_SOME);
	for (int i = 0; i < m.n; i++) {
		if (m.r[i]->state != REQ_DONE)
			continue;
		failed |= core_many_error(m.r[i], statuses ? &statuses[k] : 0);
		indices[k++] = m.at[i];
	}
	*outcount = m.n ? k : MPI_UNDEFINED;
	core_many_free(&m);
	LEAVE(failed ? MPI_ERR_IN_STATUS : MPI_SUCCESS);
}
