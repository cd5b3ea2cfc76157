/* files: one shared file, written and read through views, individual, shared and explicit positions, collectively and not. */
#include "check.h"

#define N 16 /* integers of one rank in one step */

static MPI_File f, log_;
static MPI_Datatype mine;
static char name[64], log_name[80];

static int value(long k, int r, int i) { return pattern(k, r, i); }

static void make(void)
{
	int sizes[1] = {N * np}, part[1] = {N}, start[1] = {N * me}, pid = (int)getpid();

	MPI_Bcast(&pid, 1, MPI_INT, 0, MPI_COMM_WORLD);
	snprintf(name, sizeof name, "files-%d.dat", pid);
	snprintf(log_name, sizeof log_name, "%s.log", name);
	MPI_Type_create_subarray(1, sizes, part, start, MPI_ORDER_C, MPI_INT, &mine);
	MPI_Type_commit(&mine);
	CHECK(MPI_File_open(MPI_COMM_WORLD, "no/such/file", MPI_MODE_RDONLY, MPI_INFO_NULL, &f) != MPI_SUCCESS, "opened");
	CHECK(MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_RDWR | MPI_MODE_CREATE | MPI_MODE_EXCL, MPI_INFO_NULL, &f) ==
	      MPI_SUCCESS, "open %s", name);
	CHECK(MPI_File_set_view(f, 0, MPI_INT, mine, "native", MPI_INFO_NULL) == MPI_SUCCESS, "view");
	CHECK(MPI_File_open(MPI_COMM_SELF, log_name, MPI_MODE_RDWR | MPI_MODE_CREATE, MPI_INFO_NULL, &log_) ==
	      MPI_SUCCESS, "open %s", log_name);
}

static void count_is(MPI_Status *st, int want)
{
	int n;

	MPI_Get_count(st, MPI_INT, &n);
	CHECK(n == want, "status says %d integers, not %d", n, want);
}

/* Appends through the individual position, which the library keeps. */
static void write_step(long k)
{
	int buf[N], line[2] = {(int)k, me};
	MPI_Status st;
	MPI_Request r;

	for (int i = 0; i < N; i++)
		buf[i] = value(k, me, i);
	if (k % 3 == 0) {
		MPI_File_write_all(f, buf, N, MPI_INT, &st);
	} else if (k % 3 == 1) {
		MPI_File_iwrite(f, buf, N, MPI_INT, &r);
		pause_step();
		MPI_Wait(&r, &st);
	} else {
		MPI_File_write_all_begin(f, buf, N, MPI_INT);
		pause_step();
		MPI_File_write_all_end(f, buf, &st);
	}
	if (k % 3 == 1) /* after a collective write, Open MPI 4.1 says 0 on ranks that leave the writing to others */
		count_is(&st, N);
	MPI_File_write_at(log_, (MPI_Offset)(k * np + me) * (MPI_Offset)sizeof line, line, 2, MPI_INT, &st);
	count_is(&st, 2);
}

static void read_back(long k)
{
	int buf[N], line[2];
	MPI_Offset pos, size;
	MPI_Status st;

	MPI_File_get_position(f, &pos);
	CHECK(pos == (k + 1) * N, "position %ld after step %ld", (long)pos, k);
	MPI_File_sync(f); /* another rank may have done the writing */
	MPI_Barrier(MPI_COMM_WORLD);
	MPI_File_sync(f);
	MPI_File_read_at(f, (MPI_Offset)(k / 2) * N, buf, N, MPI_INT, &st);
	count_is(&st, N);
	for (int i = 0; i < N; i++)
		CHECK(buf[i] == value(k / 2, me, i), "element %d of step %ld", i, k / 2);
	MPI_File_read_at(log_, (MPI_Offset)(k * np + me) * (MPI_Offset)sizeof line, line, 2, MPI_INT, &st);
	CHECK(line[0] == k && line[1] == me, "log says %d, %d", line[0], line[1]);
	MPI_File_get_size(f, &size); /* more after a restart: the file is not cut back */
	CHECK(size >= (MPI_Offset)((k + 1) * N * np * (long)sizeof(int)), "%ld bytes after step %ld", (long)size, k);
	MPI_Barrier(MPI_COMM_WORLD);
	mix(buf, sizeof buf);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	make();
	for (long k = 0; k < steps; k++) {
		write_step(k);
		read_back(k);
		end_step(k);
	}
	MPI_File_close(&f);
	MPI_File_close(&log_);
	CHECK(f == MPI_FILE_NULL, "closed handle");
	MPI_Barrier(MPI_COMM_WORLD);
	if (me == 0) {
		CHECK(MPI_File_delete(name, MPI_INFO_NULL) == MPI_SUCCESS, "delete");
		MPI_File_delete(log_name, MPI_INFO_NULL);
	}
	MPI_Type_free(&mine);
	finish();
}
