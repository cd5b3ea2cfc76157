#include "check.h"

int PMPI_Send(const void *, int, int, int, int, int);
int PMPI_Recv(void *, int, int, int, int, int, void *);
int MPI_Allreduce(const void *, void *, int, int, int, int);
int MPI_Alltoallw(const void *, const int *, const int *, const int *, void *, const int *, const int *, const int *, int);
int MPI_Waitall(int, int *, void *);
int MPI_Comm_dup(int, int *), MPI_Comm_free(int *), MPI_Type_size(int, int *);
int MPI_Comm_create_keyval(void *, void *, int *, void *), MPI_Comm_get_attr(int, int, void *, int *);
int MPI_Error_class(int, int *), MPI_Get_library_version(char *, int *);
int MPI_Type_get_contents(int, int, int, int, int *, MPI_Aint *, int *);
int MPI_Dist_graph_create_adjacent(int, int, const int *, const int *, int, const int *, const int *, int, int, int *);
extern int *const unweighted __asm__("MPI_UNWEIGHTED");
int MPIR_Dup_fn(int, int, void *, void *, void *, int *);

enum { WORLD = 0x44000000, DOUBLE = 0x4c00080b, FLOAT_INT = (int)0x8c000000, INT = 0x4c000405, SUM = 0x58000003,
       REQUEST_NULL = 0x2c000000, COMM_NULL = 0x04000000 };

int main(void)
{
	CHECK(PMPI_Send(0, 1, DOUBLE, -1, 7, WORLD) == 0);
	CHECK(got.type == MPI_DOUBLE && got.peer == MPI_PROC_NULL && got.tag == 7 && got.comm == MPI_COMM_WORLD && got.count == 1);
	CHECK(PMPI_Send(0, 1, FLOAT_INT, 3, 7, 0x12345678) == 5 && error_class == MPI_ERR_COMM && got.type == MPI_FLOAT_INT);
	CHECK(PMPI_Send(0, 1, 0x4c0007ff, 3, 7, WORLD) == 0 && VID(got.type) == 0);
	CHECK(PMPI_Send(0, 1, (int)(0x80000000u | (VID_BASE + 9)), 3, 7, WORLD) == 0 && VID(got.type) == VID_BASE + 9);
	int st[5] = {9, 9, 9, 9, 9};
	CHECK(PMPI_Recv(0, 1, INT, -2, -1, WORLD, st) == 0 && got.peer == MPI_ANY_SOURCE && got.tag == MPI_ANY_TAG);
	CHECK(st[0] == 5 && st[1] == 3 && st[2] == -1 && st[3] == -1 && st[4] == 9);
	CHECK(PMPI_Recv(0, 1, INT, -2, -1, WORLD, (void *)1) == 0);
	CHECK(MPI_Allreduce((void *)-1, 0, 1, DOUBLE, SUM, WORLD) == 0 && got.buf == MPI_IN_PLACE && got.op == MPI_SUM);
	int types[3] = {INT, DOUBLE, (int)(0x80000000u | (VID_BASE + 1))};
	CHECK(MPI_Alltoallw((void *)-1, 0, 0, 0, 0, 0, 0, types, WORLD) == 0);
	CHECK(got.types[0] == MPI_INT && got.types[1] == MPI_DOUBLE && VID(got.types[2]) == VID_BASE + 1);
	int reqs[40];
	for (int i = 0; i < 40; i++)
		reqs[i] = (int)(0x80000000u | (VID_BASE + (unsigned)i));
	CHECK(MPI_Waitall(40, reqs, (void *)1) == 0 && VID(got.requests[39]) == VID_BASE + 39 && reqs[39] == REQUEST_NULL);
	int two[2][5] = {{0}};
	reqs[0] = REQUEST_NULL;
	CHECK(MPI_Waitall(2, reqs, two) == 17 && got.requests[0] == MPI_REQUEST_NULL && two[1][4] == 14 && two[1][3] == 101);
	int c;
	CHECK(MPI_Comm_dup(WORLD, &c) == 0 && c == (int)(0x80000000u | (VID_BASE + 7)));
	CHECK(MPI_Comm_dup(WORLD, 0) == 12 && error_class == MPI_ERR_ARG);
	CHECK(MPI_Comm_free(&c) == 0 && VID(got.comm) == VID_BASE + 7 && c == COMM_NULL);
	int size;
	CHECK(MPI_Type_size(DOUBLE, &size) == 0 && size == -32766);
	int key;
	CHECK(MPI_Comm_create_keyval((void *)MPIR_Dup_fn, 0, &key, 0) == 0 && got.fn == (void *)1 && key == VID_BASE + 3);
	int *value, flag;
	CHECK(MPI_Comm_get_attr(WORLD, 0x64400003, &value, &flag) == 0 && got.keyval == MPI_HOST && *value == -1);
	int class;
	CHECK(MPI_Error_class(12, &class) == 0 && class == 12);
	char text[8192];
	int n;
	CHECK(MPI_Get_library_version(text, &n) == 0 && n == 1000 && strlen(text) == 1000);
	int ints[9], of[1];
	CHECK(MPI_Type_get_contents((int)0x80001001, 9, 0, 1, ints, 0, of) == 0 && ints[7] == 57 && of[0] == DOUBLE);
	c = 7;
	CHECK(MPI_Dist_graph_create_adjacent(WORLD, 0, 0, unweighted, 0, 0, 0, 0x1c000000, 0, &c) == 12 && got.weights == MPI_UNWEIGHTED);
	CHECK(c == COMM_NULL); /* a failed call makes no communicator */
	return failures != 0;
}
