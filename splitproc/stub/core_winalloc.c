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

#define PAGE 4096UL
#define CHUNK (2UL << 20) /* bytes that a restart holds twice */

static char *page_of(void *p)
{
	return (char *)((uintptr_t)p & ~(PAGE - 1));
}

static size_t pages_from(const void *p, MPI_Aint size)
{
	return (((uintptr_t)p & (PAGE - 1)) + (size_t)size + PAGE - 1) & ~(PAGE - 1);
}

/* Maps the pages of n bytes at p a second time; 0 where they are private (mremap(2), old_size of 0). */
static char *map_again(void *p, MPI_Aint n)
{
	long at = mana_sys(SYS_mremap, (long)page_of(p), 0, (long)pages_from(p, n), MREMAP_MAYMOVE, 0, 0);
	return at < 0 && at > -4096 ? 0 : (char *)at;
}

/* The library's window with its pages mapped again, or MPI_WIN_NULL where that does not go or, at a
 * restart, base would not come back: the same on all ranks. */
static int make_own(volatile struct mana_thread *t, struct core_win *w, MPI_Win *win, char **again, void **theirs)
{
	MPI_Comm comm = core_win_comm(w)->lower;
	*again = 0;
	*theirs = 0;
	*win = MPI_WIN_NULL;
	int rc = LOWER(t, core_lower->f.Win_allocate(w->size, w->disp_unit, MPI_INFO_NULL, comm, theirs, win));
	if (rc)
		return rc;
	int fits = 1, all = 0;
	if (w->size) {
		*again = map_again(*theirs, w->size);
		fits = *again && (!w->base || ((uintptr_t)w->base ^ (uintptr_t)*theirs) % PAGE == 0);
	}
	rc = LOWER(t, core_lower->f.Allreduce(&fits, &all, 1, MPI_INT, MPI_MIN, comm));
	if (!rc && all)
		return MPI_SUCCESS;
	if (*again)
		mana_sys(SYS_munmap, (long)*again, (long)pages_from(*theirs, w->size), 0, 0, 0, 0);
	LOWER(t, core_lower->f.Win_free(win));
	*win = MPI_WIN_NULL;
	return rc;
}

int core_winalloc_make(volatile struct mana_thread *t, struct core_win *w)
{
	MPI_Win win = MPI_WIN_NULL;
	char *again = 0;
	void *theirs = 0;
	int rc = core_lower->own_windows ? make_own(t, w, &win, &again, &theirs) : MPI_SUCCESS;
	if (rc || !w->size) {
		w->lower = win;
		return rc;
	}
	w->mapped = pages_from(theirs, w->size);
	if (win == MPI_WIN_NULL) {
		theirs = 0;
		w->mapped = pages_from(0, w->size);
		long p = mana_sys(SYS_mmap, 0, (long)w->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p < 0 && p > -4096) {
			w->mapped = 0;
			return MPI_ERR_NO_MEM;
		}
		again = (char *)p;
	}
	w->lower = win;
	w->map = again;
	w->base = again + (uintptr_t)theirs % PAGE;
	return MPI_SUCCESS;
}

/* What was saved goes into the library's new memory, of which a neighbour may
 * have the rest of the first and last page, and that takes its place. */
int core_winalloc_rebuild(volatile struct mana_thread *t, struct core_win *w)
{
	MPI_Win win = MPI_WIN_NULL;
	char *again = 0;
	void *theirs = 0;
	int rc = core_lower->own_windows ? make_own(t, w, &win, &again, &theirs) : MPI_SUCCESS;
	if (rc || win == MPI_WIN_NULL)
		return rc;
	w->lower = win;
	if (!w->size)
		return MPI_SUCCESS;
	char *end = (char *)w->base + w->size;
	for (char *from = w->base, *to; from < end; from = to) {
		to = page_of(from) + CHUNK;
		if (to > end)
			to = end;
		memcpy(again + (from - w->map), from, (size_t)(to - from));
		mana_sys(SYS_madvise, (long)page_of(from), page_of(to) - page_of(from), MADV_REMOVE, 0, 0, 0); /* only to save memory */
	}
	long at = mana_sys(SYS_mremap, (long)again, (long)w->mapped, (long)w->mapped, MREMAP_MAYMOVE | MREMAP_FIXED, (long)w->map, 0);
	return at == (long)w->map ? MPI_SUCCESS : MPI_ERR_NO_MEM;
}

void core_winalloc_drop(struct core_win *w)
{
	if (w->map)
		mana_sys(SYS_munmap, (long)w->map, (long)w->mapped, 0, 0, 0, 0);
}
