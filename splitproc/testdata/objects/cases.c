#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "forward.h"

/* ---- groups, against sets of bits ---- */

static MPI_Group group_of_bits(unsigned bits, int reversed)
{
	int r[WORLD_SIZE], n = 0;
	for (int i = 0; i < WORLD_SIZE; i++) {
		int k = reversed ? WORLD_SIZE - 1 - i : i;
		if (bits >> k & 1)
			r[n++] = k;
	}
	return core_group_new(n, r);
}

static unsigned bits_of(MPI_Group h)
{
	struct core_group *g = core_group_of(h);
	unsigned bits = 0;
	for (int i = 0; i < g->size; i++)
		bits |= 1u << g->ranks[i];
	EQ(__builtin_popcount(bits), g->size);
	return bits;
}

static void drop(MPI_Group g)
{
	OK(core_Group_free(&g));
	EQ(g == MPI_GROUP_NULL, 1);
}

static void group_pair(unsigned a, unsigned b)
{
	MPI_Group ga = group_of_bits(a, 0), gb = group_of_bits(b, 1), g;
	int n, rank, result, all[WORLD_SIZE] = {0, 1, 2, 3, 4, 5}, out[WORLD_SIZE];
	OK(core_Group_size(ga, &n));
	EQ(n, __builtin_popcount(a));
	OK(core_Group_rank(gb, &rank));
	EQ(rank, b >> 2 & 1 ? __builtin_popcount(b >> 3) : MPI_UNDEFINED);
	OK(core_Group_union(ga, gb, &g));
	EQ(bits_of(g), a | b);
	drop(g);
	OK(core_Group_intersection(ga, gb, &g));
	EQ(bits_of(g), a & b);
	drop(g);
	OK(core_Group_difference(ga, gb, &g));
	EQ(bits_of(g), a & ~b);
	drop(g);
	OK(core_Group_compare(ga, gb, &result));
	EQ(result, a != b ? MPI_UNEQUAL : __builtin_popcount(a) < 2 ? MPI_IDENT : MPI_SIMILAR);
	OK(core_Group_translate_ranks(ga, n, all, gb, out));
	for (int i = 0, w = 0; w < WORLD_SIZE; w++)
		if (a >> w & 1)
			EQ(out[i++], b >> w & 1 ? __builtin_popcount(b >> (w + 1)) : MPI_UNDEFINED);
	drop(ga);
	drop(gb);
}

static void groups(void)
{
	fake_init(2);
	for (unsigned a = 0; a < 1u << WORLD_SIZE; a++)
		for (unsigned b = 0; b < 1u << WORLD_SIZE; b++)
			group_pair(a, b);
	MPI_Group w, g, h;
	OK(core_Comm_group(MPI_COMM_WORLD, &w));
	OK(core_Group_range_incl(w, 2, (int[][3]){{4, 0, -2}, {5, 5, 1}}, &g));
	int r[] = {4, 2, 0, 5}, result;
	OK(core_Group_incl(w, 4, r, &h));
	OK(core_Group_compare(g, h, &result));
	EQ(result, MPI_IDENT);
	OK(core_Group_range_excl(w, 1, (int[][3]){{1, 5, 2}}, &g));
	EQ(bits_of(g), 1 | 4 | 16);
	OK(core_Group_excl(w, 4, r, &g));
	EQ(bits_of(g), 2 | 8);
	EQ(core_Group_incl(w, 2, (int[]){1, 1}, &g), MPI_ERR_RANK);
	EQ(core_Group_incl(w, 1, (int[]){6}, &g), MPI_ERR_RANK);
	EQ(core_Group_range_incl(w, 1, (int[][3]){{0, 3, 0}}, &g), MPI_ERR_ARG);
	EQ(core_Group_size(MPI_GROUP_NULL, &result), MPI_ERR_GROUP);
	int none = MPI_PROC_NULL;
	OK(core_Group_translate_ranks(w, 1, &none, h, &result));
	EQ(result, MPI_PROC_NULL);
}

/* ---- info ---- */

