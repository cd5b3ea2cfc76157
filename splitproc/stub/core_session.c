/* core_session.c - sessions over the sets mpi://WORLD and mpi://SELF.
 *
 * The library below is initialised once, by MPI_Init or by the first session,
 * whichever comes first, and then always for all ranks. A library cannot be
 * initialised again, and a program may make further sessions at any time: once
 * there was one, the library stays until the process exits.
 */
#include <string.h>

#include "core_objects.h"
#include "stub.h"

struct core_session {
	uint32_t vid;
	MPI_Errhandler errh;
	struct core_info *info;
};

static struct core_table sessions;
static int nsessions;
int core_sessions_made;

static const char *const psets[] = {"mpi://WORLD", "mpi://SELF"};
enum { PSETS = sizeof psets / sizeof *psets };

static struct core_session *session_of(MPI_Session h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&sessions, VID(h));
}

int core_error_session(MPI_Session session, int errclass, const char *function)
{
	struct core_session *s = session_of(session);
	if (!s)
		return core_error(MPI_COMM_NULL, errclass, function);
	return core_raise(ERRH_SESSION, VID(session), s->errh, errclass, function);
}

static const struct {
	int level;
	const char *name;
} thread_levels[] = {
	{MPI_THREAD_SINGLE, "MPI_THREAD_SINGLE"},
	{MPI_THREAD_FUNNELED, "MPI_THREAD_FUNNELED"},
	{MPI_THREAD_SERIALIZED, "MPI_THREAD_SERIALIZED"},
	{MPI_THREAD_MULTIPLE, "MPI_THREAD_MULTIPLE"},
};

static int thread_level(const struct core_info *info)
{
	for (struct core_info_entry *e = info ? info->first : 0; e; e = e->next)
		for (int i = 0; i < 4 && !strcmp(e->key, "thread_level"); i++)
			if (!strcmp(e->value, thread_levels[i].name))
				return thread_levels[i].level;
	return MPI_THREAD_SINGLE;
}

