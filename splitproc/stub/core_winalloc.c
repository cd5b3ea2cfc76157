/* core_winalloc.c - memory of MPI_Win_allocate.
 *
 * Where the library reaches memory that it has allocated itself by loads and
 * stores, the window is the library's own and the program gets the same pages
 * a second time, at an address of the upper half: a checkpoint saves them there
 * as it does other shared memory, and a restart brings them back under that
 * address although the new library's lie elsewhere. Else the memory is ours.
 */
#define _GNU_SOURCE /* MREMAP_FIXED */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core_win.h"
#include "sys.h"

#define CHUNK (2UL << 20) /* bytes that a restart holds twice */

static char *page_of(void *p)
{
	return (char *)((uintptr_t)p & ~(PAGE - 1));
}

static size_t pages_from(const void *p, MPI_Aint size)
{
	return mana_page_up((uintptr_t)p % PAGE + (size_t)size);
}

/* Maps the pages of n bytes at p a second time; 0 where they are private (mremap(2), old_size of 0). */
static char *map_again(void *p, MPI_Aint n)
{
	long at = mana_sys(SYS_mremap, (long)page_of(p), 0, (long)pages_from(p, n), MREMAP_MAYMOVE, 0, 0);
	return mana_failed(at) ? 0 : (char *)at;
}

/* Memory of a window that the library made. */
struct own {
	void *memory; /* as the library has it */
	char *again;  /* its pages once more */
};

/* Leaves MPI_WIN_NULL in w->lower where there is no such window, its pages cannot be mapped again or, at a
 * restart, base would not come back: the same on all ranks. */
static int make_own(volatile struct mana_thread *t, struct core_win *w, struct own *o)
{
	MPI_Comm comm = core_win_comm(w)->lower;
	int fits = 1, all = 0;
	*o = (struct own){0};
	w->lower = MPI_WIN_NULL;
	if (!core_lower->own_windows)
		return MPI_SUCCESS;
	int rc = LOWER(t, core_lower->f.Win_allocate(w->size, w->disp_unit, MPI_INFO_NULL, comm, &o->memory, &w->lower));
	if (rc)
		return rc;
	if (w->size) {
		o->again = map_again(o->memory, w->size);
		fits = o->again && (!w->base || ((uintptr_t)w->base ^ (uintptr_t)o->memory) % PAGE == 0);
	}
	rc = LOWER(t, core_lower->f.Allreduce(&fits, &all, 1, MPI_INT, MPI_MIN, comm));
	if (!rc && all)
		return MPI_SUCCESS;
	if (o->again)
		mana_sys(SYS_munmap, (long)o->again, (long)pages_from(o->memory, w->size), 0, 0, 0, 0);
	LOWER(t, core_lower->f.Win_free(&w->lower));
	w->lower = MPI_WIN_NULL;
	return rc;
}

static int map_private(struct core_win *w)
{
	w->mapped = pages_from(0, w->size);
	long p = mana_sys(SYS_mmap, 0, (long)w->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mana_failed(p))
		return MPI_ERR_NO_MEM;
	w->base = w->map = (char *)p;
	return MPI_SUCCESS;
}

int core_winalloc_make(volatile struct mana_thread *t, struct core_win *w)
{
	struct own o;
	int rc = make_own(t, w, &o);
	if (rc || !w->size)
		return rc;
	if (w->lower == MPI_WIN_NULL)
		return map_private(w);
	w->mapped = pages_from(o.memory, w->size);
	w->map = o.again;
	w->base = o.again + (uintptr_t)o.memory % PAGE;
	return MPI_SUCCESS;
}

/* What was saved goes into the library's new memory, of which a neighbour may
 * have the rest of the first and last page, and that takes its place. */
int core_winalloc_rebuild(volatile struct mana_thread *t, struct core_win *w)
{
	struct own o;
	int rc = make_own(t, w, &o);
	if (rc || w->lower == MPI_WIN_NULL || !w->size)
		return rc;
	char *end = (char *)w->base + w->size;
	for (char *from = w->base, *to; from < end; from = to) {
		to = page_of(from) + CHUNK;
		if (to > end)
			to = end;
		memcpy(o.again + (from - w->map), from, (size_t)(to - from));
		mana_sys(SYS_madvise, (long)page_of(from), page_of(to) - page_of(from), MADV_REMOVE, 0, 0, 0); /* only to save memory */
	}
	long at = mana_sys(SYS_mremap, (long)o.again, (long)w->mapped, (long)w->mapped, MREMAP_MAYMOVE | MREMAP_FIXED, (long)w->map, 0);
	return at == (long)w->map ? MPI_SUCCESS : MPI_ERR_NO_MEM;
}

void core_winalloc_drop(struct core_win *w)
{
	if (w->map)
		mana_sys(SYS_munmap, (long)w->map, (long)w->mapped, 0, 0, 0, 0);
}