static void infos(void)
{
	MPI_Info i, d;
	int flag, n;
	char v[MPI_MAX_INFO_VAL];
	fake_init(0);
	OK(core_Info_create(&i));
	OK(core_Info_set(i, "b", "one"));
	OK(core_Info_set(i, "a", "two"));
	OK(core_Info_set(i, "c", "three"));
	OK(core_Info_set(i, "a", "four"));
	OK(core_Info_dup(i, &d));
	OK(core_Info_delete(i, "c"));
	OK(core_Info_set(i, "z", "last"));
	OK(core_Info_get_nkeys(i, &n));
	EQ(n, 3);
	const char *want[] = {"b", "a", "z"};
	for (int k = 0; k < 3; k++) {
		OK(core_Info_get_nthkey(i, k, v));
		EQ(strcmp(v, want[k]), 0);
	}
	OK(core_Info_get(i, "a", 2, v, &flag));
	EQ(flag && !strcmp(v, "fo"), 1);
	OK(core_Info_get_nkeys(d, &n));
	EQ(n, 3);
	n = 3;
	OK(core_Info_get_string(d, "c", &n, v, &flag));
	EQ(flag && n == 6 && !strcmp(v, "th"), 1);
	OK(core_Info_get_valuelen(i, "c", &n, &flag));
	EQ(flag, 0);
	EQ(core_Info_delete(i, "c"), MPI_ERR_INFO_NOKEY);
	EQ(core_Info_set(i, "", "x"), MPI_ERR_INFO_KEY);
	OK(core_Info_free(&i));
	EQ(core_Info_get_nkeys(i, &n), MPI_ERR_INFO);
}

/* ---- attributes ---- */

static char trace[256];

static int copy_fn(MPI_Comm c, int keyval, void *extra, void *in, void *out, int *flag)
{
	(void)c, (void)keyval;
	sprintf(trace + strlen(trace), "+%ld", (long)in);
	*(void **)out = (void *)((long)in + (long)extra);
	*flag = (long)in != 3;
	return (long)in == 99 ? MPI_ERR_OTHER : MPI_SUCCESS;
}

static int delete_fn(MPI_Comm c, int keyval, void *value, void *extra)
{
	(void)c, (void)keyval, (void)extra;
	sprintf(trace + strlen(trace), "-%ld", (long)value);
	return MPI_SUCCESS;
}

static long attr(MPI_Comm c, int k)
{
	void *v = 0;
	int flag;
	OK(core_Comm_get_attr(c, k, &v, &flag));
	return flag ? (long)v : -1;
}

static void attributes(void)
{
	int k[4], dup, null;
	MPI_Comm c, d;
	fake_init(0);
	OK(core_Comm_dup(MPI_COMM_WORLD, &c));
	for (int i = 0; i < 4; i++) {
		OK(core_Comm_create_keyval(copy_fn, delete_fn, &k[i], (void *)100L));
		OK(core_Comm_set_attr(c, k[i], (void *)(long)(i + 1)));
	}
	OK(core_Comm_create_keyval((MPI_Comm_copy_attr_function *)MPI_COMM_DUP_FN, 0, &dup, 0));
	OK(core_Comm_create_keyval(0, 0, &null, 0));
	OK(core_Comm_set_attr(c, dup, (void *)7L));
	OK(core_Comm_set_attr(c, null, (void *)8L));
	OK(core_Comm_dup(c, &d));
	EQ(strcmp(trace, "+1+2+3+4"), 0);
	EQ(attr(d, k[1]), 102);
	EQ(attr(d, k[2]), -1);
	EQ(attr(d, dup), 7);
	EQ(attr(d, null), -1);
	*trace = 0;
	OK(core_Comm_set_attr(d, k[0], (void *)55L));
	EQ(strcmp(trace, "-101"), 0);
	int freed = k[3];
	OK(core_Comm_free_keyval(&k[3]));
	EQ(k[3], MPI_KEYVAL_INVALID);
	*trace = 0;
	OK(core_Comm_free(&d));
	EQ(strcmp(trace, "-104-102-55"), 0); /* a freed keyval lives as long as its attributes */
	*trace = 0;
	OK(core_Comm_delete_attr(c, freed));
	EQ(core_Comm_delete_attr(c, freed), MPI_ERR_KEYVAL);
	EQ(strcmp(trace, "-4"), 0);
	OK(core_Comm_set_attr(c, k[0], (void *)99L));
	EQ(core_Comm_dup(c, &d), MPI_ERR_OTHER);
	EQ(d == MPI_COMM_NULL, 1);
	int flag, *ub;
	OK(core_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &ub, &flag));
	EQ(flag && *ub == 77777, 1);
	EQ(core_Comm_set_attr(c, MPI_TAG_UB, 0), MPI_ERR_KEYVAL);
	*trace = 0;
	OK(core_Comm_set_attr(MPI_COMM_SELF, k[0], (void *)1L));
	OK(core_Comm_set_attr(MPI_COMM_SELF, k[1], (void *)2L));
	OK(core_Finalize());
	EQ(strcmp(trace, "-2-1"), 0);
}