int core_Session_init(MPI_Info info, MPI_Errhandler errhandler, MPI_Session *session)
{
	*session = MPI_SESSION_NULL;
	if (!core_errh_fits(errhandler, ERRH_SESSION))
		return MPI_ERR_ERRHANDLER;
	core_self_thread(); /* claims the control page */
	if (mana_ctl->inited == MANA_FINALIZED) {
		core_warn("MPI_Session_init: the first session after MPI_Finalize, which has closed the MPI library");
		return MPI_ERR_OTHER;
	}
	core_sessions_made = 1;
	if (mana_ctl->inited == MANA_NOT_INITED)
		core_init_library(thread_level(core_info_of(info)));
	ENTER_LOCAL();
	struct core_session *s = core_alloc(sizeof *s);
	core_errh_ref(errhandler);
	s->errh = errhandler;
	s->info = core_info_copy(core_info_of(info));
	s->vid = core_table_add(&sessions, s);
	__atomic_add_fetch(&nsessions, 1, __ATOMIC_RELAXED);
	*session = HANDLE(MPI_Session, s->vid);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Session_finalize(MPI_Session *session)
{
	struct core_session *s = session_of(*session);
	if (!s)
		return MPI_ERR_SESSION;
	ENTER_LOCAL();
	core_table_del(&sessions, s->vid);
	core_errh_unref(s->errh);
	core_info_drop(s->info);
	core_free(s);
	__atomic_sub_fetch(&nsessions, 1, __ATOMIC_RELAXED);
	*session = MPI_SESSION_NULL;
	LEAVE_LOCAL(MPI_SUCCESS);
}

/* The launcher takes a rank that exits without this for a failed one; a rank
 * that leaves sessions or MPI_Init open has failed. */
__attribute__((destructor)) static void finalize_at_exit(void)
{
	int initialized = 0, finalized = 0;
	if (!core_sessions_made || nsessions || mana_pid != mana_getpid() || mana_ctl->inited != MANA_INITED)
		return;
	core_Initialized(&initialized);
	core_Finalized(&finalized);
	if (initialized == finalized)
		core_finalize_library();
}

/* ---- process sets ---- */

int core_Session_get_num_psets(MPI_Session session, MPI_Info info, int *npset_names)
{
	(void)info;
	if (!session_of(session))
		return MPI_ERR_SESSION;
	*npset_names = PSETS;
	return MPI_SUCCESS;
}

/* Length 0 asks for the length (MPI-4.0, 11.3.2). */
int core_Session_get_nth_pset(MPI_Session session, MPI_Info info, int n, int *pset_len, char *pset_name)
{
	(void)info;
	if (!session_of(session))
		return MPI_ERR_SESSION;
	if (n < 0 || n >= PSETS)
		return MPI_ERR_ARG;
	if (*pset_len > 0)
		core_copy_name(pset_name, psets[n], (size_t)*pset_len);
	*pset_len = (int)strlen(psets[n]) + 1;
	return MPI_SUCCESS;
}

static int pset_of(const char *name)
{
	for (int i = 0; i < PSETS; i++)
		if (!strcmp(name, psets[i]))
			return i;
	return -1;
}

static const struct core_comm *members(int pset)
{
	return pset == 0 ? &core_world : &core_self;
}

int core_Session_get_pset_info(MPI_Session session, const char *pset_name, MPI_Info *info)
{
	int pset = pset_of(pset_name), i = 0;
	char digits[12], *d = digits + sizeof digits;
	*info = MPI_INFO_NULL;
	if (!session_of(session))
		return MPI_ERR_SESSION;
	if (pset < 0)
		return MPI_ERR_ARG;
	*--d = 0;
	for (i = members(pset)->size; i > 0 || !*d; i /= 10)
		*--d = (char)('0' + i % 10);
	int rc = core_Info_create(info);
	return rc == MPI_SUCCESS ? core_Info_set(*info, "mpi_size", d) : rc;
}

int core_Group_from_session_pset(MPI_Session session, const char *pset_name, MPI_Group *newgroup)
{
	int pset = pset_of(pset_name);
	*newgroup = MPI_GROUP_NULL;
	if (!session_of(session))
		return MPI_ERR_SESSION;
	if (pset < 0)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	*newgroup = core_group_new(members(pset)->size, members(pset)->world);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Session_get_info(MPI_Session session, MPI_Info *info_used)
{
	struct core_session *s = session_of(session);
	if (!s)
		return MPI_ERR_SESSION;
	static const struct core_info none;
	ENTER_LOCAL();
	struct core_info *i = core_info_copy(s->info ? s->info : &none);
	for (int k = 0; k < 4; k++)
		if (thread_levels[k].level == mana_ctl->thread_level)
			core_info_set(i, "thread_level", thread_levels[k].name); /* what is provided, not what was asked for */
	*info_used = core_info_handle(i);
	LEAVE_LOCAL(MPI_SUCCESS);
}

/* ---- error handlers ---- */

int core_Session_set_errhandler(MPI_Session session, MPI_Errhandler errhandler)
{
	struct core_session *s = session_of(session);
	return s ? core_errh_set(&s->errh, errhandler, ERRH_SESSION) : MPI_ERR_SESSION;
}

int core_Session_get_errhandler(MPI_Session session, MPI_Errhandler *errhandler)
{
	struct core_session *s = session_of(session);
	if (!s)
		return MPI_ERR_SESSION;
	core_errh_ref(s->errh);
	*errhandler = s->errh;
	return MPI_SUCCESS;
}

int core_Session_call_errhandler(MPI_Session session, int errorcode)
{
	if (!session_of(session))
		return MPI_ERR_SESSION;
	core_error_session(session, errorcode, "MPI_Session_call_errhandler");
	return MPI_SUCCESS;
}

/* ---- communicators of groups ---- */

/* The string as a tag below the library's own limit for create_group. */
static int tag_of(const char *stringtag)
{
	return (int)(core_hash(0, stringtag, strlen(stringtag)) & 0x3fff);
}

int core_Comm_create_from_group(MPI_Group group, const char *stringtag, MPI_Info info, MPI_Errhandler errhandler, MPI_Comm *newcomm)
{
	*newcomm = MPI_COMM_NULL;
	if (!core_errh_fits(errhandler, ERRH_COMM))
		return MPI_ERR_ERRHANDLER;
	int rc = core_Comm_create_group(MPI_COMM_WORLD, group, tag_of(stringtag), newcomm);
	if (rc == MPI_SUCCESS && *newcomm != MPI_COMM_NULL) {
		core_Comm_set_errhandler(*newcomm, errhandler);
		core_Comm_set_info(*newcomm, info);
	}
	return rc;
}

/* The leaders meet on a communicator of their own. */
static int leaders(MPI_Group local, int local_leader, MPI_Group remote, int remote_leader, int tag, MPI_Comm *peer, int *there)
{
	struct core_group *l = core_group_of(local), *r = core_group_of(remote);
	MPI_Group both;
	if (!r || remote_leader < 0 || remote_leader >= r->size)
		return r ? MPI_ERR_RANK : MPI_ERR_GROUP;
	int a = l->ranks[local_leader], b = r->ranks[remote_leader];
	int pair[2] = {a < b ? a : b, a < b ? b : a};
	if (a == b)
		return MPI_ERR_GROUP;
	*there = b > a;
	volatile struct mana_thread *t = core_self_thread();
	t->state = MANA_IN;
	both = core_group_new(2, pair);
	t->state = MANA_OUT;
	int rc = core_Comm_create_group(MPI_COMM_WORLD, both, tag, peer);
	core_Group_free(&both);
	return rc;
}

int core_Intercomm_create_from_groups(MPI_Group local_group, int local_leader, MPI_Group remote_group, int remote_leader,
                                      const char *stringtag, MPI_Info info, MPI_Errhandler errhandler, MPI_Comm *newintercomm)
{
	struct core_group *l = core_group_of(local_group);
	MPI_Comm local, peer = MPI_COMM_NULL;
	int tag = tag_of(stringtag), there = 0;
	*newintercomm = MPI_COMM_NULL;
	if (!l)
		return MPI_ERR_GROUP;
	if (local_leader < 0 || local_leader >= l->size || l->rank == MPI_UNDEFINED)
		return MPI_ERR_RANK;
	int rc = core_Comm_create_from_group(local_group, stringtag, info, errhandler, &local);
	if (rc != MPI_SUCCESS)
		return rc;
	if (l->rank == local_leader)
		rc = leaders(local_group, local_leader, remote_group, remote_leader, tag, &peer, &there);
	if (rc == MPI_SUCCESS)
		rc = core_Intercomm_create(local, local_leader, peer, there, tag, newintercomm);
	if (peer != MPI_COMM_NULL)
		core_Comm_free(&peer);
	core_Comm_free(&local);
	return rc;
}
