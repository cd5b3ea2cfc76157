/* core_env.c - the start and the end of MPI, time, names, memory. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core_objects.h"
#include "core_p2p.h"
#include "stub.h"

MPI_Comm core_private;
uint64_t *core_sent, *core_received;

static volatile struct mana_thread *main_thread;

/* The world model, as the program sees it: with sessions the library may be
 * there before MPI_Init and after MPI_Finalize. */
static int world; /* mana_ctl->inited's values */

/* Lower handles of world, self and the private communicator; also after a restart. */
int core_attach_lower(volatile struct mana_thread *t, int *rank, int *size)
{
	core_world.lower = core_lower->world;
	core_self.lower = core_lower->self;
	MPI_Comm world = core_lower->world;
	int rc = LOWER(t, core_lower->f.Comm_size(world, size));
	return rc == MPI_SUCCESS ? LOWER(t, core_lower->f.Comm_rank(world, rank)) : rc;
}

void core_attach_private(MPI_Comm lower)
{
	core_private = core_parts.lower = lower;
}

static void init_comms(int rank, int size)
{
	int *all = core_alloc((size_t)size * sizeof(int)), *me = core_alloc(sizeof(int));
	for (int i = 0; i < size; i++)
		all[i] = i;
	*me = rank;
	core_world.rank = rank;
	core_comm_set_lists(&core_world, size, all);
	core_comm_set_lists(&core_self, 1, me);
	core_world.gid = core_hash(0, "world", 5);
	core_self.gid = core_gid_first(core_hash(0, "self", 4), rank);
	core_world.clock = core_clock_comm(core_world.gid);
	core_self.clock = core_clock_comm(core_self.gid);
	/* MPI_Init is the first thing collective over all ranks; others see it by this clock. */
	core_clock_group(size, all)->clock = 1;
	core_sent = core_alloc((size_t)size * sizeof *core_sent);
	core_received = core_alloc((size_t)size * sizeof *core_received);
}

int core_init_objects(void)
{
	volatile struct mana_thread *t = core_self_thread();
	int rank, size;
	int rc = core_attach_lower(t, &rank, &size);
	if (rc != MPI_SUCCESS)
		return rc;
	init_comms(rank, size);
	core_over.vid = core_table_add(&core_requests, &core_over);
	core_request_grow();
	core_type_init(t);
	MPI_Comm world = core_world.lower, dup;
	rc = LOWER(t, core_lower->f.Comm_dup(world, &dup));
	if (rc != MPI_SUCCESS)
		return rc;
	core_comm_set_lists(&core_parts, size, core_world.world);
	core_attach_private(dup);
	mana_ctl->rank = rank;
	mana_ctl->nranks = size;
	return MPI_SUCCESS;
}

/* The library, once in the life of the process. */
void core_init_library(int required)
{
	volatile struct mana_thread *t = core_self_thread();
	t->state = MANA_COLL;
	main_thread = t;
	mana_ctl->inited = MANA_INITING;
	if (core_enter_lower())
		core_die("MPI_Init: no lower half: %s", (const char *)mana_ctl->errmsg);
	int level = MPI_THREAD_SINGLE;
	uint64_t mask = mana_hold_signals();
	int rc = LOWER(t, core_lower->p.init(required, &level));
	mana_release_signals(mask);
	if (rc == MPI_SUCCESS)
		rc = core_init_objects();
	if (rc != MPI_SUCCESS)
		core_die("MPI_Init: %s", core_error_text(rc));
	mana_ctl->thread_level = level;
	__atomic_store_n(&mana_ctl->inited, MANA_INITED, __ATOMIC_SEQ_CST);
	mana_ring();
	t->state = MANA_OUT;
}

int core_Init_thread(int *argc, char ***argv, int required, int *provided)
{
	(void)argc;
	(void)argv;
	if (world != MANA_NOT_INITED)
		core_die("MPI_Init: called a second time");
	core_self_thread(); /* claims the control page */
	if (mana_ctl->inited == MANA_NOT_INITED)
		core_init_library(required);
	world = MANA_INITED;
	*provided = mana_ctl->thread_level;
	return MPI_SUCCESS;
}

int core_Init(int *argc, char ***argv)
{
	int provided;
	return core_Init_thread(argc, argv, MPI_THREAD_SINGLE, &provided);
}

/* A collective over all ranks that no rank may miss. */
int core_finalize_library(void)
{
	ENTER_COLL(&core_world);
	core_p2p_finalize();
	int rc = LOWER(self_, core_lower->f.Finalize());
	/* From now on every call takes the slow way in, which knows that it is over. */
	for (uint32_t i = 0; i < mana_ctl->nthreads; i++)
		mana_ctl->threads[i].lower_tp = 0;
	core_lower = 0;
	__atomic_store_n(&mana_ctl->inited, MANA_FINALIZED, __ATOMIC_SEQ_CST);
	mana_ring();
	LEAVE(rc);
}