/* ---- datatypes ---- */

static void contents(void)
{
	MPI_Datatype v, s, got[3];
	int ni, na, nd, comb, ints[8];
	MPI_Aint addrs[4];
	MPI_Count size, lb, extent;
	fake_init(0);
	OK(core_Type_vector(3, 2, 4, MPI_INT, &v));
	OK(core_Type_size(v, &size));
	EQ(size, 24);
	OK(core_Type_get_extent(v, &lb, &extent));
	EQ(extent, 40);
	OK(core_Type_get_envelope(v, &ni, &na, &nd, &comb));
	EQ(ni == 3 && na == 0 && nd == 1 && comb == MPI_COMBINER_VECTOR, 1);
	OK(core_Type_get_contents(v, 3, 0, 1, ints, addrs, got));
	EQ(ints[0] == 3 && ints[1] == 2 && ints[2] == 4 && got[0] == MPI_INT, 1);
	OK(core_Type_create_struct(3, (int[]){1, 2, 1}, (MPI_Aint[]){0, 8, 64}, (MPI_Datatype[]){MPI_CHAR, v, MPI_DOUBLE}, &s));
	OK(core_Type_size(s, &size));
	EQ(size, 1 + 48 + 8);
	OK(core_Type_get_envelope(s, &ni, &na, &nd, &comb));
	EQ(ni == 4 && na == 3 && nd == 3 && comb == MPI_COMBINER_STRUCT, 1);
	EQ(core_Type_get_contents(s, 3, 3, 3, ints, addrs, got), MPI_ERR_ARG);
	OK(core_Type_get_contents(s, 4, 3, 3, ints, addrs, got));
	EQ(ints[0] == 3 && ints[2] == 2 && addrs[2] == 64 && got[1] == v, 1);
	MPI_Datatype mine = got[1];
	OK(core_Type_free(&v));
	OK(core_Type_free(&mine));
	OK(core_Type_commit(&s));
	EQ(native_types, 2); /* the struct still needs its vector */
	fake_restart(0);
	EQ(native_types, 0);
	core_type_lower(s);
	EQ(native_types, 2);
	EQ(core_type_virtual(core_type_lower(s)) == s, 1);
	core_type_ref(s); /* a request in flight */
	OK(core_Type_free(&s));
	EQ(native_types, 2);
	EQ(core_Type_contiguous(-1, MPI_INT, &v), MPI_ERR_COUNT);
	EQ(core_Type_contiguous(1, MPI_REAL2, &v), MPI_ERR_TYPE);
	EQ(core_Type_contiguous(1, MPI_DATATYPE_NULL, &v), MPI_ERR_TYPE);
	OK(core_Type_contiguous(1LL << 33, MPI_INT, &v));
	MPI_Count cni, cna, cnc, cnd, count;
	OK(core_Type_get_envelope_c(v, &cni, &cna, &cnc, &cnd, &comb));
	EQ(cni == 0 && cna == 0 && cnc == 1 && cnd == 1, 1);
	OK(core_Type_get_contents_c(v, 0, 0, 1, 1, 0, 0, &count, got));
	EQ(count, 1LL << 33);
	EQ(core_Type_get_envelope(v, &ni, &na, &nd, &comb), MPI_ERR_TYPE);
	OK(core_Type_get_envelope(MPI_INT, &ni, &na, &nd, &comb));
	EQ(comb, MPI_COMBINER_NAMED);
}

static int type_copies, type_deletes;
static int type_copy(MPI_Datatype t, int k, void *extra, void *in, void *out, int *flag)
{
	(void)t, (void)k, (void)extra;
	*(void **)out = in;
	*flag = 1;
	return type_copies++, MPI_SUCCESS;
}
static int type_delete(MPI_Datatype t, int k, void *value, void *extra)
{
	(void)t, (void)k, (void)value, (void)extra;
	return type_deletes++, MPI_SUCCESS;
}

