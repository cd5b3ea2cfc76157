/* halo: a 2-D stencil on a Cartesian grid; columns travel as a vector type, rows as a subarray. */
#include "check.h"

enum { NX = 24, NY = 40 };

static int u[NX + 2][NY + 2], v[NX + 2][NY + 2];
static int dims[2], periods[2] = {1, 0}, coords[2], north, south, west, east;
static MPI_Comm grid;
static MPI_Datatype column, row_out[2], row_in[2];

static MPI_Datatype row(int index)
{
	int sizes[2] = {NX + 2, NY + 2}, sub[2] = {1, NY}, starts[2] = {index, 1};
	MPI_Datatype t;

	MPI_Type_create_subarray(2, sizes, sub, starts, MPI_ORDER_C, MPI_INT, &t);
	MPI_Type_commit(&t);
	return t;
}

static void setup(void)
{
	MPI_Dims_create(np, 2, dims);
	MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &grid);
	MPI_Cart_coords(grid, me, 2, coords);
	MPI_Cart_shift(grid, 0, 1, &north, &south);
	MPI_Cart_shift(grid, 1, 1, &west, &east);
	MPI_Type_vector(NX, 1, NY + 2, MPI_INT, &column);
	MPI_Type_commit(&column);
	row_out[0] = row(1);
	row_out[1] = row(NX);
	row_in[0] = row(0);
	row_in[1] = row(NX + 1);
	for (int i = 1; i <= NX; i++)
		for (int j = 1; j <= NY; j++)
			u[i][j] = pattern(me, i, j) % 1009;
}

static void exchange(void)
{
	MPI_Status st;

	MPI_Sendrecv(u, 1, row_out[1], south, 1, u, 1, row_in[0], north, 1, grid, &st);
	CHECK(st.MPI_SOURCE == north && st.MPI_TAG == 1, "source %d tag %d", st.MPI_SOURCE, st.MPI_TAG);
	MPI_Sendrecv(u, 1, row_out[0], north, 2, u, 1, row_in[1], south, 2, grid, MPI_STATUS_IGNORE);
	MPI_Sendrecv(&u[1][NY], 1, column, east, 3, &u[1][0], 1, column, west, 3, grid, MPI_STATUS_IGNORE);
	MPI_Sendrecv(&u[1][1], 1, column, west, 4, &u[1][NY + 1], 1, column, east, 4, grid, &st);
	if (east == MPI_PROC_NULL)
		CHECK(st.MPI_SOURCE == MPI_PROC_NULL, "source %d of a null receive", st.MPI_SOURCE);
}

static void check_topology(void)
{
	int d[2], p[2], c[2], r, n, s, kind, nd;

	MPI_Topo_test(grid, &kind);
	CHECK(kind == MPI_CART, "topology %d", kind);
	MPI_Cartdim_get(grid, &nd);
	MPI_Cart_get(grid, 2, d, p, c);
	CHECK(nd == 2 && d[0] == dims[0] && d[1] == dims[1] && p[0] == 1 && p[1] == 0, "grid changed");
	CHECK(c[0] == coords[0] && c[1] == coords[1], "coordinates changed");
	MPI_Cart_rank(grid, coords, &r);
	CHECK(r == me, "Cart_rank %d", r);
	MPI_Cart_shift(grid, 0, 1, &n, &s);
	CHECK(n == north && s == south, "neighbours changed");
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	setup();
	for (long k = 0; k < steps; k++) {
		long sum = 0, total;

		exchange();
		for (int i = 1; i <= NX; i++)
			for (int j = 1; j <= NY; j++) {
				v[i][j] = (3 * (u[i - 1][j] + u[i + 1][j]) + 5 * (u[i][j - 1] + u[i][j + 1]) +
					   7 * u[i][j] + 1) % 1009;
				sum += v[i][j];
			}
		for (int i = 1; i <= NX; i++)
			memcpy(&u[i][1], &v[i][1], NY * sizeof(int));
		MPI_Allreduce(&sum, &total, 1, MPI_LONG, MPI_SUM, grid);
		mix_long(total);
		check_topology();
		end_step(k);
	}
	mix(u, sizeof u);
	finish();
}
