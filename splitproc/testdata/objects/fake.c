#define _GNU_SOURCE
#include "fake.h"
#include "core_p2p.h"

#include <sys/auxv.h>
#include <sys/mman.h>

MPI_Comm core_failed_comm;
struct core_request core_over;
void core_request_grow(void)
{
}
unsigned char peers_use[8];
const struct mana_lower *core_lower;
int (*color_of)(int), (*key_of)(int);
int native_comms, native_types, native_ops, types_made;
static int native_rank; /* this process, in the library's own numbers */

/* ---- what the other parts of the stub provide ---- */

uint64_t mana_hold_signals(void)
{
	return 0;
}
void mana_release_signals(uint64_t mask)
{
	(void)mask;
}
void core_p2p_finalize(void)
{
}
void core_drained_drop(struct core_comm *c)
{
	(void)c;
}
struct core_request *core_request_new(int kind, struct core_comm *c)
{
	struct core_request *r = core_alloc(sizeof *r);
	r->kind = (uint8_t)kind;
	r->comm = c;
	r->vid = core_table_add(&core_requests, r);
	return r;
}

static int call_errh(int kind, void *fn, uint64_t object, int errclass)
{
	MPI_Comm c = (MPI_Comm)object; /* what an int * or a handle * finds there is the same for every kind */
	(void)kind;
	((MPI_Comm_errhandler_function *)fn)(&c, &errclass);
	return errclass;
}
static void call_op(void *fn, int large, void *in, void *inout, MPI_Count n, MPI_Datatype t)
{
	int len = (int)n;
	(void)large;
	((MPI_User_function *)fn)(in, inout, &len, &t);
}
static int comm_copy(void *fn, MPI_Comm c, int keyval, void *extra, void *in, void *out, int *flag)
{
	return ((MPI_Comm_copy_attr_function *)fn)(c, keyval, extra, in, out, flag);
}
static int comm_delete(void *fn, MPI_Comm c, int keyval, void *value, void *extra)
{
	return ((MPI_Comm_delete_attr_function *)fn)(c, keyval, value, extra);
}
static int type_copy(void *fn, MPI_Datatype t, int keyval, void *extra, void *in, void *out, int *flag)
{
	return ((MPI_Type_copy_attr_function *)fn)(t, keyval, extra, in, out, flag);
}
static int type_delete(void *fn, MPI_Datatype t, int keyval, void *value, void *extra)
{
	return ((MPI_Type_delete_attr_function *)fn)(t, keyval, value, extra);
}
const struct core_front core_front = {
	.abi = "std", .op_call = call_op, .errh = call_errh, .comm_copy_attr = comm_copy,
	.comm_delete_attr = comm_delete, .type_copy_attr = type_copy, .type_delete_attr = type_delete,
};

/* start.c, core_part.c, core_inter.c */
int mana_pid;
struct core_comm core_parts;
int core_Intercomm_create(MPI_Comm local, int leader, MPI_Comm peer, int there, int tag, MPI_Comm *out)
{
	(void)local, (void)leader, (void)peer, (void)there, (void)tag, (void)out;
	return MPI_ERR_INTERN;
}

/* ---- communicators: lists of the program's world ranks ---- */

struct fcomm {
	int n, r[WORLD_SIZE];
};
static struct fcomm world = {WORLD_SIZE, {0, 1, 2, 3, 4, 5}}, self = {1, {0}};

