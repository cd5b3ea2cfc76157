/* comm.c - communicators by their members, and the elements of received data. */
#include <stdlib.h>

#include "adapter.h"

int adapter_members(MPI_Comm comm, int remote, MPI_Comm world, int n, int ranks[])
{
	native_Group all = native_group(MPI_GROUP_NULL), g = all;
	int *index = malloc(((size_t)n + 1) * sizeof *index);
	int rc = index ? 0 : MPI_ERR_NO_MEM;
	for (int i = 0; i < n && index; i++)
		index[i] = i;
	if (!rc)
		rc = native_err(native.Comm_group(native_comm(world), &all));
	if (!rc)
		rc = native_err(remote ? native.Comm_remote_group(native_comm(comm), &g)
		                       : native.Comm_group(native_comm(comm), &g));
	if (!rc)
		rc = native_err(native.Group_translate_ranks(g, n, index, all, ranks));
	if (g != native_group(MPI_GROUP_NULL))
		native.Group_free(&g);
	if (all != native_group(MPI_GROUP_NULL))
		native.Group_free(&all);
	free(index);
	return rc;
}

/* tag >= 0: collective over the new members only. */
static int comm_of_some(native_Comm from, int n, const int ranks[], int tag, MPI_Comm *out)
{
	native_Group all = native_group(MPI_GROUP_NULL), g = all;
	native_Comm none = native_comm(MPI_COMM_NULL), c = none;
	int rc = native_err(native.Comm_group(from, &all));
	if (!rc)
		rc = native_err(native.Group_incl(all, n, ranks, &g));
	if (!rc)
		rc = native_err(tag < 0 ? native.Comm_create(from, g, &c) : native.Comm_create_group(from, g, tag, &c));
	if (!rc) {
		if (c != none)
			native.Comm_set_errhandler(c, native_errh(MPI_ERRORS_RETURN));
		*out = native_comm_out(c);
	}
	if (g != native_group(MPI_GROUP_NULL))
		native.Group_free(&g);
	if (all != native_group(MPI_GROUP_NULL))
		native.Group_free(&all);
	return rc;
}

int adapter_comm_from_ranks(MPI_Comm from, int n, const int ranks[], int tag, MPI_Comm *out)
{
	return comm_of_some(native_comm(from), n, ranks, tag, out);
}

int adapter_comm_create(MPI_Comm c, int n, const int positions[], MPI_Comm *out)
{
	return comm_of_some(native_comm(c), n, positions, -1, out);
}

int adapter_elements(MPI_Datatype type, int64_t bytes, MPI_Count *n)
{
	const struct mana_status st = {.bytes = bytes};
	native_Status status;
	native_status_in(&st, &status);
	return native_err(native.Get_elements_x(&status, native_type(type), n));
}
