/* op.c - user-defined reduction operations.
 *
 * The real library calls a function of ours, one of a pool because it passes no
 * user argument; it goes to the upper half and back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adapter.h"

static void run(int slot, void *in, void *inout, const int *len, const native_Datatype *type)
{
	if (!adapter_self) { /* a progress thread of the library: there is no upper half to go to */
		fprintf(stderr, "mana: the MPI library runs a user-defined operation on a thread of its own\n");
		abort();
	}
	MPI_Datatype lower_type = native_type_out(*type);
	adapter_table.upper->op_call(slot, in, inout, *len, lower_type);
}

/* Functions 0x00 … 0xff, by their two hexadecimal digits. */
#define ONE(x, y)                                                                   \
	static void op_##x##y(void *in, void *inout, int *len, native_Datatype *t) \
	{                                                                           \
		run(0x##x##y, in, inout, len, t);                                   \
	}
#define ROW(x) \
	ONE(x, 0) ONE(x, 1) ONE(x, 2) ONE(x, 3) ONE(x, 4) ONE(x, 5) ONE(x, 6) ONE(x, 7) \
	ONE(x, 8) ONE(x, 9) ONE(x, a) ONE(x, b) ONE(x, c) ONE(x, d) ONE(x, e) ONE(x, f)
ROW(0) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7)
ROW(8) ROW(9) ROW(a) ROW(b) ROW(c) ROW(d) ROW(e) ROW(f)

#define NAMES(x) \
	op_##x##0, op_##x##1, op_##x##2, op_##x##3, op_##x##4, op_##x##5, op_##x##6, op_##x##7, \
	op_##x##8, op_##x##9, op_##x##a, op_##x##b, op_##x##c, op_##x##d, op_##x##e, op_##x##f
static void (*const pool[])(void *, void *, int *, native_Datatype *) = {
	NAMES(0), NAMES(1), NAMES(2), NAMES(3), NAMES(4), NAMES(5), NAMES(6), NAMES(7),
	NAMES(8), NAMES(9), NAMES(a), NAMES(b), NAMES(c), NAMES(d), NAMES(e), NAMES(f),
};
_Static_assert(sizeof pool / sizeof pool[0] == MANA_OP_SLOTS, "one function per slot");

int adapter_op_create(int slot, int commute, MPI_Op *out)
{
	native_Op op;
	if (slot < 0 || slot >= MANA_OP_SLOTS)
		return MPI_ERR_INTERN;
	int rc = native.Op_create((void *)pool[slot], commute, &op);
	if (rc == 0)
		*out = native_op_out(op);
	return native_err(rc);
}
