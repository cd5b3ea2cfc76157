/* core_errh.c - error handlers, classes and texts.
 *
 * The lower half only ever returns errors; what happens then is decided here,
 * in the upper half, when the call is over.
 */
#include <stdio.h>
#include <string.h>

#include "core_file.h"
#include "core_win.h"

static struct core_errh *errh_of(MPI_Errhandler h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_errhs, VID(h));
}

void *core_errh_function(MPI_Errhandler h)
{
	struct core_errh *e = errh_of(h);
	return e ? e->fn : 0;
}

/* MPICH's C++ library asks for the handler of a failed call, and throws itself where it is this. */
static int returns(MPI_Errhandler h)
{
	return h == MPI_ERRORS_RETURN || h == MPIR_ERRORS_THROW_EXCEPTIONS;
}

static int predefined(MPI_Errhandler h)
{
	return h == MPI_ERRORS_ARE_FATAL || h == MPI_ERRORS_ABORT || returns(h);
}

void core_errh_ref(MPI_Errhandler h)
{
	struct core_errh *e = errh_of(h);
	if (e)
		__atomic_fetch_add(&e->refs, 1, __ATOMIC_RELAXED);
}

void core_errh_unref(MPI_Errhandler h)
{
	struct core_errh *e = errh_of(h);
	if (!e || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL))
		return;
	core_table_del(&core_errhs, e->vid);
	core_free(e);
}

static int create(int kind, void *fn, MPI_Errhandler *out)
{
	ENTER_LOCAL();
	struct core_errh *e = core_alloc(sizeof *e);
	e->refs = 1;
	e->kind = kind;
	e->fn = fn;
	e->vid = core_table_add(&core_errhs, e);
	*out = HANDLE(MPI_Errhandler, e->vid);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_create_errhandler(MPI_Comm_errhandler_function *comm_errhandler_fn, MPI_Errhandler *errhandler)
{
	return create(ERRH_COMM, (void *)comm_errhandler_fn, errhandler);
}

int core_Win_create_errhandler(MPI_Win_errhandler_function *win_errhandler_fn, MPI_Errhandler *errhandler)
{
	return create(ERRH_WIN, (void *)win_errhandler_fn, errhandler);
}

int core_File_create_errhandler(MPI_File_errhandler_function *file_errhandler_fn, MPI_Errhandler *errhandler)
{
	return create(ERRH_FILE, (void *)file_errhandler_fn, errhandler);
}

int core_Session_create_errhandler(MPI_Session_errhandler_function *session_errhandler_fn, MPI_Errhandler *errhandler)
{
	return create(ERRH_SESSION, (void *)session_errhandler_fn, errhandler);
}

int core_Errhandler_free(MPI_Errhandler *errhandler)
{
	if (!errh_of(*errhandler) && !predefined(*errhandler))
		return MPI_ERR_ERRHANDLER;
	ENTER_LOCAL();
	core_errh_unref(*errhandler);
	*errhandler = MPI_ERRHANDLER_NULL;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_errh_fits(MPI_Errhandler h, int kind)
{
	struct core_errh *e = errh_of(h);
	return e ? e->kind == kind : predefined(h);
}

int core_errh_set(MPI_Errhandler *slot, MPI_Errhandler h, int kind)
{
	if (!core_errh_fits(h, kind))
		return MPI_ERR_ERRHANDLER;
	ENTER_LOCAL();
	MPI_Errhandler old = *slot;
	core_errh_ref(h);
	*slot = h;
	core_errh_unref(old);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
{
	struct core_comm *c = core_comm_of(comm);
	return c ? core_errh_set(&c->errh, errhandler, ERRH_COMM) : MPI_ERR_COMM;
}

int core_Comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *errhandler)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	core_errh_ref(c->errh);
	*errhandler = VID(c->errh) ? c->errh : MPI_ERRORS_ARE_FATAL;
	return MPI_SUCCESS;
}

int core_Comm_call_errhandler(MPI_Comm comm, int errorcode)
{
	if (!core_comm_of(comm))
		return MPI_ERR_COMM;
	core_error(comm, errorcode, "MPI_Comm_call_errhandler");
	return MPI_SUCCESS;
}

/* Errors that belong to no communicator go to MPI_COMM_SELF since MPI-4, to
 * MPI_COMM_WORLD before: whichever of the two the program has changed. */
static struct core_comm *default_comm(MPI_Comm *h)
{
	int self_set = VID(core_self.errh) && core_self.errh != MPI_ERRORS_ARE_FATAL;
	*h = self_set ? MPI_COMM_SELF : MPI_COMM_WORLD;
	return self_set ? &core_self : &core_world;
}

int core_raise(int kind, uint64_t object, MPI_Errhandler h, int errclass, const char *function)
{
	if (returns(h))
		return errclass;
	struct core_errh *e = errh_of(h);
	if (!e) {
		fflush(0); /* as the real library's exit does */
		core_die("%s: %s", function, core_error_text(errclass));
	}
	return core_front.errh(kind, e->fn, object, errclass);
}

int core_error(MPI_Comm comm, int errclass, const char *function)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c && VID(core_failed_comm)) { /* a completion call: the communicator of its request */
		comm = core_failed_comm;
		core_failed_comm = 0;
		c = core_comm_of(comm);
	}
	if (!c || (!VID(c->errh) && core_front.late_errhandler))
		c = default_comm(&comm);
	return core_raise(ERRH_COMM, VID(comm), c->errh, errclass, function);
}

