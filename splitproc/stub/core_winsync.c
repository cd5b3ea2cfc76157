/* core_winsync.c - epochs of windows.
 *
 * A fence is a collective of the window's communicator and passes its clock.
 * The other calls may wait for a peer inside the real library; while they do
 * the thread shows as waiting, so that parked peers are let on if need be.
 */
#include "core_win.h"

/* No checkpoint is pending, so what the last one needed is in its images. */
static void forget_saved(struct core_win *w)
{
	if (unlikely(w->shm) && !mana_ctl->pending)
		core_shm_forget(w->shm);
}

#define ENTER_SYNC(w)                                     \
	struct core_win *w = core_win_of(win);            \
	if (unlikely(!w))                                 \
		return MPI_ERR_WIN;                       \
	ENTER_LIBRARY(w)

#define ENTER_LIBRARY(w)                                  \
	ENTER();                                          \
	self_->state = MANA_HELD;                         \
	forget_saved(w);                                  \
	MPI_Win lower = w->lower

/* Not between start and complete: those are shared locks below, so the library would let it pass. */
#define ENTER_PASSIVE(w)                                  \
	struct core_win *w = core_win_of(win);            \
	if (unlikely(!w))                                 \
		return MPI_ERR_WIN;                       \
	if (unlikely(w->access))                          \
		return MPI_ERR_RMA_SYNC;                  \
	ENTER_LIBRARY(w)

int core_Win_fence(int assert, MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	if (unlikely(!w))
		return MPI_ERR_WIN;
	struct core_comm *c = core_comm_of(w->comm);
	ENTER_COLL(c);
	forget_saved(w);
	MPI_Win lower = w->lower;
	int rc = LOWER(self_, core_lower->f.Win_fence(assert, lower));
	if (!rc)
		w->fenced = !(assert & MPI_MODE_NOSUCCEED);
	LEAVE(rc);
}

int core_Win_lock(int lock_type, int rank, int assert, MPI_Win win)
{
	ENTER_PASSIVE(w);
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
	ENTER_PASSIVE(w);
	int rc = LOWER(self_, core_lower->f.Win_lock_all(assert, lower));
	if (!rc) {
		w->lock_all = 1;
		w->fenced = 0;
	}
	LEAVE(rc);
}

int core_Win_unlock_all(MPI_Win win)
{
	ENTER_PASSIVE(w);
	int rc = LOWER(self_, core_lower->f.Win_unlock_all(lower));
	if (!rc)
		w->lock_all = 0;
	LEAVE(rc);
}

int core_Win_flush(int rank, MPI_Win win)
{
	ENTER_PASSIVE(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush(rank, lower)));
}

int core_Win_flush_local(int rank, MPI_Win win)
{
	ENTER_PASSIVE(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_local(rank, lower)));
}

int core_Win_flush_all(MPI_Win win)
{
	ENTER_PASSIVE(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_all(lower)));
}

int core_Win_flush_local_all(MPI_Win win)
{
	ENTER_PASSIVE(w);
	LEAVE(LOWER(self_, core_lower->f.Win_flush_local_all(lower)));
}

int core_Win_sync(MPI_Win win)
{
	ENTER_SYNC(w);
	LEAVE(LOWER(self_, core_lower->f.Win_sync(lower)));
}