static void type_attributes(void)
{
	MPI_Datatype a, b;
	int k, flag, len;
	void *v;
	char name[MPI_MAX_OBJECT_NAME];
	fake_init(0);
	OK(core_Type_create_keyval(type_copy, type_delete, &k, 0));
	OK(core_Type_contiguous(3, MPI_INT, &a));
	OK(core_Type_set_attr(a, k, (void *)5L));
	OK(core_Type_dup(a, &b));
	OK(core_Type_get_attr(b, k, &v, &flag));
	EQ(flag && (long)v == 5 && type_copies == 1, 1);
	OK(core_Type_free(&b));
	EQ(type_deletes, 1);
	OK(core_Type_set_attr(MPI_INT, k, (void *)6L));
	OK(core_Type_get_attr(MPI_INT, k, &v, &flag));
	EQ((long)v, 6);
	OK(core_Type_set_name(a, "triple"));
	OK(core_Type_get_name(a, name, &len));
	EQ(len == 6 && !strcmp(name, "triple"), 1);
	EQ(core_Comm_set_attr(MPI_COMM_WORLD, k, 0), MPI_ERR_KEYVAL);
}

/* ---- operations ---- */

static MPI_Datatype seen;
static void op_fn(void *in, void *inout, int *n, MPI_Datatype *t)
{
	seen = *t;
	for (int i = 0; i < *n; i++)
		((int *)inout)[i] += 2 * ((int *)in)[i];
}

static void operations(void)
{
	MPI_Op op, many[MANA_OP_SLOTS];
	MPI_Datatype t;
	int a[2] = {1, 2}, b[2] = {10, 20}, commute;
	fake_init(0);
	OK(core_Type_contiguous(2, MPI_INT, &t));
	OK(core_Op_create(op_fn, 0, &op));
	OK(core_Op_commutative(op, &commute));
	EQ(commute, 0);
	uint64_t native = VID(core_op_lower(op));
	core_op_call((int)(native - 0x5000), a, b, 2, core_type_lower(t));
	EQ(b[0] == 12 && b[1] == 24 && seen == t, 1);
	fake_restart(0);
	EQ(VID(core_op_lower(op)), native);
	core_op_ref(op);
	MPI_Op in_flight = op;
	OK(core_Op_free(&op));
	EQ(native_ops, 1);
	for (int i = 0; i < MANA_OP_SLOTS - 1; i++) {
		OK(core_Op_create(op_fn, 1, &many[i]));
		EQ(VID(core_op_lower(many[i])) != native, 1);
	}
	EQ(core_Op_create(op_fn, 1, &op), MPI_ERR_NO_MEM);
	core_op_unref(in_flight);
	OK(core_Op_create(op_fn, 1, &op));
	EQ(VID(core_op_lower(op)), native);
	OK(core_Op_commutative(MPI_SUM, &commute));
	EQ(commute, 1);
	EQ(core_Op_commutative(MPI_OP_NULL, &commute), MPI_ERR_OP);
}

/* ---- topologies ---- */

static void cart(void)
{
	MPI_Comm c, s;
	int dims[] = {2, 3}, periods[] = {0, 1}, xy[2], d[2], p[2], r, src, dst, n;
	fake_init(4);
	OK(core_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 1, &c));
	OK(core_Cart_get(c, 2, d, p, xy));
	EQ(d[0] == 2 && d[1] == 3 && !p[0] && p[1] && xy[0] == 1 && xy[1] == 1, 1);
	for (int i = 0; i < 6; i++) {
		OK(core_Cart_coords(c, i, 2, xy));
		EQ(xy[0] * 3 + xy[1], i);
		OK(core_Cart_rank(c, xy, &r));
		EQ(r, i);
		for (int k = -7; k <= 7; k++) {
			int wrapped[] = {xy[0], xy[1] + k};
			OK(core_Cart_rank(c, wrapped, &r));
			EQ(r, xy[0] * 3 + ((xy[1] + k) % 3 + 3) % 3);
		}
	}
	EQ(core_Cart_rank(c, (int[]){2, 0}, &r), MPI_ERR_ARG);
	OK(core_Cart_shift(c, 0, 1, &src, &dst));
	EQ(src == 1 && dst == MPI_PROC_NULL, 1);
	OK(core_Cart_shift(c, 1, -4, &src, &dst));
	EQ(src == 5 && dst == 3, 1);
	OK(core_Topo_test(c, &n));
	EQ(n, MPI_CART);
	OK(core_Cart_sub(c, (int[]){0, 0}, &s));
	OK(core_Cartdim_get(s, &n));
	EQ(n, 0);
	OK(core_Comm_dup(c, &s));
	OK(core_Cart_coords(s, 5, 2, xy));
	EQ(xy[0] == 1 && xy[1] == 2, 1);
	OK(core_Comm_free(&c));
	fake_restart(4);
	OK(core_Cart_shift(s, 1, 1, &src, &dst));
	EQ(src == 3 && dst == 5, 1);
	OK(core_Cart_create(MPI_COMM_WORLD, 1, (int[]){4}, (int[]){0}, 0, &c));
	EQ(c == MPI_COMM_NULL, 1);
	EQ(core_Cart_create(MPI_COMM_WORLD, 1, (int[]){7}, (int[]){0}, 0, &c), MPI_ERR_ARG);
	EQ(core_Cartdim_get(MPI_COMM_WORLD, &n), MPI_ERR_TOPOLOGY);
}

