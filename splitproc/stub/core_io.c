/* core_io.c - reading and writing files of MPI: one crossing each.
 *
 * Split collectives are done whole in their first half; the second half hands
 * out the status. So no checkpoint falls between the two.
 */
#include "core_file.h"
#include "core_p2p.h"

static int leave(volatile struct mana_thread *t, int rc, MPI_Status *status, const struct mana_status *st)
{
	if (rc == MPI_SUCCESS && st)
		core_status_out(status, st);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->state = MANA_OUT;
	return rc;
}

#define WITH ,
#define NO_OFFSET
#define FILE_OR_FAIL                              \
	struct core_file *f = core_file_of(fh);   \
	if (unlikely(!f))                         \
		return MPI_ERR_FILE;              \
	if (unlikely(!core_type_valid(datatype))) \
	return MPI_ERR_TYPE

/* Blocking. decl, arg: the explicit offset. */
#define BLOCKING(name, collective, buffer, decl, arg)                                                                \
	int core_File_##name(MPI_File fh decl, buffer buf, MPI_Count count, MPI_Datatype datatype, MPI_Status *status) \
	{                                                                                                            \
		FILE_OR_FAIL;                                                                                        \
		volatile struct mana_thread *t = core_file_enter(f, collective);                                     \
		MPI_Datatype lt = core_type_lower(datatype);                                                         \
		struct mana_status st = {.error = 0};                                                                \
		int rc = LOWER(t, core_lower->f.File_##name(f->lower arg, buf, count, lt, &st));                     \
		return leave(t, rc, status, &st);                                                                    \
	}
#define OFFSET_DECL WITH MPI_Offset offset
#define OFFSET_ARG WITH offset
BLOCKING(read, 0, void *, NO_OFFSET, NO_OFFSET)
BLOCKING(write, 0, const void *, NO_OFFSET, NO_OFFSET)
BLOCKING(read_at, 0, void *, OFFSET_DECL, OFFSET_ARG)
BLOCKING(write_at, 0, const void *, OFFSET_DECL, OFFSET_ARG)
BLOCKING(read_shared, 0, void *, NO_OFFSET, NO_OFFSET)
BLOCKING(write_shared, 0, const void *, NO_OFFSET, NO_OFFSET)
BLOCKING(read_all, 1, void *, NO_OFFSET, NO_OFFSET)
BLOCKING(write_all, 1, const void *, NO_OFFSET, NO_OFFSET)
BLOCKING(read_at_all, 1, void *, OFFSET_DECL, OFFSET_ARG)
BLOCKING(write_at_all, 1, const void *, OFFSET_DECL, OFFSET_ARG)
BLOCKING(read_ordered, 1, void *, NO_OFFSET, NO_OFFSET)
BLOCKING(write_ordered, 1, const void *, NO_OFFSET, NO_OFFSET)

/* Split: begin and end. */
static int keep_split(MPI_File fh, int rc, const MPI_Status *status)
{
	struct core_file *f = core_file_of(fh);
	if (rc == MPI_SUCCESS && f)
		f->split = (struct mana_status){
			.source = status->MPI_SOURCE,
			.tag = status->MPI_TAG,
			.bytes = (int64_t)((uint64_t)(uint32_t)status->MPI_internal[2] << 32 | (uint32_t)status->MPI_internal[1]),
		};
	return rc;
}

static int end_split(MPI_File fh, MPI_Status *status)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	core_status_out(status, &f->split);
	return MPI_SUCCESS;
}