int core_error_win(MPI_Win win, int errclass, const char *function)
{
	struct core_win *w = core_win_of(win);
	if (!w || (!VID(w->errh) && core_front.late_errhandler))
		return core_error(MPI_COMM_NULL, errclass, function);
	return core_raise(ERRH_WIN, VID(win), w->errh, errclass, function);
}

int core_error_file(MPI_File file, int errclass, const char *function)
{
	struct core_file *f = core_file_of(file);
	return core_raise(ERRH_FILE, f ? VID(file) : VID(MPI_FILE_NULL), f ? f->errh : core_file_errh, errclass, function);
}

int core_Win_call_errhandler(MPI_Win win, int errorcode)
{
	if (!core_win_of(win))
		return MPI_ERR_WIN;
	core_error_win(win, errorcode, "MPI_Win_call_errhandler");
	return MPI_SUCCESS;
}

int core_File_call_errhandler(MPI_File fh, int errorcode)
{
	if (!core_file_of(fh) && fh != MPI_FILE_NULL)
		return MPI_ERR_FILE;
	core_error_file(fh, errorcode, "MPI_File_call_errhandler");
	return MPI_SUCCESS;
}

static const char *const texts[] = {
	[MPI_SUCCESS] = "no error",
	[MPI_ERR_BUFFER] = "invalid buffer pointer",
	[MPI_ERR_COUNT] = "invalid count argument",
	[MPI_ERR_TYPE] = "invalid datatype argument",
	[MPI_ERR_TAG] = "invalid tag argument",
	[MPI_ERR_COMM] = "invalid communicator",
	[MPI_ERR_RANK] = "invalid rank",
	[MPI_ERR_REQUEST] = "invalid request handle",
	[MPI_ERR_ROOT] = "invalid root",
	[MPI_ERR_GROUP] = "invalid group",
	[MPI_ERR_OP] = "invalid operation",
	[MPI_ERR_TOPOLOGY] = "invalid topology",
	[MPI_ERR_DIMS] = "invalid dimension argument",
	[MPI_ERR_ARG] = "invalid argument",
	[MPI_ERR_UNKNOWN] = "unknown error",
	[MPI_ERR_TRUNCATE] = "message truncated on receive",
	[MPI_ERR_OTHER] = "known error not in this list",
	[MPI_ERR_INTERN] = "internal error of the MPI library",
	[MPI_ERR_IN_STATUS] = "error code is in status",
	[MPI_ERR_PENDING] = "pending request",
	[MPI_ERR_ACCESS] = "permission denied",
	[MPI_ERR_AMODE] = "error in the access mode of a file",
	[MPI_ERR_ASSERT] = "invalid assert argument",
	[MPI_ERR_BAD_FILE] = "invalid file name",
	[MPI_ERR_BASE] = "invalid base passed to MPI_Free_mem",
	[MPI_ERR_CONVERSION] = "error in a data conversion function",
	[MPI_ERR_DISP] = "invalid displacement argument",
	[MPI_ERR_DUP_DATAREP] = "data representation defined already",
	[MPI_ERR_FILE_EXISTS] = "file exists",
	[MPI_ERR_FILE_IN_USE] = "file is in use",
	[MPI_ERR_FILE] = "invalid file handle",
	[MPI_ERR_INFO_KEY] = "info key too long or empty",
	[MPI_ERR_INFO_NOKEY] = "no such info key",
	[MPI_ERR_INFO_VALUE] = "info value too long",
	[MPI_ERR_INFO] = "invalid info object",
	[MPI_ERR_IO] = "input or output error",
	[MPI_ERR_KEYVAL] = "invalid keyval",
	[MPI_ERR_LOCKTYPE] = "invalid lock type",
	[MPI_ERR_NAME] = "service name not published",
	[MPI_ERR_NO_MEM] = "out of memory",
	[MPI_ERR_NOT_SAME] = "collective argument not the same on all processes",
	[MPI_ERR_NO_SPACE] = "not enough space",
	[MPI_ERR_NO_SUCH_FILE] = "file does not exist",
	[MPI_ERR_PORT] = "invalid port name",
	[MPI_ERR_QUOTA] = "quota exceeded",
	[MPI_ERR_READ_ONLY] = "read-only file or file system",
	[MPI_ERR_RMA_ATTACH] = "memory cannot be attached",
	[MPI_ERR_RMA_CONFLICT] = "conflicting accesses to a window",
	[MPI_ERR_RMA_RANGE] = "target memory is not part of the window",
	[MPI_ERR_RMA_SHARED] = "memory cannot be shared",
	[MPI_ERR_RMA_SYNC] = "wrong synchronisation of one-sided calls",
	[MPI_ERR_SERVICE] = "invalid service name",
	[MPI_ERR_SIZE] = "invalid size argument",
	[MPI_ERR_SPAWN] = "error in spawning processes",
	[MPI_ERR_UNSUPPORTED_DATAREP] = "unsupported data representation",
	[MPI_ERR_UNSUPPORTED_OPERATION] = "unsupported operation",
	[MPI_ERR_WIN] = "invalid window",
	[MPI_ERR_RMA_FLAVOR] = "window of the wrong flavor",
	[MPI_ERR_PROC_ABORTED] = "a peer process has aborted",
	[MPI_ERR_VALUE_TOO_LARGE] = "value does not fit its argument",
	[MPI_ERR_SESSION] = "invalid session",
	[MPI_ERR_ERRHANDLER] = "invalid error handler",
	[MPI_ERR_ABI] = "invalid use of the MPI ABI",
};

