/* core_winsync.c - epochs of windows.
 *
 * A fence is a collective of the window's communicator and passes its clock.
 * The other calls may wait for a peer inside the real library; while they do
 * the thread shows as waiting, so that parked peers are let on if need be.
 */
#include "core_win.h"

#define ENTER_SYNC(w)                                     \
	struct core_win *w = core_win_of(win);            \
	if (unlikely(!w))                                 \
		return MPI_ERR_WIN;                       \
	ENTER();                                          \
	self_->state = MANA_COLL;                         \
	MPI_Win lower = w->lower

int core_Win_fence(int assert, MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	if (unlikely(!w))
		return MPI_ERR_WIN;
	struct core_comm *c = core_comm_of(w->comm);
	ENTER_COLL(c);
	MPI_Win lower = w->lower;
	int rc = LOWER(self_, core_lower->f.Win_fence(assert, lower));
	if (!rc)
		w->fenced = !(assert & MPI_MODE_NOSUCCEED);
	LEAVE(rc);
}

int core_Win_lock(int lock_type, int rank, int assert, MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_lock(lock_type, rank, assert, lower));
	if (!rc && rank >= 0) {
		w->locks[rank] = lock_type;
		w->nlocks++;
		w->fenced = 0;
	}
	LEAVE(rc);
}

int core_Win_unlock(int rank, MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_unlock(rank, lower));
	if (!rc && rank >= 0) {
		w->locks[rank] = 0;
		w->nlocks--;
	}
	LEAVE(rc);
}

int core_Win_lock_all(int assert, MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_lock_all(assert, lower));
	if (!rc) {
		w->lock_all = 1;
		w->fenced = 0;
	}
	LEAVE(rc);
}

int core_Win_unlock_all(MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_unlock_all(lower));
	if (!rc)
		w->lock_all = 0;
	LEAVE(rc);
}

int core_Win_flush(int rank, MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush(rank, lower)));
}

int core_Win_flush_local(int rank, MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_local(rank, lower)));
}

int core_Win_flush_all(MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_all(lower)));
}

int core_Win_flush_local_all(MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_local_all(lower)));
}

int core_Win_sync(MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_sync(lower)));
}

/* ---- post, start, complete, wait ---- */

/* The core's group as a group of the real library, for one call. */
static int lower_group(volatile struct mana_thread *t, MPI_Group h, MPI_Group *out)
{
	struct core_group *g = core_group_of(h);
	MPI_Group all;
	if (!g)
		return h == MPI_GROUP_EMPTY ? (*out = h, MPI_SUCCESS) : MPI_ERR_GROUP;
	MPI_Comm world = core_world.lower;
	int n = g->size, *ranks = g->ranks;
	int rc = LOWER(t, core_lower->f.Comm_group(world, &all));
	if (!rc)
		rc = LOWER(t, core_lower->f.Group_incl(all, n, ranks, out));
	if (!rc)
		LOWER(t, core_lower->f.Group_free(&all));
	return rc;
}

static void drop_group(volatile struct mana_thread *t, MPI_Group g)
{
	if (g != MPI_GROUP_EMPTY)
		LOWER(t, core_lower->f.Group_free(&g));
}

int core_Win_start(MPI_Group group, int assert, MPI_Win win)
{
	ENTER_SYNC(w);
	MPI_Group g;
	int rc = lower_group(self_, group, &g);
	if (!rc) {
		rc = LOWER(self_, core_lower->f.Win_start(g, assert, lower));
		drop_group(self_, g);
	}
	if (!rc) {
		w->access = 1;
		w->fenced = 0;
	}
	LEAVE(rc);
}

int core_Win_post(MPI_Group group, int assert, MPI_Win win)
{
	ENTER_SYNC(w);
	MPI_Group g;
	int rc = lower_group(self_, group, &g);
	if (!rc) {
		rc = LOWER(self_, core_lower->f.Win_post(g, assert, lower));
		drop_group(self_, g);
	}
	if (!rc) {
		w->exposure = 1;
		w->fenced = 0;
	}
	LEAVE(rc);
}

int core_Win_complete(MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_complete(lower));
	if (!rc)
		w->access = 0;
	LEAVE(rc);
}

int core_Win_wait(MPI_Win win)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_wait(lower));
	if (!rc)
		w->exposure = 0;
	LEAVE(rc);
}

int core_Win_test(MPI_Win win, int *flag)
{
	ENTER_SYNC(w);
	int rc = LOWER(self_, core_lower->f.Win_test(lower, flag));
	if (!rc && *flag)
		w->exposure = 0;
	LEAVE(rc);
}
