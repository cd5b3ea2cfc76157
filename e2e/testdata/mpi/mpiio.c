/* mpiio: a file that stays open through the run, written through views, collectively, by shared pointer, and read back. */
#include "check.h"

enum { N = 64 };

int main(int argc, char **argv)
{
	MPI_File view, plain, shared;
	MPI_Datatype slice;
	MPI_Status st;
	MPI_Offset at;
	char name[300];
	int data[N], back[N], n;

	begin(argc, argv);
	MPI_Type_vector(1, N, N * np, MPI_INT, &slice);
	MPI_Type_create_resized(slice, 0, (MPI_Aint)N * np * sizeof(int), &slice);
	MPI_Type_commit(&slice);
	int amode = MPI_MODE_CREATE | MPI_MODE_RDWR;
	snprintf(name, sizeof name, "mpiio.%s.view", prog);
	CHECK(MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &view) == MPI_SUCCESS, "open %s", name);
	MPI_File_set_size(view, 0);
	MPI_File_set_view(view, (MPI_Offset)me * N * sizeof(int), MPI_INT, slice, "native", MPI_INFO_NULL);
	snprintf(name, sizeof name, "mpiio.%s.plain", prog);
	MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &plain);
	MPI_File_set_size(plain, 0);
	snprintf(name, sizeof name, "mpiio.%s.shared", prog);
	MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &shared);
	MPI_File_set_size(shared, 0);
	for (long k = 0; k < steps; k++) {
		fill(data, N, me, k);
		MPI_File_write_all(view, data, N, MPI_INT, &st);
		MPI_Get_count(&st, MPI_INT, &n);
		CHECK(n == N, "wrote %d", n);
		MPI_File_get_position(view, &at);
		CHECK(at == (k + 1) * N, "position %lld after step %ld", (long long)at, k);
		MPI_File_sync(view);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_File_sync(view);
		MPI_File_read_at(view, k / 2 * N, back, N, MPI_INT, &st);
		verify(back, N, me, k / 2, "view");
		MPI_File_write_at(plain, (k * np + me) * (MPI_Offset)sizeof data, data, N, MPI_INT, &st);
		MPI_File_sync(plain);
		MPI_Barrier(MPI_COMM_WORLD);
		MPI_File_sync(plain);
		int other = (me + 1) % np;
		MPI_File_read_at_all(plain, (k * np + other) * (MPI_Offset)sizeof data, back, N, MPI_INT, &st);
		verify(back, N, other, k, "plain");
		MPI_File_write_ordered(shared, &me, 1, MPI_INT, &st);
		MPI_File_get_size(plain, &at);
		CHECK(at >= (MPI_Offset)(k * np + me + 1) * (MPI_Offset)sizeof data, "size %lld", (long long)at);
		end_step(k);
	}
	MPI_Barrier(MPI_COMM_WORLD);
	for (long k = 0; k < steps; k++) {
		MPI_File_read_at_all(shared, (k * np + me) * (MPI_Offset)sizeof(int), &n, 1, MPI_INT, &st);
		CHECK(n == me, "ordered write of step %ld: %d", k, n);
		mix_long(n);
	}
	MPI_File_close(&view);
	MPI_File_close(&plain);
	MPI_File_close(&shared);
	finish();
}