/* ---- communicators: every member has the same gid, no two have one ---- */

static int parity(int r)
{
	return r % 2;
}
static int backwards(int r)
{
	return -r;
}
static int first_of_group(int r)
{
	return r == 1 || r == 3 || r == 4 ? 4 : MPI_UNDEFINED;
}
static int place_in_group(int r)
{
	return r == 4 ? 0 : r;
}

#define NCOMMS 6
static void as_rank(int rank, uint64_t gid[NCOMMS])
{
	MPI_Comm c[NCOMMS];
	MPI_Group w, g;
	fake_init(rank);
	OK(core_Comm_dup(MPI_COMM_WORLD, &c[0]));
	color_of = parity;
	key_of = backwards;
	OK(core_Comm_split(c[0], parity(rank), backwards(rank), &c[1]));
	OK(core_Comm_dup(c[1], &c[2]));
	OK(core_Comm_dup(c[0], &c[3]));
	OK(core_Comm_group(MPI_COMM_WORLD, &w));
	OK(core_Group_incl(w, 3, (int[]){4, 1, 3}, &g));
	color_of = first_of_group;
	key_of = place_in_group;
	OK(core_Comm_create(MPI_COMM_WORLD, g, &c[4]));
	EQ(core_Comm_create(MPI_COMM_SELF, g, &c[5]), MPI_ERR_GROUP); /* not all of the group are in it */
	OK(core_Comm_create_group(MPI_COMM_WORLD, g, 3, &c[5]));
	for (int i = 0; i < NCOMMS; i++)
		gid[i] = c[i] == MPI_COMM_NULL ? 0 : core_comm_of(c[i])->gid;
	struct core_comm *s = core_comm_of(c[1]);
	for (int i = 0; i < s->size; i++)
		EQ(s->world[i], 4 + parity(rank) - 2 * i);
	if (rank == 4)
		EQ(core_comm_of(c[4])->rank, 0);
	/* In the new lower half everybody sits elsewhere; the program's ranks stay. */
	int live = native_comms;
	fake_restart(rank);
	EQ(native_comms, live + 1); /* + the private one */
	for (int i = 0; i < NCOMMS; i++)
		EQ(c[i] == MPI_COMM_NULL ? gid[i] == 0 : core_comm_of(c[i])->gid == gid[i], 1);
}

static void gids(void)
{
	uint64_t gid[WORLD_SIZE][NCOMMS], all[64];
	int fd[2], n = 0, status;
	for (int r = 0; r < WORLD_SIZE; r++) {
		EQ(pipe(fd), 0);
		if (fork() == 0) {
			as_rank(r, gid[r]);
			_exit(write(fd[1], gid[r], sizeof gid[r]) != (long)sizeof gid[r]);
		}
		wait(&status);
		EQ(status, 0);
		EQ(read(fd[0], gid[r], sizeof gid[r]), sizeof gid[r]);
		close(fd[0]);
		close(fd[1]);
	}
	for (int r = 0; r < WORLD_SIZE; r++)
		for (int i = 0; i < NCOMMS; i++) {
			int same = i == 0 || i == 3 ? 0 : i < 3 ? r % 2 : 4; /* a member of the same communicator */
			if (i >= 4 && first_of_group(r) == MPI_UNDEFINED)
				EQ(gid[r][i], 0);
			else
				EQ(gid[r][i], gid[same][i]);
			int known = gid[r][i] == 0;
			for (int k = 0; k < n; k++)
				known |= all[k] == gid[r][i];
			if (!known)
				all[n++] = gid[r][i];
		}
	EQ(n, 8); /* two halves of the split and of its duplicate */
}

