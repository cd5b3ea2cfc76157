/* core_win.c - life of a window: made, freed, saved, made again. */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core_win.h"

struct core_table core_wins;
uint32_t core_win_count;

/* The native window over the object's memory, if there is none yet; errors come back to us. */
static int make_lower(volatile struct mana_thread *t, struct core_win *w)
{
	MPI_Comm comm = core_win_comm(w)->lower;
	MPI_Win lower = w->lower;
	int rc = MPI_SUCCESS;
	if (w->flavor == MPI_WIN_FLAVOR_DYNAMIC)
		rc = LOWER(t, core_lower->f.Win_create_dynamic(MPI_INFO_NULL, comm, &lower));
	else if (lower == MPI_WIN_NULL)
		rc = LOWER(t, core_lower->f.Win_create(w->base, w->size, w->disp_unit, MPI_INFO_NULL, comm, &lower));
	if (rc)
		return rc;
	LOWER(t, core_lower->f.Win_set_errhandler(lower, MPI_ERRORS_RETURN));
	w->lower = lower;
	return MPI_SUCCESS;
}

static void destroy(struct core_win *w)
{
	core_winalloc_drop(w);
	while (w->attached) {
		struct core_attached *a = w->attached;
		w->attached = a->next;
		core_free(a);
	}
	core_info_drop(w->info);
	core_errh_unref(w->errh);
	core_shm_drop(w->shm);
	core_free(w->locks);
	core_free(w);
}

/* apart: of shared memory, whether this rank's part may lie apart from the others'. */
static int create(struct core_win *w, MPI_Info info, MPI_Comm comm, int apart, MPI_Win *win)
{
	int rc = core_Comm_dup(comm, &w->comm);
	if (rc) {
		destroy(w);
		return rc;
	}
	MPI_Comm dup = w->comm;
	struct core_comm *c = core_win_comm(w);
	ENTER_COLL(c);
	w->errh = 0; /* the default */
	w->model = MPI_WIN_UNIFIED;
	w->info = core_info_copy(core_info_of(info));
	w->locks = core_alloc((size_t)c->size * sizeof *w->locks);
	w->lower = MPI_WIN_NULL;
	if (w->flavor == MPI_WIN_FLAVOR_SHARED)
		rc = core_shm_make(self_, w, c, apart);
	if (w->flavor == MPI_WIN_FLAVOR_ALLOCATE)
		rc = core_winalloc_make(self_, w);
	if (!rc)
		rc = make_lower(self_, w);
	if (!rc) {
		w->vid = core_table_add(&core_wins, w);
		__atomic_add_fetch(&core_win_count, 1, __ATOMIC_RELAXED);
		*win = HANDLE(MPI_Win, w->vid);
		LEAVE(rc);
	}
	destroy(w);
	self_->state = MANA_OUT;
	core_Comm_free(&dup);
	return rc;
}

int core_Win_create(void *base, MPI_Aint size, MPI_Aint disp_unit, MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || c->inter)
		return MPI_ERR_COMM;
	if (size < 0)
		return MPI_ERR_SIZE;
	struct core_win *w = core_alloc(sizeof *w);
	w->base = base;
	w->size = size;
	w->disp_unit = (int)disp_unit;
	w->flavor = MPI_WIN_FLAVOR_CREATE;
	return create(w, info, comm, 0, win);
}

int core_Win_allocate(MPI_Aint size, MPI_Aint disp_unit, MPI_Info info, MPI_Comm comm, void *baseptr, MPI_Win *win)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || c->inter)
		return MPI_ERR_COMM;
	if (size < 0)
		return MPI_ERR_SIZE;
	struct core_win *w = core_alloc(sizeof *w);
	w->size = size;
	w->disp_unit = (int)disp_unit;
	w->flavor = MPI_WIN_FLAVOR_ALLOCATE;
	int rc = create(w, info, comm, 0, win);
	if (!rc)
		*(void **)baseptr = w->base;
	return rc;
}

static int wants_apart(const struct core_info *info)
{
	for (struct core_info_entry *e = info ? info->first : 0; e; e = e->next)
		if (!strcmp(e->key, "alloc_shared_noncontig"))
			return !strcmp(e->value, "true");
	return 0;
}

int core_Win_allocate_shared(MPI_Aint size, MPI_Aint disp_unit, MPI_Info info, MPI_Comm comm, void *baseptr, MPI_Win *win)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || c->inter)
		return MPI_ERR_COMM;
	if (size < 0)
		return MPI_ERR_SIZE;
	struct core_win *w = core_alloc(sizeof *w);
	w->size = size;
	w->disp_unit = (int)disp_unit;
	w->flavor = MPI_WIN_FLAVOR_SHARED;
	int rc = create(w, info, comm, wants_apart(core_info_of(info)), win);
	if (!rc)
		*(void **)baseptr = w->base;
	return rc;
}

int core_Win_create_dynamic(MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c || c->inter)
		return MPI_ERR_COMM;
	struct core_win *w = core_alloc(sizeof *w);
	w->flavor = MPI_WIN_FLAVOR_DYNAMIC;
	w->disp_unit = 1;
	return create(w, info, comm, 0, win);
}

