/* core_winpscw.c - epochs between some of the ranks: post, start, complete, wait.
 *
 * They are made of what a checkpoint may interrupt anywhere: empty messages on
 * the window's communicator say that a target has posted and that an origin has
 * completed, and below an access epoch is a shared lock of each target, which
 * the drain flushes and a restart takes again.
 */
#include <string.h>

#include "core_p2p.h"
#include "core_win.h"

enum { TAG_POST = 1, TAG_COMPLETE = 2 };

/* A copy with ranks of the window; NULL: a member is not in it. */
static struct core_group *members(struct core_win *w, MPI_Group h)
{
	struct core_group *g = core_group_of(h), *out;
	struct core_comm *c = core_win_comm(w);
	if (!g)
		return 0;
	ENTER_LOCAL();
	out = core_alloc(sizeof *out);
	out->size = g->size;
	out->ranks = core_alloc(((size_t)g->size + 1) * sizeof(int));
	for (int i = 0; i < g->size; i++) {
		int r = c->size;
		while (r-- > 0 && c->world[r] != g->ranks[i])
			;
		out->ranks[i] = r;
		if (r < 0) {
			core_free(out->ranks);
			core_free(out);
			self_->state = state_;
			return 0;
		}
	}
	self_->state = state_;
	return out;
}

static void drop(struct core_group **g)
{
	ENTER_LOCAL();
	core_free((*g)->ranks);
	core_free(*g);
	*g = 0;
	self_->state = state_;
}

/* An empty message that nobody waits for here. */
static int notify(struct core_win *w, int rank, int tag)
{
	struct core_comm *c = core_win_comm(w);
	ENTER();
	LEAVE(core_send_packed(self_, core_alloc(1), 0, 0, rank, tag, c));
}

static int await(struct core_win *w, int rank, int tag)
{
	return core_Recv(0, 0, MPI_BYTE, rank, tag, w->comm, MPI_STATUS_IGNORE);
}

int core_Win_post(MPI_Group group, int assert, MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	int rc = MPI_SUCCESS;
	if (!w)
		return MPI_ERR_WIN;
	if (w->exposure)
		return MPI_ERR_RMA_SYNC;
	struct core_group *g = members(w, group);
	if (!g)
		return MPI_ERR_GROUP;
	w->exposure = g;
	w->ended = core_alloc((size_t)g->size + 1);
	w->fenced = 0;
	for (int i = 0; !rc && i < g->size && !(assert & MPI_MODE_NOCHECK); i++)
		rc = notify(w, g->ranks[i], TAG_POST);
	return rc;
}

static int lock_target(struct core_win *w, int rank)
{
	ENTER();
	self_->state = MANA_HELD;
	MPI_Win lower = w->lower;
	int rc = LOWER(self_, core_lower->f.Win_lock(MPI_LOCK_SHARED, rank, MPI_MODE_NOCHECK, lower));
	if (!rc) {
		w->locks[rank] = MPI_LOCK_SHARED;
		w->nlocks++;
	}
	LEAVE(rc);
}

int core_Win_start(MPI_Group group, int assert, MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	int rc = MPI_SUCCESS;
	if (!w)
		return MPI_ERR_WIN;
	if (w->access || w->lock_all || w->nlocks)
		return MPI_ERR_RMA_SYNC;
	struct core_group *g = members(w, group);
	if (!g)
		return MPI_ERR_GROUP;
	w->access = g;
	w->fenced = 0;
	for (int i = 0; !rc && i < g->size && !(assert & MPI_MODE_NOCHECK); i++)
		rc = await(w, g->ranks[i], TAG_POST);
	for (int i = 0; !rc && i < g->size; i++)
		rc = lock_target(w, g->ranks[i]);
	return rc;
}

int core_Win_complete(MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	int rc = MPI_SUCCESS;
	if (!w)
		return MPI_ERR_WIN;
	if (!w->access)
		return MPI_ERR_RMA_SYNC;
	for (int i = 0; !rc && i < w->access->size; i++) {
		rc = core_Win_unlock(w->access->ranks[i], win);
		if (!rc)
			rc = notify(w, w->access->ranks[i], TAG_COMPLETE);
	}
	drop(&w->access);
	return rc;
}

static void end_exposure(struct core_win *w)
{
	drop(&w->exposure);
	core_free(w->ended);
	w->ended = 0;
}

int core_Win_wait(MPI_Win win)
{
	struct core_win *w = core_win_of(win);
	int rc = MPI_SUCCESS;
	if (!w)
		return MPI_ERR_WIN;
	if (!w->exposure)
		return MPI_ERR_RMA_SYNC;
	for (int i = 0; !rc && i < w->exposure->size; i++)
		if (!w->ended[i])
			rc = await(w, w->exposure->ranks[i], TAG_COMPLETE);
	end_exposure(w);
	return rc;
}

int core_Win_test(MPI_Win win, int *flag)
{
	struct core_win *w = core_win_of(win);
	*flag = 0;
	if (!w)
		return MPI_ERR_WIN;
	if (!w->exposure)
		return MPI_ERR_RMA_SYNC;
	for (int i = 0; i < w->exposure->size; i++) {
		int come = w->ended[i];
		int rc = come ? MPI_SUCCESS : core_Iprobe(w->exposure->ranks[i], TAG_COMPLETE, w->comm, &come, MPI_STATUS_IGNORE);
		if (!rc && come && !w->ended[i])
			rc = await(w, w->exposure->ranks[i], TAG_COMPLETE);
		if (rc || !come)
			return rc;
		w->ended[i] = 1;
	}
	end_exposure(w);
	*flag = 1;
	return MPI_SUCCESS;
}