static void communicators(void)
{
	MPI_Comm c, d;
	int result, len;
	char name[MPI_MAX_OBJECT_NAME];
	fake_init(1);
	OK(core_Comm_dup(MPI_COMM_WORLD, &c));
	OK(core_Comm_compare(c, MPI_COMM_WORLD, &result));
	EQ(result, MPI_CONGRUENT);
	OK(core_Comm_compare(c, c, &result));
	EQ(result, MPI_IDENT);
	OK(core_Comm_get_name(MPI_COMM_WORLD, name, &len));
	EQ(strcmp(name, "MPI_COMM_WORLD"), 0);
	struct core_comm *o = core_comm_of(c);
	uint32_t clocks = mana_ctl->nclocks;
	__atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED); /* a pending receive */
	OK(core_Comm_free(&c));
	EQ(c == MPI_COMM_NULL && o->freed && o->refs == 1, 1);
	fake_restart(1);
	EQ(o->lower == MPI_COMM_NULL, 1);
	core_comm_unref(o);
	for (int i = 0; i < 20; i++) { /* clocks of dead communicators are used again */
		OK(core_Comm_dup(MPI_COMM_WORLD, &d));
		OK(core_Comm_free(&d));
	}
	EQ(mana_ctl->nclocks <= clocks + 1, 1);
	EQ(core_Comm_free(&d), MPI_ERR_COMM);
	d = MPI_COMM_WORLD;
	EQ(core_Comm_free(&d), MPI_ERR_COMM);
}

/* ---- errors ---- */

static int handled;
static void handler(MPI_Comm *c, int *code, ...)
{
	handled = *c == MPI_COMM_NULL ? 0 : *code;
}

static void errors(void)
{
	MPI_Errhandler h, got;
	MPI_Comm c;
	int code, class, len;
	char text[MPI_MAX_ERROR_STRING];
	fake_init(0);
	OK(core_Comm_dup(MPI_COMM_WORLD, &c));
	OK(core_Comm_get_errhandler(c, &got));
	EQ(got == MPI_ERRORS_ARE_FATAL, 1); /* the default is a handle too */
	OK(core_Comm_free(&c));
	OK(core_Comm_create_errhandler(handler, &h));
	OK(core_Comm_set_errhandler(MPI_COMM_WORLD, h));
	OK(core_Comm_get_errhandler(MPI_COMM_WORLD, &got));
	EQ(got == h, 1);
	OK(core_Errhandler_free(&got));
	OK(core_Errhandler_free(&h));
	OK(core_Comm_dup(MPI_COMM_WORLD, &c));
	EQ(core_error(c, MPI_ERR_TAG, "MPI_Send"), MPI_ERR_TAG); /* inherited, and alive */
	EQ(handled, MPI_ERR_TAG);
	OK(core_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
	EQ(core_error(MPI_COMM_NULL, MPI_ERR_COMM, "MPI_Send"), MPI_ERR_COMM);
	OK(core_Comm_free(&c));
	OK(core_Add_error_class(&class));
	OK(core_Add_error_code(class, &code));
	OK(core_Add_error_string(code, "out of cheese"));
	OK(core_Error_string(code, text, &len));
	EQ(strcmp(text, "out of cheese"), 0);
	OK(core_Error_class(code, &len));
	EQ(len, class);
	EQ(core_Add_error_string(MPI_ERR_TAG, "x"), MPI_ERR_ARG);
}

/* Lanes are used again when all members have freed what ran there, and end with their communicator. */
static void lanes(void)
{
	struct core_comm *c, *a, *b, *again;
	MPI_Comm h;
	fake_init(2);
	OK(core_Comm_dup(MPI_COMM_WORLD, &h));
	c = core_comm_of(h);
	int before = native_comms;
	OK(core_lane_take(c, &a));
	OK(core_lane_take(c, &b));
	EQ(native_comms, before + 2);
	EQ(a != b && a != c && b->lane_of == c, 1);
	core_lane_leave(a);
	core_lane_leave(b);
	peers_use[0] = 255;
	OK(core_lane_take(c, &again));
	EQ(again == b, 1);
	peers_use[0] = 0;
	OK(core_lane_take(c, &again));
	EQ(again == a, 1);
	EQ(native_comms, before + 2);
	fake_restart(2);
	EQ(native_comms, 4); /* the private one, c and both lanes */
	core_lane_leave(b);
	OK(core_Comm_free(&h));
	EQ(native_comms, 2); /* a's request still needs it */
	EQ(a->lane_of == 0 && a->lower != MPI_COMM_NULL, 1);
	before = native_comms;
	OK(core_lane_take(&core_self, &a));
	EQ(a == &core_self && native_comms == before, 1);
}

#define CASE(f) {#f, f}
static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	CASE(groups), CASE(infos), CASE(attributes), CASE(contents), CASE(type_attributes), CASE(operations),
	CASE(cart), CASE(gids), CASE(communicators), CASE(lanes), CASE(errors),
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
