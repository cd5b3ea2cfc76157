/* core_op.c - reduction operations of the program.
 *
 * The real library calls trampoline number `slot` of the adapter, which comes
 * back here. A slot is taken for the life of the object, in every lower half.
 */
#include "core_objects.h"

static struct core_op *by_slot[MANA_OP_SLOTS];
static uint32_t slot_lock;

static struct core_op *op_of(MPI_Op h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_ops, VID(h));
}

static int take_slot(struct core_op *o)
{
	int s = 0;
	core_lock(&slot_lock);
	while (s < MANA_OP_SLOTS && by_slot[s])
		s++;
	if (s < MANA_OP_SLOTS)
		by_slot[s] = o;
	core_unlock(&slot_lock);
	return s;
}

static int create(void *fn, int large, int commute, MPI_Op *op)
{
	ENTER_LOCAL();
	struct core_op *o = core_alloc(sizeof *o);
	o->slot = take_slot(o);
	if (o->slot == MANA_OP_SLOTS) {
		core_free(o);
		LEAVE_LOCAL(MPI_ERR_NO_MEM);
	}
	o->refs = 1;
	o->commute = commute;
	o->fn = fn;
	o->fn_large = large;
	o->vid = core_table_add(&core_ops, o);
	*op = HANDLE(MPI_Op, o->vid);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Op_create(MPI_User_function *user_fn, int commute, MPI_Op *op)
{
	return create((void *)user_fn, 0, commute, op);
}

int core_Op_create_c(MPI_User_function_c *user_fn, int commute, MPI_Op *op)
{
	return create((void *)user_fn, 1, commute, op);
}

/* The function of an operation; another one takes its place if it is given. */
void *core_op_function(MPI_Op op, void *instead)
{
	struct core_op *o = op_of(op);
	void *fn = o ? o->fn : 0;
	if (o && instead)
		o->fn = instead;
	return fn;
}

int core_Op_commutative(MPI_Op op, int *commute)
{
	struct core_op *o = op_of(op);
	if (!o && (VID(op) <= VID(MPI_OP_NULL) || VID(op) > VID(MPI_NO_OP)))
		return MPI_ERR_OP;
	*commute = o ? o->commute : op != MPI_REPLACE;
	return MPI_SUCCESS;
}

void core_op_ref(MPI_Op h)
{
	struct core_op *o = op_of(h);
	if (o)
		__atomic_fetch_add(&o->refs, 1, __ATOMIC_RELAXED);
}

void core_op_unref(MPI_Op h)
{
	struct core_op *o = op_of(h);
	if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL))
		return;
	core_table_del(&core_ops, o->vid);
	if (VID(o->lower) && mana_ctl->inited == MANA_INITED) {
		volatile struct mana_thread *t = core_self_thread();
		MPI_Op lower = o->lower;
		LOWER(t, core_lower->f.Op_free(&lower));
	}
	by_slot[o->slot] = 0;
	core_free(o);
}

int core_Op_free(MPI_Op *op)
{
	struct core_op *o = op_of(*op);
	if (!o || o->freed)
		return MPI_ERR_OP;
	ENTER();
	o->freed = 1;
	core_op_unref(*op);
	*op = MPI_OP_NULL;
	LEAVE(MPI_SUCCESS);
}

/* Called when an operation is not yet in this lower half. */
MPI_Op core_op_build(struct core_op *o)
{
	volatile struct mana_thread *t = core_self_thread();
	MPI_Op lower;
	int rc = LOWER(t, core_lower->p.op_create(o->slot, o->commute, &lower));
	if (rc != MPI_SUCCESS)
		core_die("cannot make a reduction operation: %s", core_error_text(rc));
	o->lower = lower;
	return lower;
}

void core_op_forget(void)
{
	struct core_op *o;
	FOR_TABLE(&core_ops, o)
		o->lower = 0;
}

/* From the adapter, in the midst of a call. */
void core_op_call(int slot, void *in, void *inout, int64_t n, MPI_Datatype lower_type)
{
	volatile struct mana_thread *t = core_self_thread();
	struct core_op *o = by_slot[slot];
	uint32_t state = t->state;
	core_front.op_call(o->fn, o->fn_large, in, inout, n, core_type_virtual(lower_type));
	t->state = state;
}
