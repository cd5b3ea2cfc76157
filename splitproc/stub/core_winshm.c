/* core_winshm.c - windows of memory that the ranks of a node share.
 *
 * The memory is one unlinked file of the upper half, mapped by all. It is not
 * in the image as such: when all ranks stand still, each copies its own part
 * into ordinary memory (another's may change before this rank's snapshot is
 * taken), and after a restart the ranks put the parts together again in a new
 * file at the old addresses.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core_win.h"
#include "sys.h"

#define SHM_NAME "/dev/shm/mana.window." /* package process knows it: pages of such mappings are not saved */

struct part {
	int64_t size, unit, apart; /* apart: this rank wants pages of its own */
};

struct core_shm {
	int n, me;
	struct part *parts;
	uint64_t *at; /* offset of each rank's part */
	char *base;   /* of the mapping */
	uint64_t bytes;
	void *saved; /* my part, as of the last checkpoint */
};

static void put_hex(char *to, uint64_t v)
{
	for (int i = 0; i < 16; i++, v <<= 4)
		to[i] = "0123456789abcdef"[v >> 60];
}

/* The file, made by the first rank under a name that it picks. */
static long make_file(char *name, uint64_t bytes)
{
	uint64_t salt[2] = {0, 0};
	mana_sys(SYS_getrandom, (long)salt, sizeof salt, 0, 0, 0, 0);
	memcpy(name, SHM_NAME, sizeof SHM_NAME);
	put_hex(name + sizeof SHM_NAME - 1, salt[0]);
	put_hex(name + sizeof SHM_NAME + 15, salt[1]);
	name[sizeof SHM_NAME + 31] = 0;
	long fd = mana_sys(SYS_openat, AT_FDCWD, (long)name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600, 0, 0);
	if (fd < 0)
		return fd;
	long rc = mana_sys(SYS_fallocate, fd, 0, 0, (long)bytes, 0, 0); /* a full file system shows now, not as SIGBUS */
	if (rc == 0)
		return fd;
	mana_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	mana_sys(SYS_unlinkat, AT_FDCWD, (long)name, 0, 0, 0, 0);
	return rc;
}

static int map_file(struct core_shm *s, long fd)
{
	int flags = MAP_SHARED | (s->base ? MAP_FIXED : 0); /* at a restart: in the place of what the agent put there */
	long p = mana_sys(SYS_mmap, (long)s->base, (long)s->bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (mana_failed(p))
		return MPI_ERR_NO_MEM;
	s->base = (char *)p;
	return MPI_SUCCESS;
}

/* Maps one file into all ranks of the window; collective. */
static int map_shared(volatile struct mana_thread *t, MPI_Comm comm, struct core_shm *s)
{
	char name[64] = {0};
	long fd = -1;
	int rc = MPI_SUCCESS, worst = 0;
	if (s->me == 0)
		fd = make_file(name, s->bytes);
	int made = fd >= 0;
	if (LOWER(t, core_lower->f.Bcast(&made, 1, MPI_INT, 0, comm)) || LOWER(t, core_lower->f.Bcast(name, sizeof name, MPI_BYTE, 0, comm)))
		rc = MPI_ERR_INTERN;
	if (!made)
		return MPI_ERR_NO_MEM;
	if (s->me)
		fd = mana_sys(SYS_openat, AT_FDCWD, (long)name, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0, 0, 0);
	if (!rc)
		rc = fd < 0 ? MPI_ERR_RMA_SHARED : map_file(s, fd); /* no such file: on another node */
	if (fd >= 0)
		mana_sys(SYS_close, fd, 0, 0, 0, 0, 0);
	if (LOWER(t, core_lower->f.Allreduce(&rc, &worst, 1, MPI_INT, MPI_MAX, comm)))
		worst = MPI_ERR_INTERN;
	if (s->me == 0)
		mana_sys(SYS_unlinkat, AT_FDCWD, (long)name, 0, 0, 0, 0);
	return worst;
}

/* Parts lie one behind the other, or each on pages of its own where all ranks allow it. */
static void lay_out(struct core_shm *s)
{
	int apart = 1;
	uint64_t at = 0;
	for (int i = 0; i < s->n; i++)
		apart &= (int)s->parts[i].apart;
	for (int i = 0; i < s->n; i++) {
		s->at[i] = at;
		at += (uint64_t)s->parts[i].size;
		if (apart)
			at = mana_page_up(at);
	}
	s->bytes = at ? mana_page_up(at) : PAGE;
}

/* An empty part has no address, as in MPICH and Open MPI. */
static void *base_of(const struct core_shm *s, int rank)
{
	return s->parts[rank].size ? s->base + s->at[rank] : 0;
}

int core_shm_make(volatile struct mana_thread *t, struct core_win *w, struct core_comm *c, int apart)
{
	struct core_shm *s = core_alloc(sizeof *s);
	struct part mine = {w->size, w->disp_unit, apart};
	MPI_Comm comm = c->lower;
	s->n = c->size;
	s->me = c->rank;
	s->parts = core_alloc((size_t)s->n * sizeof *s->parts);
	s->at = core_alloc((size_t)s->n * sizeof *s->at);
	w->shm = s;
	int rc = LOWER(t, core_lower->f.Allgather(&mine, sizeof mine, MPI_BYTE, s->parts, sizeof mine, MPI_BYTE, comm));
	if (!rc) {
		lay_out(s);
		rc = map_shared(t, comm, s);
	}
	if (!rc)
		w->base = base_of(s, s->me);
	return rc;
}

void core_shm_drop(struct core_shm *s)
{
	if (!s)
		return;
	if (s->base)
		mana_sys(SYS_munmap, (long)s->base, (long)s->bytes, 0, 0, 0, 0);
	core_free(s->parts);
	core_free(s->at);
	core_free(s->saved);
	core_free(s);
}

void core_shm_save(struct core_shm *s)
{
	uint64_t n = (uint64_t)s->parts[s->me].size;
	core_free(s->saved);
	s->saved = core_alloc(n ? n : 1);
	memcpy(s->saved, s->base + s->at[s->me], n);
}

void core_shm_forget(struct core_shm *s)
{
	core_free(s->saved);
	s->saved = 0;
}

/* The parts fit together again when all have written theirs. */
int core_shm_rebuild(volatile struct mana_thread *t, struct core_shm *s, MPI_Comm comm)
{
	int rc = map_shared(t, comm, s);
	if (rc)
		return rc;
	memcpy(s->base + s->at[s->me], s->saved, (uint64_t)s->parts[s->me].size);
	core_shm_forget(s);
	return LOWER(t, core_lower->f.Barrier(comm));
}

int core_Win_shared_query(MPI_Win win, int rank, MPI_Aint *size, MPI_Aint *disp_unit, void *baseptr)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	struct core_shm *s = w->shm;
	if (!s)
		return MPI_ERR_RMA_FLAVOR;
	if (rank != MPI_PROC_NULL && (rank < 0 || rank >= s->n))
		return MPI_ERR_RANK;
	if (rank == MPI_PROC_NULL) /* the first that has any */
		for (rank = 0; rank < s->n - 1 && !s->parts[rank].size;)
			rank++;
	*size = s->parts[rank].size;
	*disp_unit = s->parts[rank].unit;
	*(void **)baseptr = base_of(s, rank);
	return MPI_SUCCESS;
}