/* Codes and classes that the program has added: one array, by number. */
static struct added {
	int errclass; /* its own number: a class; 0: removed */
	char *text;
} *added;
static int nadded;
static uint32_t added_lock;
#define FIRST_ADDED (MPI_ERR_LASTCODE + 1)

int core_last_used_code(void)
{
	return MPI_ERR_LASTCODE + nadded;
}

static struct added *added_of(int code)
{
	struct added *a = code >= FIRST_ADDED && code < FIRST_ADDED + nadded ? &added[code - FIRST_ADDED] : 0;
	return a && a->errclass ? a : 0;
}

const char *core_error_text(int code)
{
	struct added *a = added_of(code);
	if (a)
		return a->text ? a->text : "";
	if (code >= 0 && code < (int)(sizeof texts / sizeof *texts) && texts[code])
		return texts[code];
	return "unknown error code";
}

/* errclass 0: a new class. */
static int add_code(int errclass, int *code)
{
	ENTER_LOCAL();
	core_lock(&added_lock);
	added = core_realloc(added, (size_t)(nadded + 1) * sizeof *added);
	*code = FIRST_ADDED + nadded;
	added[nadded].errclass = errclass ? errclass : *code;
	added[nadded].text = 0;
	nadded++;
	core_unlock(&added_lock);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Add_error_class(int *errorclass)
{
	return add_code(0, errorclass);
}

int core_Add_error_code(int errorclass, int *errorcode)
{
	int c;
	return core_Error_class(errorclass, &c) ? MPI_ERR_ARG : add_code(errorclass, errorcode);
}

int core_Add_error_string(int errorcode, const char *string)
{
	struct added *a = added_of(errorcode);
	if (!a || strlen(string) >= MPI_MAX_ERROR_STRING)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	core_free(a->text);
	a->text = core_dup(string, strlen(string) + 1);
	LEAVE_LOCAL(MPI_SUCCESS);
}

/* Numbers are not given out again; those at the end are no longer in use. */
static void remove_code(struct added *a)
{
	ENTER_LOCAL();
	core_lock(&added_lock);
	core_free(a->text);
	a->text = 0;
	a->errclass = 0;
	while (nadded && !added[nadded - 1].errclass)
		nadded--;
	core_unlock(&added_lock);
	self_->state = state_;
}

/* A class that codes still belong to stays (MPI-4.1, 9.5). */
int core_Remove_error_class(int errorclass)
{
	struct added *a = added_of(errorclass);
	if (!a || a->errclass != errorclass || a->text)
		return MPI_ERR_ARG;
	for (int i = 0; i < nadded; i++)
		if (added[i].errclass == errorclass && &added[i] != a)
			return MPI_ERR_OTHER;
	remove_code(a);
	return MPI_SUCCESS;
}

int core_Remove_error_code(int errorcode)
{
	struct added *a = added_of(errorcode);
	if (!a || a->errclass == errorcode || a->text)
		return MPI_ERR_ARG;
	remove_code(a);
	return MPI_SUCCESS;
}

int core_Remove_error_string(int errorcode)
{
	struct added *a = added_of(errorcode);
	if (!a || !a->text)
		return MPI_ERR_ARG;
	ENTER_LOCAL();
	core_free(a->text);
	a->text = 0;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Error_class(int errorcode, int *errorclass)
{
	struct added *a = added_of(errorcode);
	if (!a && (errorcode < 0 || errorcode > MPI_ERR_LASTCODE))
		return MPI_ERR_ARG;
	*errorclass = a ? a->errclass : errorcode;
	return MPI_SUCCESS;
}

int core_Error_string(int errorcode, char *string, int *resultlen)
{
	if (!added_of(errorcode) && (errorcode < 0 || errorcode > MPI_ERR_LASTCODE))
		return MPI_ERR_ARG;
	core_copy_name(string, core_error_text(errorcode), MPI_MAX_ERROR_STRING);
	*resultlen = (int)strlen(string);
	return MPI_SUCCESS;
}
