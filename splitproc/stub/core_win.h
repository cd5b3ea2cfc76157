/* core_win.h - windows for one-sided communication. */
#ifndef MANA_CORE_WIN_H
#define MANA_CORE_WIN_H

#include "core_objects.h"

struct core_attached {
	struct core_attached *next;
	void *base;
	MPI_Aint size;
};

/* The window's memory is mapped in the upper half, so that a checkpoint has it;
 * with MPI_Win_allocate the lower half may have the same pages at addresses of its own. */
struct core_win {
	MPI_Win lower;
	uint32_t vid;
	MPI_Comm comm; /* a duplicate of ours: order of fences, and of windows at a restart */
	void *base;
	MPI_Aint size;
	int disp_unit, flavor, model;
	char *map; /* pages of MPI_Win_allocate: base lies in the first */
	size_t mapped; /* bytes of map */
	struct core_shm *shm; /* MPI_Win_allocate_shared */
	struct core_attached *attached;
	MPI_Errhandler errh;
	struct core_attr *attrs;
	struct core_info *info;
	char name[128];
	/* open epochs */
	int fenced, lock_all, nlocks;
	int *locks; /* lock type held, by target rank */
	struct core_group *access, *exposure; /* between start and complete, post and wait (core_winpscw.c) */
	uint8_t *ended;                       /* of the exposure's group: has completed its access */
};

HIDDEN extern struct core_table core_wins;
HIDDEN extern uint32_t core_win_count; /* open windows: a parked rank then makes progress for its peers */

static inline struct core_win *core_win_of(MPI_Win h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_wins, VID(h));
}

static inline struct core_comm *core_win_comm(const struct core_win *w)
{
	return core_comm_of(w->comm);
}

/* ---- shared memory (core_winshm.c) ---- */
HIDDEN int core_shm_make(volatile struct mana_thread *t, struct core_win *w, struct core_comm *c, int apart);
HIDDEN void core_shm_drop(struct core_shm *s);
HIDDEN void core_shm_save(struct core_shm *s);   /* at a drain, when nothing moves on any rank */
HIDDEN void core_shm_forget(struct core_shm *s); /* the checkpoint is over */
HIDDEN int core_shm_rebuild(volatile struct mana_thread *t, struct core_shm *s, MPI_Comm comm);

/* ---- MPI_Win_allocate (core_winalloc.c) ---- */
HIDDEN int core_winalloc_make(volatile struct mana_thread *t, struct core_win *w);
HIDDEN int core_winalloc_rebuild(volatile struct mana_thread *t, struct core_win *w);
HIDDEN void core_winalloc_drop(struct core_win *w);

HIDDEN int core_win_drain(volatile struct mana_thread *t);   /* completes what is under way; collective over all ranks */
HIDDEN int core_win_save(void); /* when all ranks have done so; returns how many windows of shared memory there are */
HIDDEN int core_win_rebuild(volatile struct mana_thread *t); /* after a restart, once the communicators are back */

#endif
