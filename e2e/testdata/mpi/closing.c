/* closing: a file that is open at the gate and closed behind it. */
#include "check.h"

int main(int argc, char **argv)
{
	MPI_File file;
	char name[300];

	begin(argc, argv);
	snprintf(name, sizeof name, "closing.%s", prog);
	int amode = MPI_MODE_CREATE | MPI_MODE_RDWR;
	CHECK(MPI_File_open(MPI_COMM_WORLD, name, amode, MPI_INFO_NULL, &file) == MPI_SUCCESS, "open %s", name);
	ready();
	gate_wait();
	int rc = MPI_File_write_at_all(file, me * (MPI_Offset)sizeof me, &me, 1, MPI_INT, MPI_STATUS_IGNORE);
	CHECK(rc == MPI_SUCCESS, "write");
	MPI_File_close(&file);
	for (long k = 0; k < steps; k++)
		end_step(k);
	finish();
}
