/* modes: all send modes, blocking and not, and the buffer of buffered sends. */
#include "check.h"

enum { LEN = 400, KINDS = 8, BIG = 200000 };

static int out[KINDS][LEN], in[KINDS][LEN], big_out[BIG], big_in[BIG];
static char *attached;
static int attached_size;

static void attach(void)
{
	int one;

	MPI_Pack_size(LEN, MPI_INT, MPI_COMM_WORLD, &one);
	attached_size = 4 * (one + MPI_BSEND_OVERHEAD);
	attached = malloc(attached_size);
	MPI_Buffer_attach(attached, attached_size);
}

static void detach(void)
{
	void *p;
	int n;

	MPI_Buffer_detach(&p, &n);
	CHECK(p == attached && n == attached_size, "detached %p, %d bytes", p, n);
	free(p);
}

static void send_all(int to, long k)
{
	MPI_Request rq[4];

	for (int i = 0; i < KINDS; i++)
		fill(out[i], LEN, me * KINDS + i, k);
	fill(big_out, BIG, me, k);
	MPI_Recv(NULL, 0, MPI_INT, to, 50, MPI_COMM_WORLD, MPI_STATUS_IGNORE); /* its receives are posted */
	MPI_Rsend(out[0], LEN, MPI_INT, to, 0, MPI_COMM_WORLD);
	MPI_Irsend(out[1], LEN, MPI_INT, to, 1, MPI_COMM_WORLD, &rq[0]);
	MPI_Bsend(out[2], LEN, MPI_INT, to, 2, MPI_COMM_WORLD);
	MPI_Ibsend(out[3], LEN, MPI_INT, to, 3, MPI_COMM_WORLD, &rq[1]);
	MPI_Ssend(out[4], LEN, MPI_INT, to, 4, MPI_COMM_WORLD);
	MPI_Issend(out[5], LEN, MPI_INT, to, 5, MPI_COMM_WORLD, &rq[2]);
	MPI_Send(out[6], LEN, MPI_INT, to, 6, MPI_COMM_WORLD);
	MPI_Isend(out[7], LEN, MPI_INT, to, 7, MPI_COMM_WORLD, &rq[3]);
	MPI_Waitall(4, rq, MPI_STATUSES_IGNORE);
	MPI_Ssend(big_out, BIG, MPI_INT, to, 8, MPI_COMM_WORLD);
	MPI_Send(big_out, BIG, MPI_INT, to, 9, MPI_COMM_WORLD);
}

static void receive_all(int from, long k)
{
	MPI_Request rq[KINDS];
	MPI_Status st[KINDS];

	memset(in, 0, sizeof in);
	for (int i = 0; i < KINDS; i++)
		MPI_Irecv(in[i], LEN, MPI_INT, from, i, MPI_COMM_WORLD, &rq[i]);
	MPI_Send(NULL, 0, MPI_INT, from, 50, MPI_COMM_WORLD);
	MPI_Waitall(KINDS, rq, st);
	for (int i = 0; i < KINDS; i++) {
		int n;

		MPI_Get_count(&st[i], MPI_INT, &n);
		CHECK(st[i].MPI_SOURCE == from && st[i].MPI_TAG == i && n == LEN, "status %d", i);
		verify(in[i], LEN, from * KINDS + i, k, "mode");
		mix(in[i], sizeof in[i]);
	}
	for (int tag = 8; tag <= 9; tag++) {
		memset(big_in, 0, sizeof big_in);
		MPI_Recv(big_in, BIG, MPI_INT, from, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		verify(big_in, BIG, from, k, "big");
	}
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	attach();
	for (long k = 0; k < steps; k++) {
		int peer = me ^ 1;

		if (peer < np) {
			if (me % 2 == k % 2) {
				send_all(peer, k);
				receive_all(peer, k);
			} else {
				receive_all(peer, k);
				send_all(peer, k);
			}
		}
		if (k % 7 == 6) { /* a buffer lives across many steps, then another one */
			detach();
			attach();
		}
		end_step(k);
	}
	detach();
	finish();
}
