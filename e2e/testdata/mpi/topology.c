/* topology: Cartesian, graph and distributed graph communicators, queried and used by neighbourhood collectives. */
#include "check.h"

static MPI_Comm cart, row, copy, ring, pair;
static int dims[2], periods[2] = {1, 0};

/* Who is at a distance in the grid, worked out from the rank alone; -1: nobody. */
static int at(int x, int y)
{
	x = (x % dims[0] + dims[0]) % dims[0];
	return y < 0 || y >= dims[1] ? -1 : x * dims[1] + y;
}

static void check_cart(MPI_Comm c, long k)
{
	int x = me / dims[1], y = me % dims[1], want[4] = {at(x - 1, y), at(x + 1, y), at(x, y - 1), at(x, y + 1)};
	int coords[2], src, dst, rank, kind, mine = (int)(k * 100) + me, got[4] = {-1, -1, -1, -1}, to[4], from[4];

	MPI_Topo_test(c, &kind);
	CHECK(kind == MPI_CART, "topology %d", kind);
	MPI_Cart_coords(c, me, 2, coords);
	CHECK(coords[0] == x && coords[1] == y, "at %d,%d", coords[0], coords[1]);
	coords[0] += dims[0];
	MPI_Cart_rank(c, coords, &rank);
	CHECK(rank == me, "wrapped to %d", rank);
	for (int d = 0; d < 2; d++) {
		MPI_Cart_shift(c, d, 1, &src, &dst);
		CHECK(src == (want[2 * d] < 0 ? MPI_PROC_NULL : want[2 * d]), "source %d in %d", src, d);
		CHECK(dst == (want[2 * d + 1] < 0 ? MPI_PROC_NULL : want[2 * d + 1]), "destination %d in %d", dst, d);
	}
	MPI_Neighbor_allgather(&mine, 1, MPI_INT, got, 1, MPI_INT, c);
	for (int i = 0; i < 4; i++) {
		CHECK(got[i] == (want[i] < 0 ? -1 : k * 100 + want[i]), "neighbour %d gave %d", i, got[i]);
		to[i] = mine * 4 + i;
		from[i] = -1;
	}
	if (dims[0] > 2) { /* else both neighbours in a dimension are one process */
		MPI_Neighbor_alltoall(to, 1, MPI_INT, from, 1, MPI_INT, c);
		for (int i = 0; i < 4; i++)
			CHECK(from[i] == (want[i] < 0 ? -1 : (k * 100 + want[i]) * 4 + (i ^ 1)), "neighbour %d sent %d", i, from[i]);
	}
	mix(got, sizeof got);
}

static void check_row(long k)
{
	int n, sum, mine = me + (int)k, ndims, want = 0;

	MPI_Comm_size(row, &n);
	MPI_Cartdim_get(row, &ndims);
	CHECK(n == dims[1] && ndims == 1, "row of %d in %d dimensions", n, ndims);
	MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, row);
	for (int y = 0; y < n; y++)
		want += at(me / n, y) + (int)k;
	CHECK(sum == want, "sum of a row is %d, not %d", sum, want);
}

static void check_ring(long k)
{
	int nnodes, nedges, n, who[2], mine = (int)(k << 8) + me, got[2];

	MPI_Graphdims_get(ring, &nnodes, &nedges);
	CHECK(nnodes == np && nedges == 2 * np, "%d nodes, %d edges", nnodes, nedges);
	MPI_Graph_neighbors_count(ring, me, &n);
	MPI_Graph_neighbors(ring, me, 2, who);
	CHECK(n == 2 && who[0] == (me + 1) % np && who[1] == (me + np - 1) % np, "%d neighbours", n);
	MPI_Neighbor_allgather(&mine, 1, MPI_INT, got, 1, MPI_INT, ring);
	for (int i = 0; i < 2; i++)
		CHECK(got[i] == (k << 8) + who[i], "neighbour %d gave %d", who[i], got[i]);
}

/* Every rank names its successor's in-edge: the library has to tell the others. */
static void check_pair(long k)
{
	int in, out, weighted, src, dst, sw, dw, mine = (int)(k << 8) + me, got = -1;

	MPI_Dist_graph_neighbors_count(pair, &in, &out, &weighted);
	CHECK(in == 1 && out == 1 && weighted, "%d in, %d out", in, out);
	MPI_Dist_graph_neighbors(pair, 1, &src, &sw, 1, &dst, &dw);
	CHECK(src == (me + np - 1) % np && dst == (me + 1) % np, "from %d to %d", src, dst);
	CHECK(sw == src + 5 && dw == me + 5, "weights %d, %d", sw, dw);
	MPI_Neighbor_alltoall(&mine, 1, MPI_INT, &got, 1, MPI_INT, pair);
	CHECK(got == (k << 8) + src, "got %d from %d", got, src);
}

static void make_cart(void)
{
	int keep[2] = {0, 1};

	MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &cart);
	MPI_Cart_sub(cart, keep, &row);
	MPI_Comm_dup(cart, &copy);
}

static void make_graphs(void)
{
	int index[64], edges[128], source = (me + 1) % np, degree = 1, to = (me + 2) % np, weight = source + 5;

	for (int i = 0; i < np; i++) {
		index[i] = 2 * (i + 1);
		edges[2 * i] = (i + 1) % np;
		edges[2 * i + 1] = (i + np - 1) % np;
	}
	MPI_Graph_create(MPI_COMM_WORLD, np, index, edges, 0, &ring);
	MPI_Dist_graph_create(MPI_COMM_WORLD, 1, &source, &degree, &to, &weight, MPI_INFO_NULL, 0, &pair);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	MPI_Dims_create(np, 2, dims);
	make_cart();
	make_graphs();
	for (long k = 0; k < steps; k++) {
		check_cart(cart, k);
		check_cart(copy, k);
		check_row(k);
		check_ring(k);
		check_pair(k);
		if (k % 8 == 7) { /* (graphs only once: Open MPI 4.1.4 hangs when it makes them over and over) */
			MPI_Comm_free(&row);
			MPI_Comm_free(&copy);
			MPI_Comm_free(&cart);
			make_cart();
		}
		end_step(k);
	}
	finish();
}