static struct fcomm *of(MPI_Comm c)
{
	return c == MPI_COMM_WORLD ? &world : c == MPI_COMM_SELF ? &self : (struct fcomm *)c;
}
static MPI_Comm comm_new(int n, const int *r)
{
	struct fcomm *c = calloc(1, sizeof *c);
	c->n = n;
	memcpy(c->r, r, (size_t)n * sizeof *r);
	native_comms++;
	return (MPI_Comm)c;
}
static int Comm_size(MPI_Comm c, int *n)
{
	*n = of(c)->n;
	return 0;
}
static int Comm_rank(MPI_Comm c, int *r)
{
	*r = MPI_UNDEFINED;
	for (int i = 0; i < of(c)->n; i++)
		if (of(c)->r[i] == native_rank)
			*r = i;
	return 0;
}
static int Comm_dup(MPI_Comm c, MPI_Comm *out)
{
	*out = comm_new(of(c)->n, of(c)->r);
	return 0;
}
static int Comm_free(MPI_Comm *c)
{
	free(of(*c));
	native_comms--;
	*c = MPI_COMM_NULL;
	return 0;
}
static int Comm_test_inter(MPI_Comm c, int *flag)
{
	(void)c;
	*flag = 0;
	return 0;
}
static int Comm_split(MPI_Comm c, int color, int key, MPI_Comm *out)
{
	int r[WORLD_SIZE], k[WORLD_SIZE], n = 0;
	(void)key;
	*out = MPI_COMM_NULL;
	if (color == MPI_UNDEFINED)
		return 0;
	for (int i = 0; i < of(c)->n; i++) {
		int who = of(c)->r[i], at = n;
		if (color_of(who) != color)
			continue;
		for (; at > 0 && k[at - 1] > key_of(who); at--) {
			k[at] = k[at - 1];
			r[at] = r[at - 1];
		}
		k[at] = key_of(who);
		r[at] = who;
		n++;
	}
	*out = comm_new(n, r);
	return 0;
}
static int members(MPI_Comm c, int remote, MPI_Comm w, int n, int ranks[])
{
	(void)remote;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < of(w)->n; j++)
			if (of(w)->r[j] == of(c)->r[i])
				ranks[i] = j;
	return 0;
}
static int comm_from_ranks(MPI_Comm w, int n, const int ranks[], int tag, MPI_Comm *out)
{
	int r[WORLD_SIZE];
	(void)tag;
	for (int i = 0; i < n; i++)
		r[i] = of(w)->r[ranks[i]];
	*out = comm_new(n, r);
	return 0;
}
/* The root's bytes: here, the same on whichever rank asks. */
static int Bcast(void *buf, MPI_Count n, MPI_Datatype t, int root, MPI_Comm c)
{
	static uint64_t calls;
	uint64_t v = core_hash(++calls, of(c)->r, (size_t)of(c)->n * sizeof(int));
	(void)n, (void)t, (void)root;
	memcpy(buf, &v, sizeof v);
	return 0;
}
static int Allreduce(const void *in, void *out, MPI_Count n, MPI_Datatype t, MPI_Op op, MPI_Comm c)
{
	(void)t, (void)c;
	if (op == MPI_BAND)
		for (int i = 0; i < n; i++)
			((unsigned char *)out)[i] = ((const unsigned char *)in)[i] & ~peers_use[i];
	else
		memcpy(out, in, sizeof(int));
	return 0;
}
static int Cart_create(MPI_Comm c, int nd, const int d[], const int p[], int reorder, MPI_Comm *out)
{
	int n = 1;
	(void)p, (void)reorder;
	for (int i = 0; i < nd; i++)
		n *= d[i];
	*out = comm_new(n, of(c)->r);
	for (int i = 0; i < n; i++)
		if (of(c)->r[i] == native_rank)
			return 0;
	return Comm_free(out);
}
static int Cart_sub(MPI_Comm c, const int remain[], MPI_Comm *out)
{
	(void)remain; /* the test keeps no dimension */
	(void)c;
	*out = comm_new(1, &native_rank);
	return 0;
}

/* ---- datatypes: size and bounds ---- */

