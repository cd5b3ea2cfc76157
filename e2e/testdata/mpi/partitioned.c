/* partitioned: messages of several partitions around a ring, made ready in changing order with pauses between. */
#include "check.h"

enum { PARTS = 6, N = 20 };

int main(int argc, char **argv)
{
	int out[PARTS * N], in[2][PARTS * N], order[PARTS];
	MPI_Request send[2], recv[2];

	begin(argc, argv);
	int left = (me + np - 1) % np, right = (me + 1) % np;
	for (int c = 0; c < 2; c++) { /* two channels with the same tag, told apart by the order of their making */
		MPI_Psend_init(out, PARTS, N, MPI_INT, right, 7, MPI_COMM_WORLD, MPI_INFO_NULL, &send[c]);
		MPI_Precv_init(in[c], c ? PARTS / 2 : PARTS, c ? 2 * N : N, MPI_INT, left, 7, MPI_COMM_WORLD, MPI_INFO_NULL, &recv[c]);
	}
	for (long k = 0; k < steps; k++) {
		int ordinary = (int)k, got = -1, flag = 0, c = (int)(k % 2);
		MPI_Request r;
		MPI_Status st;

		fill(out, PARTS * N, me, k);
		MPI_Startall(1, &recv[c]);
		MPI_Start(&send[c]);
		MPI_Irecv(&got, 1, MPI_INT, left, MPI_ANY_TAG, MPI_COMM_WORLD, &r); /* never matches a partitioned message */
		for (int i = 0; i < PARTS; i++)
			order[i] = (int)((i + k) % PARTS);
		MPI_Pready(order[0], send[c]);
		if (k % 3 == 0)
			pause_step();
		MPI_Pready_list(PARTS - 2, order + 1, send[c]);
		MPI_Pready_range(order[PARTS - 1], order[PARTS - 1], send[c]);
		if (k % 3 == 1)
			pause_step();
		MPI_Send(&ordinary, 1, MPI_INT, right, 7, MPI_COMM_WORLD);
		if (k % 4 < 2)
			while (!flag)
				MPI_Parrived(recv[c], 1, &flag);
		MPI_Wait(&send[c], MPI_STATUS_IGNORE);
		MPI_Wait(&recv[c], &st);
		MPI_Wait(&r, MPI_STATUS_IGNORE);
		CHECK(got == k, "the ordinary message of step %ld says %d", k, got);
		verify(in[c], PARTS * N, left, k, "partitioned");
		mix(in[c], sizeof in[c]);
		end_step(k);
	}
	for (int c = 0; c < 2; c++) {
		MPI_Request_free(&send[c]);
		MPI_Request_free(&recv[c]);
	}
	finish();
}
