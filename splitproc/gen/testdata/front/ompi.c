#include "check.h"

int PMPI_Send(const void *, int, void *, int, int, void *);
int PMPI_Recv(void *, int, void *, int, int, void *, void *);
int MPI_Allreduce(const void *, void *, int, void *, void *, void *);
int MPI_Alltoallw(const void *, const int *, const int *, void *const *, void *, const int *, const int *, void *const *, void *);
int MPI_Waitall(int, void **, void *);
int MPI_Comm_dup(void *, void **), MPI_Comm_free(void **), MPI_Type_size(void *, int *);
int MPI_Comm_create_keyval(void *, void *, int *, void *), MPI_Comm_get_attr(void *, int, void *, int *);
int MPI_Error_class(int, int *), MPI_Get_library_version(char *, int *);
int MPI_Comm_c2f(void *), MPI_Type_c2f(void *);
void *MPI_Comm_f2c(int), *MPI_Type_f2c(int);
int OMPI_C_MPI_COMM_DUP_FN(void *, int, void *, void *, void *, int *);
int OMPI_C_MPI_COMM_NULL_COPY_FN(void *, int, void *, void *, void *, int *);
extern char ompi_mpi_comm_world[], ompi_mpi_comm_null[], ompi_mpi_double[], ompi_mpi_int[], ompi_mpi_op_sum[], ompi_request_null[];
#define USER(n) ((void *)(uintptr_t)(VID_BASE + (n)))

int main(void)
{
	int garbage[4] = {0};
	CHECK(PMPI_Send(0, 1, ompi_mpi_double, -2, 7, ompi_mpi_comm_world) == 0);
	CHECK(got.type == MPI_DOUBLE && got.peer == MPI_PROC_NULL && got.tag == 7 && got.comm == MPI_COMM_WORLD);
	CHECK(PMPI_Send(0, 1, ompi_mpi_double, 0, 7, garbage) == 5 && error_class == MPI_ERR_COMM);
	CHECK(PMPI_Send(0, 1, ompi_mpi_double, 0, 7, (void *)-8) == 5);
	CHECK(PMPI_Send(0, 1, 0, 0, 7, ompi_mpi_comm_world) == 0 && VID(got.type) == 0);
	CHECK(PMPI_Send(0, 1, USER(9), 3, 7, ompi_mpi_comm_world) == 0 && VID(got.type) == VID_BASE + 9);
	int st[6] = {9, 9, 9, 9, 9, 9};
	CHECK(PMPI_Recv(0, 1, ompi_mpi_int, -1, -1, ompi_mpi_comm_world, st) == 0 && got.peer == MPI_ANY_SOURCE && got.tag == MPI_ANY_TAG);
	CHECK(st[0] == -2 && st[1] == -1 && st[2] == 9 && st[3] == 1 && st[4] == 5 && st[5] == 1);
	CHECK(PMPI_Recv(0, 1, ompi_mpi_int, -1, -1, ompi_mpi_comm_world, 0) == 0);
	CHECK(MPI_Allreduce((void *)1, 0, 1, ompi_mpi_double, ompi_mpi_op_sum, ompi_mpi_comm_world) == 0 && got.buf == MPI_IN_PLACE && got.op == MPI_SUM);
	void *types[3] = {ompi_mpi_int, ompi_mpi_double, USER(1)};
	CHECK(MPI_Alltoallw((void *)1, 0, 0, 0, 0, 0, 0, types, ompi_mpi_comm_world) == 0);
	CHECK(got.types[0] == MPI_INT && got.types[1] == MPI_DOUBLE && VID(got.types[2]) == VID_BASE + 1);
	void *reqs[2] = {ompi_request_null, USER(5)};
	int two[2][6] = {{0}};
	CHECK(MPI_Waitall(2, reqs, two) == 18 && got.requests[0] == MPI_REQUEST_NULL && VID(got.requests[1]) == VID_BASE + 5);
	CHECK(reqs[1] == ompi_request_null && two[1][0] == 1 && two[1][1] == 101 && two[1][2] == 15);
	void *c;
	CHECK(MPI_Comm_dup(ompi_mpi_comm_world, &c) == 0 && c == USER(7));
	CHECK(MPI_Comm_free(&c) == 0 && VID(got.comm) == VID_BASE + 7 && c == ompi_mpi_comm_null);
	int size;
	CHECK(MPI_Type_size(ompi_mpi_double, &size) == 0 && size == -32766);
	int key;
	CHECK(MPI_Comm_create_keyval((void *)OMPI_C_MPI_COMM_DUP_FN, 0, &key, 0) == 0 && got.fn == (void *)1 && key == VID_BASE + 3);
	CHECK(MPI_Comm_create_keyval((void *)OMPI_C_MPI_COMM_NULL_COPY_FN, 0, &key, 0) == 0 && got.fn == 0);
	int *value, flag;
	CHECK(MPI_Comm_get_attr(ompi_mpi_comm_world, 0, &value, &flag) == 0 && got.keyval == MPI_TAG_UB);
	CHECK(MPI_Comm_get_attr(ompi_mpi_comm_world, 1, &value, &flag) == 0 && got.keyval == MPI_HOST && *value == -2);
	char text[256];
	int n;
	CHECK(MPI_Get_library_version(text, &n) == 0 && n == 255 && strlen(text) == 255);
	CHECK(MPI_Comm_c2f(ompi_mpi_comm_world) == 0 && MPI_Comm_f2c(0) == ompi_mpi_comm_world);
	CHECK(MPI_Type_c2f(ompi_mpi_int) == 39 && MPI_Type_f2c(39) == ompi_mpi_int);
	CHECK(MPI_Type_c2f(USER(3)) == VID_BASE + 3 && MPI_Type_f2c(VID_BASE + 3) == USER(3));
	return failures != 0;
}