#define SPLIT(name, buffer, decl, arg)                                                                         \
	int core_File_##name##_begin(MPI_File fh decl, buffer buf, MPI_Count count, MPI_Datatype datatype)     \
	{                                                                                                      \
		MPI_Status status;                                                                             \
		return keep_split(fh, core_File_##name(fh arg, buf, count, datatype, &status), &status);       \
	}                                                                                                      \
	int core_File_##name##_end(MPI_File fh, buffer buf, MPI_Status *status)                                \
	{                                                                                                      \
		(void)buf;                                                                                     \
		return end_split(fh, status);                                                                  \
	}
SPLIT(read_all, void *, NO_OFFSET, NO_OFFSET)
SPLIT(write_all, const void *, NO_OFFSET, NO_OFFSET)
SPLIT(read_at_all, void *, OFFSET_DECL, OFFSET_ARG)
SPLIT(write_at_all, const void *, OFFSET_DECL, OFFSET_ARG)
SPLIT(read_ordered, void *, NO_OFFSET, NO_OFFSET)
SPLIT(write_ordered, const void *, NO_OFFSET, NO_OFFSET)

/* ---- nonblocking: a request that the drain completes ---- */

static int posted(volatile struct mana_thread *t, struct core_request *r, int rc, MPI_Datatype type, MPI_Request *request)
{
	const struct mana_status none = {.error = 0};
	if (rc != MPI_SUCCESS) {
		core_request_drop(r);
		return leave(t, rc, 0, 0);
	}
	r->type = (uint32_t)VID(type);
	core_type_ref(type);
	*request = core_request_handle(r);
	if (r->lower == MPI_REQUEST_NULL)
		core_request_complete(r, &none);
	return leave(t, rc, 0, 0);
}

#define NONBLOCKING(name, collective, buffer, decl, arg)                                                     \
	int core_File_##name(MPI_File fh decl, buffer buf, MPI_Count count, MPI_Datatype datatype,           \
	                     MPI_Request *request)                                                           \
	{                                                                                                    \
		FILE_OR_FAIL;                                                                                \
		volatile struct mana_thread *t = core_file_enter(f, collective);                             \
		MPI_Datatype lt = core_type_lower(datatype);                                                 \
		struct core_request *r = core_request_new(REQ_FILE, 0);                                      \
		MPI_Request lower = MPI_REQUEST_NULL;                                                        \
		int rc = LOWER(t, core_lower->f.File_##name(f->lower arg, buf, count, lt, &lower));          \
		r->lower = lower;                                                                            \
		return posted(t, r, rc, datatype, request);                                                  \
	}
NONBLOCKING(iread, 0, void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iwrite, 0, const void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iread_at, 0, void *, OFFSET_DECL, OFFSET_ARG)
NONBLOCKING(iwrite_at, 0, const void *, OFFSET_DECL, OFFSET_ARG)
NONBLOCKING(iread_shared, 0, void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iwrite_shared, 0, const void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iread_all, 1, void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iwrite_all, 1, const void *, NO_OFFSET, NO_OFFSET)
NONBLOCKING(iread_at_all, 1, void *, OFFSET_DECL, OFFSET_ARG)
NONBLOCKING(iwrite_at_all, 1, const void *, OFFSET_DECL, OFFSET_ARG)

/* ---- positions and sizes ---- */

#define SIMPLE(name, collective, decl, ...)                                                   \
	int core_File_##name(MPI_File fh decl)                                                \
	{                                                                                     \
		struct core_file *f = core_file_of(fh);                                       \
		if (!f)                                                                       \
			return MPI_ERR_FILE;                                                  \
		volatile struct mana_thread *t = core_file_enter(f, collective);              \
		return leave(t, LOWER(t, core_lower->f.File_##name(f->lower __VA_ARGS__)), 0, 0); \
	}
SIMPLE(seek, 0, WITH MPI_Offset offset WITH int whence, WITH offset WITH whence)
SIMPLE(get_position, 0, WITH MPI_Offset *offset, WITH offset)
SIMPLE(seek_shared, 1, WITH MPI_Offset offset WITH int whence, WITH offset WITH whence)
SIMPLE(get_position_shared, 0, WITH MPI_Offset *offset, WITH offset)
SIMPLE(get_byte_offset, 0, WITH MPI_Offset offset WITH MPI_Offset *disp, WITH offset WITH disp)
SIMPLE(get_size, 0, WITH MPI_Offset *size, WITH size)
SIMPLE(set_size, 1, WITH MPI_Offset size, WITH size)
SIMPLE(preallocate, 1, WITH MPI_Offset size, WITH size)
SIMPLE(sync, 1, , )

int core_File_get_type_extent(MPI_File fh, MPI_Datatype datatype, MPI_Count *extent)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	if (!core_type_valid(datatype))
		return MPI_ERR_TYPE;
	volatile struct mana_thread *t = core_file_enter(f, 0);
	MPI_Datatype lt = core_type_lower(datatype);
	return leave(t, LOWER(t, core_lower->f.File_get_type_extent(f->lower, lt, extent)), 0, 0);
}
