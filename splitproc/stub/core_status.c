/* core_status.c - what a status tells: counts, elements, the cancelled flag.
 * MPI_internal[0] is the flag, [1] and [2] are the words of the byte count. */
#include "core_local.h"
#include "core_p2p.h"

static int bad_type(MPI_Datatype type)
{
	return type == MPI_DATATYPE_NULL || (VID(type) >= VID_BASE && !core_table_get(&core_types, VID(type)));
}

int core_Get_count(const MPI_Status *status, MPI_Datatype type, MPI_Count *count)
{
	return core_local_Get_count(status, type, count);
}

int core_Get_elements(const MPI_Status *status, MPI_Datatype type, MPI_Count *count)
{
	MPI_Datatype lt;

	if (unlikely(bad_type(type)))
		return MPI_ERR_TYPE;
	if (!core_status_bytes(status)) {
		*count = 0;
		return MPI_SUCCESS;
	}
	ENTER();
	lt = core_type_lower(type);
	LEAVE(LOWER(self_, core_lower->p.elements(lt, core_status_bytes(status), count)));
}

static void set_bytes(MPI_Status *status, int64_t bytes)
{
	status->MPI_internal[1] = (int)(uint32_t)bytes;
	status->MPI_internal[2] = (int)(bytes >> 32);
}

/* The byte count at which Get_elements says `count`: whole instances of the
 * type by division, the rest by trying. */
int core_Status_set_elements(MPI_Status *status, MPI_Datatype type, MPI_Count count)
{
	MPI_Count per = 0, size, n = 0;
	MPI_Datatype lt;
	int64_t bytes;
	int rc = MPI_SUCCESS;

	if (bad_type(type))
		return MPI_ERR_TYPE;
	if (count < 0)
		return MPI_ERR_COUNT;
	ENTER();
	size = core_type_size(type);
	lt = core_type_lower(type);
	if (size)
		rc = LOWER(self_, core_lower->p.elements(lt, size, &per));
	if (rc || per <= 0) {
		set_bytes(status, 0);
		LEAVE(rc);
	}
	bytes = count / per * size;
	if (count % per) {
		for (int64_t b = 1; b < size && n != count % per && !rc; b++) {
			rc = LOWER(self_, core_lower->p.elements(lt, b, &n));
			if (n == count % per)
				bytes += b;
		}
	}
	set_bytes(status, bytes);
	LEAVE(rc);
}

int core_Status_set_cancelled(MPI_Status *status, int flag)
{
	status->MPI_internal[0] = flag != 0;
	return MPI_SUCCESS;
}

int core_Test_cancelled(const MPI_Status *status, int *flag)
{
	*flag = status->MPI_internal[0] != 0;
	return MPI_SUCCESS;
}

int core_Status_get_error(const MPI_Status *status, int *error)
{
	*error = status->MPI_ERROR;
	return MPI_SUCCESS;
}

int core_Status_get_source(const MPI_Status *status, int *source)
{
	*source = status->MPI_SOURCE;
	return MPI_SUCCESS;
}

int core_Status_get_tag(const MPI_Status *status, int *tag)
{
	*tag = status->MPI_TAG;
	return MPI_SUCCESS;
}

int core_Status_set_error(MPI_Status *status, int error)
{
	status->MPI_ERROR = error;
	return MPI_SUCCESS;
}

int core_Status_set_source(MPI_Status *status, int source)
{
	status->MPI_SOURCE = source;
	return MPI_SUCCESS;
}

int core_Status_set_tag(MPI_Status *status, int tag)
{
	status->MPI_TAG = tag;
	return MPI_SUCCESS;
}
