/* core_rebuild.c - every MPI object again, on a new lower half.
 *
 * Runs on the main thread of a restarted process, all others stopped, before
 * the program goes on. All ranks do the same steps: communicators in ascending
 * order of gid, each made by its members alone, cannot deadlock, because of
 * all that are not yet made the smallest is the next one for all its members.
 */
#include <stdarg.h>

#include "core_file.h"
#include "core_win.h"

/* Tells the agent why, and returns the code. */
static int fail(const char *what, uint64_t number, int rc)
{
	char buf[sizeof mana_ctl->errmsg];
	const char *parts[] = {"rebuilding MPI objects: ", what, "", ": ", core_error_text(rc)};
	char digits[24], *d = digits + sizeof digits;
	*--d = 0;
	do
		*--d = (char)('0' + number % 10);
	while (number /= 10);
	parts[2] = d;
	size_t n = 0;
	for (int i = 0; i < 5; i++)
		for (const char *p = parts[i]; *p && n < sizeof buf - 1; p++)
			buf[n++] = *p;
	buf[n] = 0;
	for (size_t i = 0; i <= n; i++)
		mana_ctl->errmsg[i] = buf[i];
	return -1;
}

/* World with the saved rank numbers, whatever the launcher has given out. */
static int rebuild_world(volatile struct mana_thread *t)
{
	int rank, size, mine = core_world.rank, differ, any = 0;
	int rc = core_attach_lower(t, &rank, &size);
	if (rc != MPI_SUCCESS)
		return fail("rank ", (uint64_t)mine, rc);
	if (size != core_world.size)
		return fail("this many ranks started: ", (uint64_t)size, MPI_ERR_ARG);
	MPI_Comm world = core_lower->world, out;
	differ = rank != mine;
	rc = LOWER(t, core_lower->f.Allreduce(&differ, &any, 1, MPI_INT, MPI_MAX, world));
	if (rc == MPI_SUCCESS && any) {
		rc = LOWER(t, core_lower->f.Comm_split(world, 0, mine, &out));
		if (rc == MPI_SUCCESS)
			core_world.lower = world = out;
	}
	if (rc == MPI_SUCCESS)
		rc = LOWER(t, core_lower->f.Comm_dup(world, &out));
	if (rc != MPI_SUCCESS)
		return fail("MPI_COMM_WORLD of rank ", (uint64_t)mine, rc);
	core_attach_private(out);
	return 0;
}

/* A tag on core_private, the same for all members. */
static int private_tag(uint64_t gid)
{
	int tag = (int)(gid % (uint64_t)core_lower->tag_ub);
	return tag == CORE_PART_TAG ? core_lower->tag_ub : tag;
}

/* Both sides make their own communicator, then the leaders meet. */
static int make_inter(volatile struct mana_thread *t, struct core_comm *c, MPI_Comm *lower)
{
	MPI_Comm peer = core_private, local = *lower;
	int leader = c->remote_world[0], tag = private_tag(c->gid);
	int rc = LOWER(t, core_lower->f.Intercomm_create(local, 0, peer, leader, tag, lower));
	return rc == MPI_SUCCESS ? LOWER(t, core_lower->f.Comm_free(&local)) : rc;
}

static int rebuild_comm(volatile struct mana_thread *t, struct core_comm *c)
{
	MPI_Comm world = core_world.lower, lower = MPI_COMM_NULL;
	int rc = LOWER(t, core_lower->p.comm_from_ranks(world, c->size, c->world, (int)(c->gid & 0x3fff), &lower));
	if (rc == MPI_SUCCESS && c->inter)
		rc = make_inter(t, c, &lower);
	if (rc == MPI_SUCCESS && c->topo)
		rc = core_topo_build(t, c->topo, &lower);
	if (rc != MPI_SUCCESS)
		return fail("communicator ", c->gid, rc);
	c->lower = lower;
	return 0;
}

/* Sifts list[i] down in a heap of n, largest gid at the root. */
static void sift(struct core_comm **list, int i, int n)
{
	for (int k; (k = 2 * i + 1) < n; i = k) {
		if (k + 1 < n && list[k + 1]->gid > list[k]->gid)
			k++;
		if (list[i]->gid >= list[k]->gid)
			return;
		struct core_comm *x = list[i];
		list[i] = list[k];
		list[k] = x;
	}
}

static void sort_by_gid(struct core_comm **list, int n)
{
	for (int i = n / 2; i-- > 0;)
		sift(list, i, n);
	for (int i = n; i-- > 1;) {
		struct core_comm *x = list[0];
		list[0] = list[i];
		list[i] = x;
		sift(list, 0, i);
	}
}

static int rebuild_comms(volatile struct mana_thread *t)
{
	struct core_comm *c, **list = core_alloc(((size_t)core_comms.used + 1) * sizeof *list);
	int n = 0, rc = 0;
	/* One that the program has freed is not made again: at a checkpoint every
	 * message on it has been received or drained. */
	FOR_TABLE(&core_comms, c)
		if (!c->freed)
			list[n++] = c;
	sort_by_gid(list, n);
	for (int i = 0; i < n && !rc; i++)
		rc = rebuild_comm(t, list[i]);
	core_free(list);
	return rc;
}

/* Files, in ascending order of gid as well. */
static int rebuild_files(volatile struct mana_thread *t)
{
	uint64_t last = 0;
	for (;;) {
		struct core_file *f, *next = 0;
		FOR_TABLE(&core_files, f)
			if (f->gid > last && (!next || f->gid < next->gid))
				next = f;
		if (!next)
			return 0;
		int rc = core_file_rebuild(t, next);
		if (rc != MPI_SUCCESS)
			return fail(next->name, next->gid, rc);
		last = next->gid;
	}
}

int core_rebuild_objects(void)
{
	volatile struct mana_thread *t = core_self_thread();
	core_type_forget();
	core_op_forget();
	int rc = rebuild_world(t);
	if (!rc)
		rc = rebuild_comms(t);
	if (!rc && (rc = core_win_rebuild(t)))
		fail("a window", 0, rc);
	if (!rc)
		rc = rebuild_files(t);
	if (!rc)
		core_time_restart();
	return rc;
}
