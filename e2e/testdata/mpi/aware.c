/*
 * aware: asks for a checkpoint in the middle, by the function that dmtcp.h
 * declares: every rank (mode all), or rank 1 (mode one), while the other waits
 * for it in a collective.
 */
#include "check.h"

int dmtcp_checkpoint(void) __attribute__((weak));

int main(int argc, char **argv)
{
	begin(argc, argv);
	int all = !strcmp(mode, "all");

	for (long k = 0; k < steps; k++) {
		long sum = me + k;

		if ((all || me == 1) && k == steps / 2 && dmtcp_checkpoint) {
			int rc = dmtcp_checkpoint();

			CHECK(rc == 1 || (rc == 2 && all), "dmtcp_checkpoint returned %d", rc);
			if (me == 1)
				printf("after %s\n", rc == 1 ? "checkpoint" : "restart");
			fflush(stdout);
			if (all && rc == 1)
				pause(); /* only what was restarted goes on */
		}
		MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
		mix_long(sum);
		end_step(k);
	}
	finish();
}
