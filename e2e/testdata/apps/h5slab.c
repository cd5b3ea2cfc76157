/* h5slab: ranks write slabs of a growing data set of one HDF5 file, which stays open all the time, and read each other's back.
 * flags: -std=gnu11 -Wall -Werror -Wno-stringop-overflow */
#include "../mpi/check.h"
#include <hdf5.h>

enum { ROWS = 64, COLS = 48 };

#define OK(call) CHECK((call) >= 0, "%s", #call)

static hid_t file, data, table, world_access;

static void open_file(const char *path)
{
	hsize_t dims[3] = {0, ROWS, COLS}, max[3] = {H5S_UNLIMITED, ROWS, COLS}, chunk[3] = {1, ROWS / 2, COLS};
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS), space = H5Screate_simple(3, dims, max), dcpl = H5Pcreate(H5P_DATASET_CREATE);

	OK(H5Pset_fapl_mpio(fapl, MPI_COMM_WORLD, MPI_INFO_NULL));
	OK(file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, fapl));
	OK(H5Pset_chunk(dcpl, 3, chunk));
	OK(data = H5Dcreate(file, "slabs", H5T_NATIVE_INT, space, H5P_DEFAULT, dcpl, H5P_DEFAULT));
	dims[0] = np;
	hid_t flat = H5Screate_simple(1, dims, NULL);
	OK(table = H5Dcreate(file, "table", H5T_NATIVE_LONG, flat, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
	world_access = H5Pcreate(H5P_DATASET_XFER);
	OK(H5Pset_dxpl_mpio(world_access, H5FD_MPIO_COLLECTIVE));
	H5Sclose(flat);
	H5Sclose(space);
	H5Pclose(dcpl);
	H5Pclose(fapl);
}

/* columns of rank r: every np-th one, so that the file type is a strided vector. */
static hid_t columns(long k, int r, hsize_t *n)
{
	hsize_t start[3] = {k, 0, r}, stride[3] = {1, 1, np}, count[3] = {1, ROWS, (COLS - r + np - 1) / np};
	hid_t space = H5Dget_space(data);

	OK(H5Sselect_hyperslab(space, H5S_SELECT_SET, start, stride, count, NULL));
	*n = count[1] * count[2];
	return space;
}

static void move(long k, int r, int *buf, int writing)
{
	hsize_t n;
	hid_t in_file = columns(k, r, &n), in_memory = H5Screate_simple(1, &n, NULL);

	if (writing) {
		fill(buf, n, r, k);
		OK(H5Dwrite(data, H5T_NATIVE_INT, in_memory, in_file, world_access, buf));
	} else {
		OK(H5Dread(data, H5T_NATIVE_INT, in_memory, in_file, world_access, buf));
		verify(buf, n, r, k, "a slab read back");
		mix(buf, n * sizeof *buf);
	}
	H5Sclose(in_memory);
	H5Sclose(in_file);
}

/* mark writes one number independently of the other ranks. */
static void mark(long k)
{
	hsize_t at = me, one = 1;
	hid_t space = H5Dget_space(table), in_memory = H5Screate_simple(1, &one, NULL);

	OK(H5Sselect_hyperslab(space, H5S_SELECT_SET, &at, NULL, &one, NULL));
	OK(H5Dwrite(table, H5T_NATIVE_LONG, in_memory, space, H5P_DEFAULT, &k));
	H5Sclose(in_memory);
	H5Sclose(space);
}

int main(int argc, char **argv)
{
	int buf[ROWS * COLS];
	long last[64];

	begin(argc, argv);
	open_file("slabs.h5");
	for (long k = 0; k < steps; k++) {
		hsize_t dims[3] = {k + 1, ROWS, COLS};

		OK(H5Dset_extent(data, dims));
		move(k, me, buf, 1);
		mark(k);
		move(k, (me + 1) % np, buf, 0);
		if (k > 3)
			move(k / 2, (me + 1) % np, buf, 0);
		if (k % 10 == 9)
			OK(H5Fflush(file, H5F_SCOPE_GLOBAL));
		end_step(k);
	}
	OK(H5Dread(table, H5T_NATIVE_LONG, H5S_ALL, H5S_ALL, world_access, last));
	for (int r = 0; r < np; r++)
		CHECK(last[r] == steps - 1, "rank %d left %ld", r, last[r]);
	H5Pclose(world_access);
	H5Dclose(table);
	H5Dclose(data);
	OK(H5Fclose(file));
	finish();
}