int core_Win_attach(MPI_Win win, void *base, MPI_Aint size)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	ENTER();
	MPI_Win lower = w->lower;
	int rc = LOWER(self_, core_lower->f.Win_attach(lower, base, size));
	if (!rc) {
		struct core_attached *a = core_alloc(sizeof *a);
		*a = (struct core_attached){w->attached, base, size};
		w->attached = a;
	}
	LEAVE(rc);
}

int core_Win_detach(MPI_Win win, const void *base)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	ENTER();
	MPI_Win lower = w->lower;
	int rc = LOWER(self_, core_lower->f.Win_detach(lower, base));
	for (struct core_attached **a = &w->attached; !rc && *a; a = &(*a)->next)
		if ((*a)->base == base) {
			struct core_attached *gone = *a;
			*a = gone->next;
			core_free(gone);
			break;
		}
	LEAVE(rc);
}

int core_Win_free(MPI_Win *win)
{
	struct core_win *w = core_win_of(*win);
	if (!w)
		return MPI_ERR_WIN;
	if (w->lock_all || w->nlocks || w->access || w->exposure)
		return MPI_ERR_RMA_SYNC;
	int rc = core_attrs_delete(KEYVAL_WIN, VID(*win), &w->attrs);
	if (rc)
		return rc;
	MPI_Comm comm = w->comm;
	struct core_comm *c = core_win_comm(w);
	ENTER_COLL(c);
	rc = LOWER(self_, core_lower->f.Win_free(&w->lower));
	if (!rc) {
		core_table_del(&core_wins, w->vid);
		__atomic_sub_fetch(&core_win_count, 1, __ATOMIC_RELAXED);
		destroy(w);
		*win = MPI_WIN_NULL;
	}
	self_->state = MANA_OUT;
	return rc ? rc : core_Comm_free(&comm);
}

/* ---- checkpoint and restart ---- */

/* Open windows in one order on all ranks. */
static int list_windows(struct core_win ***out)
{
	struct core_win **list = core_alloc((core_wins.used + 1) * sizeof *list), *w;
	int n = 0;
	FOR_TABLE(&core_wins, w)
	{
		int i = n++;
		for (; i > 0 && core_win_comm(list[i - 1])->gid > core_win_comm(w)->gid; i--)
			list[i] = list[i - 1];
		list[i] = w;
	}
	*out = list;
	return n;
}

static int complete_window(volatile struct mana_thread *t, struct core_win *w)
{
	MPI_Comm comm = core_win_comm(w)->lower;
	MPI_Win win = w->lower;
	int fenced = w->fenced && !w->lock_all && !w->nlocks, all = 0;
	int rc = LOWER(t, core_lower->f.Allreduce(&fenced, &all, 1, MPI_INT, MPI_MIN, comm));
	if (!rc && all)
		return LOWER(t, core_lower->f.Win_fence(0, win));
	if (!rc && w->lock_all)
		return LOWER(t, core_lower->f.Win_flush_all(win));
	for (int i = 0, n = core_win_comm(w)->size; !rc && w->nlocks && i < n; i++)
		if (w->locks[i])
			rc = LOWER(t, core_lower->f.Win_flush(i, win));
	return rc;
}

int core_win_drain(volatile struct mana_thread *t)
{
	struct core_win **list;
	int n = list_windows(&list), rc = 0;
	for (int i = 0; i < n && !rc; i++)
		rc = complete_window(t, list[i]) ? -1 : 0;
	core_free(list);
	return rc;
}

int core_win_save(void)
{
	struct core_win *w;
	int n = 0;
	FOR_TABLE(&core_wins, w)
		if (w->shm) {
			core_shm_save(w->shm);
			n++;
		}
	return n;
}

static int rebuild(volatile struct mana_thread *t, struct core_win *w)
{
	int rc = MPI_SUCCESS;
	w->lower = MPI_WIN_NULL;
	if (w->shm)
		rc = core_shm_rebuild(t, w->shm, core_win_comm(w)->lower);
	if (w->flavor == MPI_WIN_FLAVOR_ALLOCATE)
		rc = core_winalloc_rebuild(t, w);
	if (!rc)
		rc = make_lower(t, w);
	MPI_Win win = w->lower;
	for (struct core_attached *a = w->attached; !rc && a; a = a->next) {
		void *base = a->base;
		MPI_Aint size = a->size;
		rc = LOWER(t, core_lower->f.Win_attach(win, base, size));
	}
	if (!rc && w->lock_all)
		rc = LOWER(t, core_lower->f.Win_lock_all(0, win));
	for (int i = 0, n = core_win_comm(w)->size; !rc && w->nlocks && i < n; i++) {
		int type = w->locks[i];
		if (type)
			rc = LOWER(t, core_lower->f.Win_lock(type, i, 0, win));
	}
	int fenced = w->fenced && !w->lock_all && !w->nlocks, all = 0;
	MPI_Comm comm = core_win_comm(w)->lower;
	if (!rc)
		rc = LOWER(t, core_lower->f.Allreduce(&fenced, &all, 1, MPI_INT, MPI_MIN, comm));
	if (!rc && all)
		rc = LOWER(t, core_lower->f.Win_fence(MPI_MODE_NOPRECEDE, win));
	return rc;
}

int core_win_rebuild(volatile struct mana_thread *t)
{
	struct core_win **list;
	int n = list_windows(&list), rc = 0;
	for (int i = 0; i < n && !rc; i++)
		rc = rebuild(t, list[i]);
	core_free(list);
	return rc;
}