struct ftype {
	MPI_Count size, lb, ub;
	int committed;
};
static struct ftype typeof_(MPI_Datatype t)
{
	if (VID(t) >= VID_BASE)
		return *(struct ftype *)t;
	MPI_Count n = t == MPI_DOUBLE ? 8 : t == MPI_CHAR || t == MPI_BYTE ? 1 : 4;
	return (struct ftype){n, 0, n, 1};
}
static int type_new(struct ftype t, MPI_Datatype *out)
{
	struct ftype *p = malloc(sizeof *p);
	*p = t;
	*out = (MPI_Datatype)p;
	native_types++;
	types_made++;
	return 0;
}
/* n blocks of len olds, at byte displacements */
static int blocks(MPI_Count n, const MPI_Count *len, const MPI_Count *at, const struct ftype *old, int one, MPI_Datatype *out)
{
	struct ftype r = {0, 0, 0, 0};
	int first = 1;
	for (MPI_Count i = 0; i < n; i++) {
		const struct ftype *o = &old[one ? 0 : i];
		if (!len[i])
			continue;
		MPI_Count lo = at[i] + o->lb, hi = at[i] + (len[i] - 1) * (o->ub - o->lb) + o->ub;
		r.size += len[i] * o->size;
		r.lb = first || lo < r.lb ? lo : r.lb;
		r.ub = first || hi > r.ub ? hi : r.ub;
		first = 0;
	}
	return type_new(r, out);
}
static int Type_contiguous(MPI_Count n, MPI_Datatype old, MPI_Datatype *out)
{
	struct ftype o = typeof_(old);
	return n < 0 ? MPI_ERR_COUNT : blocks(1, &n, (MPI_Count[]){0}, &o, 1, out);
}
static int Type_create_hvector(MPI_Count n, MPI_Count len, MPI_Count stride, MPI_Datatype old, MPI_Datatype *out)
{
	MPI_Count l[64], at[64];
	struct ftype o = typeof_(old);
	for (int i = 0; i < n; i++) {
		l[i] = len;
		at[i] = i * stride;
	}
	return blocks(n, l, at, &o, 1, out);
}
static int Type_vector(MPI_Count n, MPI_Count len, MPI_Count stride, MPI_Datatype old, MPI_Datatype *out)
{
	struct ftype o = typeof_(old);
	return Type_create_hvector(n, len, stride * (o.ub - o.lb), old, out);
}
static int Type_indexed(int n, const int len[], const int displ[], MPI_Datatype old, MPI_Datatype *out)
{
	MPI_Count l[64], at[64];
	struct ftype o = typeof_(old);
	for (int i = 0; i < n; i++) {
		l[i] = len[i];
		at[i] = displ[i] * (o.ub - o.lb);
	}
	return blocks(n, l, at, &o, 1, out);
}
static int Type_create_struct(int n, const int len[], const MPI_Aint displ[], MPI_Datatype types[], MPI_Datatype *out)
{
	MPI_Count l[64], at[64];
	struct ftype o[64];
	for (int i = 0; i < n; i++) {
		l[i] = len[i];
		at[i] = displ[i];
		o[i] = typeof_(types[i]);
		types[i] = 0; /* the array is the lower half's to write to */
	}
	return blocks(n, l, at, o, 0, out);
}
static int Type_create_resized(MPI_Datatype old, MPI_Count lb, MPI_Count extent, MPI_Datatype *out)
{
	struct ftype o = typeof_(old);
	return type_new((struct ftype){o.size, lb, lb + extent, 0}, out);
}
static int Type_dup(MPI_Datatype old, MPI_Datatype *out)
{
	return type_new(typeof_(old), out);
}
static int Type_commit(MPI_Datatype *t)
{
	((struct ftype *)*t)->committed = 1;
	return 0;
}
static int Type_free(MPI_Datatype *t)
{
	free(*t);
	native_types--;
	*t = MPI_DATATYPE_NULL;
	return 0;
}
static int Type_size(MPI_Datatype t, MPI_Count *n)
{
	*n = typeof_(t).size;
	return t == MPI_REAL2 ? MPI_ERR_TYPE : 0; /* a type that the library lacks */
}
static int Type_get_extent(MPI_Datatype t, MPI_Count *lb, MPI_Count *extent)
{
	struct ftype f = typeof_(t);
	*lb = f.lb;
	*extent = f.ub - f.lb;
	return 0;
}
static int op_create(int slot, int commute, MPI_Op *out)
{
	(void)commute;
	native_ops++;
	*out = (MPI_Op)(uintptr_t)(0x5000 + slot);
	return 0;
}
static int Op_free(MPI_Op *op)
{
	native_ops--;
	*op = MPI_OP_NULL;
	return 0;
}
static int init(int required, int *provided)
{
	*provided = required;
	return 0;
}
static int Finalize(void)
{
	return 0;
}
static int donor(uint64_t *fs)
{
	*fs = mana_tp();
	return 0;
}

static struct mana_lower lower = {
	.size = sizeof lower,
	.world = MPI_COMM_WORLD,
	.self = MPI_COMM_SELF,
	.tag_ub = 77777,
	.p = {.init = init, .members = members, .comm_from_ranks = comm_from_ranks, .op_create = op_create, .donor = donor},
	.f = {.Comm_size = Comm_size, .Comm_rank = Comm_rank, .Comm_dup = Comm_dup, .Comm_free = Comm_free,
	      .Comm_test_inter = Comm_test_inter, .Comm_split = Comm_split, .Bcast = Bcast, .Allreduce = Allreduce,
	      .Cart_create = Cart_create, .Cart_sub = Cart_sub, .Type_contiguous = Type_contiguous,
	      .Type_create_hvector = Type_create_hvector, .Type_vector = Type_vector, .Type_indexed = Type_indexed,
	      .Type_create_struct = Type_create_struct, .Type_create_resized = Type_create_resized, .Type_dup = Type_dup,
	      .Type_commit = Type_commit, .Type_free = Type_free, .Type_size = Type_size,
	      .Type_get_extent = Type_get_extent, .Type_get_true_extent = Type_get_extent, .Op_free = Op_free,
	      .Finalize = Finalize},
};

int mana_claimed = 1;

void mana_claim_page(void)
{
}

int core_enter_lower(void)
{
	core_lower = &lower;
	core_thread_slot->lower_tp = mana_tp();
	return 0;
}

void fake_init(int rank)
{
	int provided;
	if (mmap((void *)MANA_CTL_ADDR, MANA_CTL_SIZE, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		abort();
	native_rank = self.r[0] = rank;
	OK(core_Init_thread(0, 0, MPI_THREAD_MULTIPLE, &provided));
	native_comms = 0;
}

void fake_restart(int rank)
{
	native_comms = native_types = native_ops = types_made = 0;
	native_rank = self.r[0] = rank;
	EQ(core_rebuild_objects(), 0);
}
