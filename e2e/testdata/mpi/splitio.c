/* splitio: split collectives with pauses between their halves, and a shared file pointer that every rank writes by. */
#include "check.h"

enum { N = 32 };

int main(int argc, char **argv)
{
	MPI_File split, shared;
	MPI_Status st;
	MPI_Offset size;
	char name[300];
	int data[N], back[N], n, *found;

	begin(argc, argv);
	int amode = MPI_MODE_CREATE | MPI_MODE_RDWR;
	snprintf(name, sizeof name, "splitio.%s.split", prog);
	CHECK(MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &split) == MPI_SUCCESS, "open %s", name);
	MPI_File_set_size(split, 0);
	snprintf(name, sizeof name, "splitio.%s.shared", prog);
	CHECK(MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &shared) == MPI_SUCCESS, "open %s", name);
	MPI_File_set_size(shared, 0);
	for (long k = 0; k < steps; k++) {
		MPI_Offset at = (k * np + me) * (MPI_Offset)sizeof data;
		int entry[2] = {me, (int)k};

		fill(data, N, me, k);
		MPI_File_write_at_all_begin(split, at, data, N, MPI_INT);
		if (k % 3 == 0)
			pause_step();
		MPI_File_write_at_all_end(split, data, &st);
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(n == N, "wrote %d in step %ld", n, k);
		MPI_File_sync(split);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_File_sync(split);
		int other = (me + 1) % np;
		at = (k * np + other) * (MPI_Offset)sizeof data;
		memset(back, 0, sizeof back);
		MPI_File_read_at_all_begin(split, at, back, N, MPI_INT);
		if (k % 3 == 1)
			pause_step();
		MPI_File_read_at_all_end(split, back, &st);
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(n == N, "read %d in step %ld", n, k);
		verify(back, N, other, k, "split");
		MPI_File_write_shared(shared, entry, 2, MPI_INT, &st);
		if (k % 3 == 2)
			pause_step();
		MPI_File_write_ordered_begin(shared, entry, 2, MPI_INT);
		MPI_File_write_ordered_end(shared, entry, &st);
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(n == 2, "wrote %d by the shared pointer", n);
		MPI_File_get_position_shared(shared, &size);
		end_step(k);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_File_get_size(shared, &size);
	CHECK(size == 2 * steps * np * (MPI_Offset)(2 * sizeof(int)), "%lld bytes by the shared pointer", (long long)size);
	found = calloc((size_t)(steps * np), sizeof *found);
	for (MPI_Offset i = 0; i < 2 * steps * np; i++) {
		int entry[2];
		MPI_File_read_at(shared, i * (MPI_Offset)sizeof entry, entry, 2, MPI_INT, &st);
		CHECK(entry[0] >= 0 && entry[0] < np && entry[1] >= 0 && entry[1] < steps, "entry %lld", (long long)i);
		found[entry[1] * np + entry[0]]++;
	}
	for (long i = 0; i < steps * np; i++) {
		CHECK(found[i] == 2, "step %ld of rank %ld is there %d times", i / np, i % np, found[i]);
		mix_long(i);
	}
	MPI_File_close(&split);
	MPI_File_close(&shared);
	finish();
}
