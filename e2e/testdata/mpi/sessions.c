/* sessions: without MPI_Init: a communicator that lives through the run and, in every step, a session, communicators and an
 * intercommunicator of their own. */
#include "check.h"

static MPI_Comm make(MPI_Session s, const char *set, const char *tag)
{
	MPI_Group g;
	MPI_Comm c;

	CHECK(MPI_Group_from_session_pset(s, set, &g) == MPI_SUCCESS, "%s", set);
	MPI_Comm_create_from_group(g, tag, MPI_INFO_NULL, MPI_ERRORS_RETURN, &c);
	MPI_Group_free(&g);
	return c;
}

/* Even and odd ranks, as two groups of the session. */
static void between(MPI_Session s, long k)
{
	MPI_Group all, half[2];
	MPI_Comm inter;
	int n = 0, list[2][64], count[2] = {0, 0}, mine = me % 2, sum, want = 0, value = me + (int)k;

	MPI_Group_from_session_pset(s, "mpi://WORLD", &all);
	MPI_Group_size(all, &n);
	for (int i = 0; i < n; i++)
		list[i % 2][count[i % 2]++] = i;
	for (int h = 0; h < 2; h++)
		MPI_Group_incl(all, count[h], list[h], &half[h]);
	MPI_Intercomm_create_from_groups(half[mine], 0, half[!mine], 0, "between", MPI_INFO_NULL, MPI_ERRORS_ARE_FATAL, &inter);
	MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, inter);
	for (int i = 0; i < count[!mine]; i++)
		want += list[!mine][i] + (int)k;
	CHECK(sum == want, "sum %d of the other side, not %d", sum, want);
	MPI_Comm_free(&inter);
	MPI_Group_free(&half[0]);
	MPI_Group_free(&half[1]);
	MPI_Group_free(&all);
}

int main(int argc, char **argv)
{
	MPI_Session s, other;
	MPI_Comm all, own;
	uint64_t digests[64];
	int flag;

	parse(argc, argv);
	CHECK(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &s) == MPI_SUCCESS, "session");
	all = make(s, "mpi://WORLD", "all");
	MPI_Comm_rank(all, &me);
	MPI_Comm_size(all, &np);
	CHECK(np >= 2 && np <= 64, "%d ranks", np);
	MPI_Initialized(&flag);
	CHECK(!flag, "MPI_Init was never called");
	for (long k = 0; k < steps; k++) {
		int sum, rank = me, n;

		CHECK(MPI_Session_init(MPI_INFO_NULL, MPI_ERRORS_RETURN, &other) == MPI_SUCCESS, "session");
		own = make(other, k % 2 ? "mpi://WORLD" : "mpi://SELF", "step");
		MPI_Comm_size(own, &n);
		CHECK(n == (k % 2 ? np : 1), "size %d", n);
		MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, own);
		CHECK(sum == (k % 2 ? np * (np - 1) / 2 : me), "sum %d", sum);
		MPI_Comm_free(&own);
		between(other, k);
		MPI_Session_finalize(&other);
		MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, all);
		mix_long(sum + k);
		end_step(k);
	}
	MPI_Gather(&digest, 1, MPI_UINT64_T, digests, 1, MPI_UINT64_T, 0, all);
	if (me == 0) {
		mix(digests, (size_t)np * sizeof *digests);
		printf("RESULT %s np=%d steps=%ld %016llx\n", prog, np, steps, (unsigned long long)digest);
		fflush(stdout);
	}
	MPI_Comm_free(&all);
	MPI_Session_finalize(&s);
	return 0;
}
