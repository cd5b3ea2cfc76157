/* core_abi.c - what a program may ask about the ABI and the hardware. */
#include <string.h>

#include "core_objects.h"

int core_Abi_get_version(int *abi_major, int *abi_minor)
{
	*abi_major = 1;
	*abi_minor = 0;
	return MPI_SUCCESS;
}

static int info_of(const char *const keys[], const char *const values[], int n, MPI_Info *info)
{
	int rc = core_Info_create(info);
	for (int i = 0; rc == MPI_SUCCESS && i < n; i++)
		rc = core_Info_set(*info, keys[i], values[i]);
	return rc;
}

int core_Abi_get_info(MPI_Info *info)
{
	static const char *const keys[] = {"mpi_aint_size", "mpi_count_size", "mpi_offset_size"};
	static const char *const values[] = {"8", "8", "8"};
	return info_of(keys, values, 3, info);
}

/* No hardware is described. */
int core_Get_hw_resource_info(MPI_Info *hw_info)
{
	return core_Info_create(hw_info);
}

/* ---- Fortran's kinds: told by the Fortran library, kept for those who ask ---- */

static struct core_info *fortran;
static struct {
	int set, size;
	char yes[16], no[16];
} booleans;

int core_Abi_set_fortran_info(MPI_Info info)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	if (fortran)
		return MPI_ERR_ABI;
	ENTER_LOCAL();
	fortran = core_info_copy(i);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Abi_get_fortran_info(MPI_Info *info)
{
	if (!fortran) {
		*info = MPI_INFO_NULL;
		return MPI_SUCCESS;
	}
	ENTER_LOCAL();
	*info = core_info_handle(core_info_copy(fortran));
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Abi_set_fortran_booleans(int logical_size, void *logical_true, void *logical_false)
{
	if (logical_size < 1 || logical_size > (int)sizeof booleans.yes)
		return MPI_ERR_ARG;
	if (booleans.set)
		return MPI_ERR_ABI;
	memcpy(booleans.yes, logical_true, (size_t)logical_size);
	memcpy(booleans.no, logical_false, (size_t)logical_size);
	booleans.size = logical_size;
	booleans.set = 1;
	return MPI_SUCCESS;
}

int core_Abi_get_fortran_booleans(int logical_size, void *logical_true, void *logical_false, int *is_set)
{
	*is_set = booleans.set;
	if (!booleans.set)
		return MPI_SUCCESS;
	if (logical_size != booleans.size)
		return MPI_ERR_ARG;
	memcpy(logical_true, booleans.yes, (size_t)logical_size);
	memcpy(logical_false, booleans.no, (size_t)logical_size);
	return MPI_SUCCESS;
}
