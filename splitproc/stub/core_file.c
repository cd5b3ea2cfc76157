/* core_file.c - files of MPI: opened, viewed, asked, closed, and opened again after a restart.
 *
 * Positions are the library's; they are noted at a drain, when no operation is
 * under way. What the program has written is in the file already.
 */
#include <string.h>

#include "core_file.h"

struct core_table core_files;
MPI_Errhandler core_file_errh = MPI_ERRORS_RETURN;

volatile struct mana_thread *core_file_enter(struct core_file *f, int collective)
{
	if (collective && f->n > 1) {
		ENTER_CLOCK(f->clock);
		return self_;
	}
	ENTER();
	return self_;
}

static int leave(volatile struct mana_thread *t, int rc)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->state = MANA_OUT;
	return rc;
}

static struct core_file *file_new(struct core_comm *c, uint64_t seed, MPI_File lower, const char *name, int amode)
{
	struct core_file *f = core_alloc(sizeof *f);
	f->lower = lower;
	f->n = c->size;
	f->world = core_dup(c->world, (size_t)c->size * sizeof(int));
	f->gid = core_gid_first(seed, c->world[0]);
	f->clock = core_clock_comm(f->gid);
	f->name = core_dup(name, strlen(name) + 1);
	f->amode = amode;
	f->errh = core_file_errh;
	core_errh_ref(f->errh);
	f->disp = -1;
	f->etype = f->filetype = MPI_BYTE;
	core_copy_name(f->datarep, "native", sizeof f->datarep);
	f->vid = core_table_add(&core_files, f);
	return f;
}

int core_File_open(MPI_Comm comm, const char *filename, int amode, MPI_Info info, MPI_File *fh)
{
	struct core_comm *c = core_comm_of(comm);
	MPI_File lower = MPI_FILE_NULL;
	*fh = MPI_FILE_NULL;
	if (!c || c->inter)
		return MPI_ERR_COMM;
	ENTER_COLL(c);
	uint64_t seed = core_comm_child_gid(c);
	MPI_Comm over = c->lower;
	int rc = LOWER(self_, core_lower->f.File_open(over, filename, amode, MPI_INFO_NULL, &lower));
	if (rc == MPI_SUCCESS) {
		struct core_file *f = file_new(c, seed, lower, filename, amode);
		f->info = core_info_copy(core_info_of(info));
		*fh = HANDLE(MPI_File, f->vid);
	}
	LEAVE(rc);
}

int core_File_close(MPI_File *fh)
{
	struct core_file *f = core_file_of(*fh);
	if (!f)
		return MPI_ERR_FILE;
	volatile struct mana_thread *t = core_file_enter(f, 1);
	MPI_File lower = f->lower;
	int rc = LOWER(t, core_lower->f.File_close(&lower));
	core_table_del(&core_files, f->vid);
	core_clock_drop(f->clock);
	core_type_unref(f->etype);
	core_type_unref(f->filetype);
	core_errh_unref(f->errh);
	core_info_drop(f->info);
	core_free(f->world);
	core_free(f->name);
	core_free(f);
	*fh = MPI_FILE_NULL;
	return leave(t, rc);
}

int core_File_delete(const char *filename, MPI_Info info)
{
	(void)info;
	ENTER();
	LEAVE(LOWER(self_, core_lower->f.File_delete(filename, MPI_INFO_NULL)));
}

/* ---- the view ---- */

int core_File_set_view(MPI_File fh, MPI_Offset disp, MPI_Datatype etype, MPI_Datatype filetype, const char *datarep,
                       MPI_Info info)
{
	struct core_file *f = core_file_of(fh);
	(void)info;
	if (!f)
		return MPI_ERR_FILE;
	if (!core_type_valid(etype) || !core_type_valid(filetype))
		return MPI_ERR_TYPE;
	volatile struct mana_thread *t = core_file_enter(f, 1);
	MPI_Datatype e = core_type_lower(etype), v = core_type_lower(filetype);
	int rc = LOWER(t, core_lower->f.File_set_view(f->lower, disp, e, v, datarep, MPI_INFO_NULL));
	if (rc == MPI_SUCCESS) {
		core_type_ref(etype);
		core_type_ref(filetype);
		core_type_unref(f->etype);
		core_type_unref(f->filetype);
		f->disp = disp;
		f->etype = etype;
		f->filetype = filetype;
		core_copy_name(f->datarep, datarep, sizeof f->datarep);
	}
	return leave(t, rc);
}