int core_Finalize(void)
{
	core_need_mpi("MPI_Finalize");
	if (world != MANA_INITED)
		core_die("MPI_Finalize: called %s", world == MANA_NOT_INITED ? "before MPI_Init" : "a second time");
	/* MPI-4.0, 11.10.1: first what hangs on MPI_COMM_SELF, last set first. */
	core_attrs_delete(KEYVAL_COMM, VID(MPI_COMM_SELF), &core_self.attrs);
	world = MANA_FINALIZED;
	return core_sessions_made ? MPI_SUCCESS : core_finalize_library(); /* else at the exit (core_session.c) */
}

int core_Initialized(int *flag)
{
	*flag = world != MANA_NOT_INITED;
	return MPI_SUCCESS;
}

int core_Finalized(int *flag)
{
	*flag = world == MANA_FINALIZED;
	return MPI_SUCCESS;
}

int core_Query_thread(int *provided)
{
	core_need_mpi("MPI_Query_thread");
	*provided = mana_ctl->thread_level;
	return MPI_SUCCESS;
}

int core_Is_thread_main(int *flag)
{
	core_need_mpi("MPI_Is_thread_main");
	*flag = core_self_thread() == main_thread;
	return MPI_SUCCESS;
}

/* Ends the whole job, whatever the communicator. */
int core_Abort(MPI_Comm comm, int errorcode)
{
	(void)comm;
	volatile struct mana_thread *t = core_self_thread();
	if (mana_ctl->inited == MANA_INITED && core_lower) {
		if (!t->lower_tp)
			core_thread_is(t, core_lower->main_tp); /* the process ends; it need not be ours */
		t->state = MANA_IN;
		MPI_Comm world = core_world.lower;
		/* The library ends by its own libc's exit, which knows nothing of the program's streams. */
		fflush(0);
		LOWER(t, core_lower->f.Abort(world, errorcode));
	}
	syscall(SYS_exit_group, errorcode ? errorcode : 1);
	__builtin_unreachable();
}

/* Entries of the library that belong to no MPI function; a language's own library calls them. */
int core_unsupported(const char *function)
{
	core_die("%s is not supported", function);
}

int core_refused(const char *function, const char *why, int *told, int errclass)
{
	if (!__atomic_exchange_n(told, 1, __ATOMIC_RELAXED))
		core_warn("%s is refused under checkpoint control: %s", function, why);
	return errclass;
}

/* ---- time ---- */

static double time_offset, time_last;

static double monotonic(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

double core_Wtime(void)
{
	double now = monotonic() + time_offset;
	time_last = now;
	return now;
}

/* After a restart, perhaps on a machine that came up at another time, the
 * program's clock goes on from the last value that it has seen. */
void core_time_restart(void)
{
	if (time_last != 0)
		time_offset = time_last - monotonic();
}

double core_Wtick(void)
{
	return 1e-9;
}

/* ---- names ---- */

int core_Get_processor_name(char *name, int *resultlen)
{
	struct utsname u;
	uname(&u);
	core_copy_name(name, u.nodename, MPI_MAX_PROCESSOR_NAME);
	*resultlen = (int)strlen(name);
	return MPI_SUCCESS;
}

/* What the program's mpi.h says. */
int core_Get_version(int *version, int *subversion)
{
	int ompi = !strcmp(core_front.abi, "ompi"), mpich = !strcmp(core_front.abi, "mpich");
	*version = ompi ? 3 : mpich ? 4 : MPI_VERSION;
	*subversion = ompi ? 1 : mpich ? 0 : MPI_SUBVERSION;
	return MPI_SUCCESS;
}

int core_Get_library_version(char *version, int *resultlen)
{
	char lib[sizeof mana_ctl->lib];
	for (size_t i = 0; i < sizeof lib; i++)
		lib[i] = mana_ctl->lib[i];
	lib[sizeof lib - 1] = 0;
	/* Before MPI_Init there is no library yet; the program's own family is known. */
	const char *family = !strcmp(core_front.abi, "ompi") ? "Open MPI" : !strcmp(core_front.abi, "mpich") ? "MPICH" : "MPI";
	core_copy_name(version, lib[0] ? lib : family, MPI_MAX_LIBRARY_VERSION_STRING);
	*resultlen = (int)strlen(version);
	return MPI_SUCCESS;
}

/* ---- memory: the program's, so the upper half's ---- */

int core_Alloc_mem(MPI_Aint size, MPI_Info info, void *baseptr)
{
	(void)info;
	if (size < 0)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	*(void **)baseptr = core_alloc(size ? (size_t)size : 1);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Free_mem(void *base)
{
	ENTER_LOCAL();
	core_free(base);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Get_address(const void *location, MPI_Aint *address)
{
	*address = (MPI_Aint)location;
	return MPI_SUCCESS;
}
