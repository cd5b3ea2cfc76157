/* subcomm: communicators made by dup, split, create and create_group, used, named, compared and freed in a loop. */
#include "check.h"

static MPI_Comm evens, reversed, lasting;

/* sum_ranks is a collective whose result tells who is in the communicator, and in which order. */
static void use(MPI_Comm c, long k)
{
	int r, n, all[64], world[64], base;
	long mine, scan;

	if (c == MPI_COMM_NULL)
		return;
	MPI_Comm_rank(c, &r);
	MPI_Comm_size(c, &n);
	MPI_Allgather(&me, 1, MPI_INT, all, 1, MPI_INT, c);
	CHECK(all[r] == me, "rank %d of %d is %d", r, n, all[r]);
	mine = (k + 1) * (me + 1);
	MPI_Scan(&mine, &scan, 1, MPI_LONG, MPI_SUM, c);
	for (int i = 0; i <= r; i++)
		scan -= (k + 1) * (all[i] + 1);
	CHECK(scan == 0, "scan is off by %ld", scan);
	if (n > 1) {
		int to = (r + 1) % n, from = (r + n - 1) % n, got = -1;

		MPI_Sendrecv(&me, 1, MPI_INT, to, 3, &got, 1, MPI_INT, from, 3, c, MPI_STATUS_IGNORE);
		CHECK(got == all[from], "got %d from %d", got, from);
	}
	MPI_Group g, wg;
	MPI_Comm_group(c, &g);
	MPI_Comm_group(MPI_COMM_WORLD, &wg);
	for (base = 0; base < n; base++)
		world[base] = base;
	int back[64];
	MPI_Group_translate_ranks(g, n, world, wg, back);
	for (int i = 0; i < n; i++)
		CHECK(back[i] == all[i], "group says %d, allgather %d", back[i], all[i]);
	MPI_Group_free(&g);
	MPI_Group_free(&wg);
	mix(all, n * sizeof(int));
}

static void check_name(MPI_Comm c, const char *want)
{
	char name[MPI_MAX_OBJECT_NAME];
	int len;

	if (c == MPI_COMM_NULL)
		return;
	MPI_Comm_get_name(c, name, &len);
	CHECK(strcmp(name, want) == 0 && len == (int)strlen(want), "name \"%s\", not \"%s\"", name, want);
}

static MPI_Group some(int first, int step)
{
	MPI_Group wg, g;
	int ranks[64], n = 0;

	for (int r = first; r < np; r += step)
		ranks[n++] = r;
	MPI_Comm_group(MPI_COMM_WORLD, &wg);
	MPI_Group_incl(wg, n, ranks, &g);
	MPI_Group_free(&wg);
	return g;
}

static void churn(long k)
{
	MPI_Comm dup, half, made = MPI_COMM_NULL, grouped = MPI_COMM_NULL, typed, sub;
	MPI_Group g = some(k % 2, 2);
	int cmp;

	MPI_Comm_dup(k % 2 ? MPI_COMM_WORLD : lasting, &dup);
	MPI_Comm_compare(dup, MPI_COMM_WORLD, &cmp);
	CHECK(cmp == MPI_CONGRUENT, "compare gives %d", cmp);
	MPI_Comm_split(dup, me < np / 2, (k % 3) * me, &half);
	MPI_Comm_create(MPI_COMM_WORLD, g, &made);
	if (me % 2 == k % 2)
		MPI_Comm_create_group(dup, g, 17, &grouped);
	MPI_Comm_split_type(dup, MPI_COMM_TYPE_SHARED, -me, MPI_INFO_NULL, &typed);
	MPI_Comm_dup(half, &sub);
	use(dup, k);
	use(half, k);
	use(made, k);
	use(grouped, k);
	use(typed, k);
	use(sub, k);
	MPI_Comm_free(&dup);
	MPI_Comm_free(&sub);
	MPI_Comm_free(&half);
	MPI_Comm_free(&typed);
	if (made != MPI_COMM_NULL)
		MPI_Comm_free(&made);
	if (grouped != MPI_COMM_NULL)
		MPI_Comm_free(&grouped);
	MPI_Group_free(&g);
	CHECK(dup == MPI_COMM_NULL && g == MPI_GROUP_NULL, "freed handles are not null");
}

int main(int argc, char **argv)
{
	int cmp;

	begin(argc, argv);
	MPI_Comm_split(MPI_COMM_WORLD, me % 2 ? MPI_UNDEFINED : 1, 0, &evens);
	MPI_Comm_split(MPI_COMM_WORLD, 0, -me, &reversed);
	MPI_Comm_dup(MPI_COMM_WORLD, &lasting);
	CHECK((evens == MPI_COMM_NULL) == (me % 2 == 1), "MPI_UNDEFINED gave a communicator");
	MPI_Comm_set_name(reversed, "back to front");
	for (long k = 0; k < steps; k++) {
		check_name(MPI_COMM_WORLD, "MPI_COMM_WORLD");
		check_name(MPI_COMM_SELF, "MPI_COMM_SELF");
		check_name(reversed, "back to front");
		MPI_Comm_compare(reversed, MPI_COMM_WORLD, &cmp);
		CHECK(cmp == MPI_SIMILAR, "compare gives %d", cmp);
		churn(k);
		use(evens, k);
		use(reversed, k);
		use(lasting, k);
		use(MPI_COMM_SELF, k);
		end_step(k);
	}
	finish();
}