int core_File_get_view(MPI_File fh, MPI_Offset *disp, MPI_Datatype *etype, MPI_Datatype *filetype, char *datarep)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	*disp = f->disp < 0 ? 0 : f->disp;
	*etype = f->etype;
	*filetype = f->filetype;
	core_type_ref(f->etype); /* the program frees what it is given */
	core_type_ref(f->filetype);
	core_copy_name(datarep, f->datarep, MPI_MAX_DATAREP_STRING);
	return MPI_SUCCESS;
}

int core_File_set_atomicity(MPI_File fh, int flag)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	volatile struct mana_thread *t = core_file_enter(f, 1);
	int rc = LOWER(t, core_lower->f.File_set_atomicity(f->lower, flag));
	if (rc == MPI_SUCCESS)
		f->atomic = flag != 0;
	return leave(t, rc);
}

int core_File_get_atomicity(MPI_File fh, int *flag)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	*flag = f->atomic;
	return MPI_SUCCESS;
}

/* ---- what the core knows ---- */

int core_File_get_amode(MPI_File fh, int *amode)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	*amode = f->amode;
	return MPI_SUCCESS;
}

int core_File_get_group(MPI_File fh, MPI_Group *group)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	ENTER_LOCAL();
	*group = core_group_new(f->n, f->world);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_File_set_info(MPI_File fh, MPI_Info info)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	ENTER_LOCAL();
	core_info_drop(f->info);
	f->info = core_info_copy(core_info_of(info));
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_File_get_info(MPI_File fh, MPI_Info *info_used)
{
	struct core_file *f = core_file_of(fh);
	if (!f)
		return MPI_ERR_FILE;
	if (!f->info)
		return core_Info_create(info_used);
	ENTER_LOCAL();
	*info_used = core_info_handle(core_info_copy(f->info));
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_File_set_errhandler(MPI_File file, MPI_Errhandler errhandler)
{
	struct core_file *f = core_file_of(file);
	if (!f && file != MPI_FILE_NULL)
		return MPI_ERR_FILE;
	return core_errh_set(f ? &f->errh : &core_file_errh, errhandler, ERRH_FILE);
}

int core_File_get_errhandler(MPI_File file, MPI_Errhandler *errhandler)
{
	struct core_file *f = core_file_of(file);
	if (!f && file != MPI_FILE_NULL)
		return MPI_ERR_FILE;
	*errhandler = f ? f->errh : core_file_errh;
	core_errh_ref(*errhandler);
	return MPI_SUCCESS;
}

/* ---- checkpoint and restart: only the main thread runs ---- */

int core_files_note(void)
{
	volatile struct mana_thread *t = core_self_thread();
	struct core_file *f;
	FOR_TABLE(&core_files, f) {
		if (f->amode & MPI_MODE_SEQUENTIAL)
			continue;
		int rc = LOWER(t, core_lower->f.File_get_position(f->lower, &f->position));
		if (rc == MPI_SUCCESS)
			rc = LOWER(t, core_lower->f.File_get_position_shared(f->lower, &f->shared));
		if (rc != MPI_SUCCESS)
			return rc;
	}
	return MPI_SUCCESS;
}

int core_file_rebuild(volatile struct mana_thread *t, struct core_file *f)
{
	MPI_Comm world = core_world.lower, c;
	/* It exists; the program asked for it to be new when it opened it first. */
	int amode = f->amode & ~(MPI_MODE_CREATE | MPI_MODE_EXCL);
	int rc = LOWER(t, core_lower->p.comm_from_ranks(world, f->n, f->world, (int)(f->gid & 0x3fff), &c));
	if (rc != MPI_SUCCESS)
		return rc;
	rc = LOWER(t, core_lower->f.File_open(c, f->name, amode, MPI_INFO_NULL, &f->lower));
	if (rc == MPI_SUCCESS && f->disp >= 0) {
		MPI_Datatype e = core_type_lower(f->etype), v = core_type_lower(f->filetype);
		rc = LOWER(t, core_lower->f.File_set_view(f->lower, f->disp, e, v, f->datarep, MPI_INFO_NULL));
	}
	if (rc == MPI_SUCCESS && f->atomic)
		rc = LOWER(t, core_lower->f.File_set_atomicity(f->lower, 1));
	if (rc == MPI_SUCCESS && !(f->amode & MPI_MODE_SEQUENTIAL)) {
		rc = LOWER(t, core_lower->f.File_seek(f->lower, f->position, MPI_SEEK_SET));
		if (rc == MPI_SUCCESS && f->shared)
			rc = LOWER(t, core_lower->f.File_seek_shared(f->lower, f->shared, MPI_SEEK_SET));
	}
	LOWER(t, core_lower->f.Comm_free(&c));
	return rc;
}
