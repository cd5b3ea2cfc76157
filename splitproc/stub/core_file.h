/* core_file.h - files of MPI: what is needed to open them again. */
#ifndef MANA_CORE_FILE_H
#define MANA_CORE_FILE_H

#include "core_objects.h"

struct core_file {
	MPI_File lower;
	uint32_t vid;
	int n, *world; /* world ranks that have it open, in order */
	uint64_t gid;  /* same on all of them, as of a communicator */
	volatile struct mana_clock *clock;
	char *name;
	int amode, atomic;
	struct core_info *info;
	MPI_Errhandler errh;
	/* The view; types referenced. disp < 0: none was set. */
	MPI_Offset disp;
	MPI_Datatype etype, filetype;
	char datarep[MPI_MAX_DATAREP_STRING];
	/* Noted at a drain. */
	MPI_Offset position, shared;
	/* Result of a split collective between begin and end. */
	struct mana_status split;
};

HIDDEN extern struct core_table core_files;
HIDDEN extern MPI_Errhandler core_file_errh; /* of MPI_FILE_NULL: what files get when they are opened */
static inline struct core_file *core_file_of(MPI_File h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_files, VID(h));
}
/* Into the library: a collective over the file's processes, or a call of this one alone. */
HIDDEN volatile struct mana_thread *core_file_enter(struct core_file *f, int collective);

#endif
