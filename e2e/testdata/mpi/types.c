/* types: every datatype constructor, kept alive through the run, used in messages, packed, decoded and measured. */
#include "check.h"
#include <stddef.h>

typedef struct { char c; double d[2]; short s; int i; } record;

enum { KINDS = 13, BYTES = 4096 };

static MPI_Datatype type[KINDS];
static MPI_Aint lb0[KINDS], ext0[KINDS];
static int size0[KINDS];

static MPI_Datatype make_struct(void)
{
	int lens[4] = {1, 2, 1, 1};
	MPI_Aint at[4] = {offsetof(record, c), offsetof(record, d), offsetof(record, s), offsetof(record, i)};
	MPI_Datatype t[4] = {MPI_CHAR, MPI_DOUBLE, MPI_SHORT, MPI_INT}, raw, out;

	MPI_Type_create_struct(4, lens, at, t, &raw);
	MPI_Type_create_resized(raw, 0, sizeof(record), &out);
	MPI_Type_free(&raw); /* the derived type stays usable */
	return out;
}

static void make(void)
{
	int lens[3] = {2, 1, 3}, at[3] = {0, 5, 9}, sizes[2] = {6, 8}, sub[2] = {3, 4}, starts[2] = {2, 1};
	int psizes[1] = {0}, distribs[1] = {MPI_DISTRIBUTE_BLOCK}, dargs[1] = {MPI_DISTRIBUTE_DFLT_DARG}, gs[1] = {64};
	MPI_Aint hat[3] = {0, 40, 96};

	MPI_Type_contiguous(7, MPI_INT, &type[0]);
	MPI_Type_vector(4, 2, 5, MPI_INT, &type[1]);
	MPI_Type_create_hvector(3, 2, 28, MPI_SHORT, &type[2]);
	MPI_Type_indexed(3, lens, at, MPI_INT, &type[3]);
	MPI_Type_create_hindexed(3, lens, hat, MPI_DOUBLE, &type[4]);
	MPI_Type_create_indexed_block(3, 2, at, MPI_FLOAT, &type[5]);
	MPI_Type_create_hindexed_block(3, 2, hat, MPI_LONG, &type[6]);
	type[7] = make_struct();
	MPI_Type_create_resized(type[1], -8, 120, &type[8]);
	MPI_Type_create_subarray(2, sizes, sub, starts, MPI_ORDER_FORTRAN, MPI_INT, &type[9]);
	MPI_Dims_create(np, 1, psizes);
	MPI_Type_create_darray(np, 0, 1, gs, distribs, dargs, psizes, MPI_ORDER_C, MPI_INT, &type[10]);
	MPI_Type_dup(type[7], &type[11]);
	MPI_Type_vector(3, 1, 2, type[11], &type[12]); /* of a struct whose extent is not its size */
	for (int i = 0; i < KINDS; i++) {
		MPI_Type_commit(&type[i]);
		MPI_Type_get_extent(type[i], &lb0[i], &ext0[i]);
		MPI_Type_size(type[i], &size0[i]);
	}
	MPI_Type_set_name(type[7], "record");
}

static void measure(int i)
{
	MPI_Aint lb, ext, tlb, text;
	int size;

	MPI_Type_get_extent(type[i], &lb, &ext);
	MPI_Type_get_true_extent(type[i], &tlb, &text);
	MPI_Type_size(type[i], &size);
	CHECK(lb == lb0[i] && ext == ext0[i] && size == size0[i], "type %d changed: %ld %ld %d", i, (long)lb, (long)ext, size);
	CHECK(text >= size && tlb >= lb, "type %d: true extent %ld", i, (long)text);
	mix_long(ext * 31 + size + tlb * 7 + text);
}

/* decode checks what Type_get_envelope and Type_get_contents tell of the nested vector. */
static void decode(void)
{
	int ni, na, nt, comb, ints[3], flag;
	MPI_Datatype inner[1];

	MPI_Type_get_envelope(type[12], &ni, &na, &nt, &comb);
	CHECK(comb == MPI_COMBINER_VECTOR && ni == 3 && na == 0 && nt == 1, "envelope %d %d %d", ni, na, nt);
	MPI_Type_get_contents(type[12], 3, 0, 1, ints, NULL, inner);
	CHECK(ints[0] == 3 && ints[1] == 1 && ints[2] == 2, "contents %d %d %d", ints[0], ints[1], ints[2]);
	MPI_Type_get_envelope(inner[0], &ni, &na, &nt, &comb);
	CHECK(comb == MPI_COMBINER_DUP, "combiner %d inside", comb);
	MPI_Type_free(&inner[0]);
	MPI_Type_get_envelope(MPI_DOUBLE, &ni, &na, &nt, &comb);
	CHECK(comb == MPI_COMBINER_NAMED, "MPI_DOUBLE is made by %d", comb);
	char name[MPI_MAX_OBJECT_NAME];
	MPI_Type_get_name(type[7], name, &flag);
	CHECK(strcmp(name, "record") == 0, "name \"%s\"", name);
}

/* travel sends two elements of a type round the ring and checks them through Pack. */
static void travel(int i, long k)
{
	static char out[BYTES], in[BYTES], packed[BYTES], packed2[BYTES];
	char *o = out + 512, *n = in + 512; /* room for negative lower bounds */
	int left = (me + np - 1) % np, right = (me + 1) % np, at = 0, at2 = 0, need, count, elements;
	MPI_Status st;

	for (int j = 0; j < BYTES; j++)
		out[j] = pattern(me, k, j);
	memset(in, 0, sizeof in);
	MPI_Sendrecv(o, 2, type[i], right, i, n, 3, type[i], left, i, MPI_COMM_WORLD, &st);
	MPI_Get_count(&st, type[i], &count);
	CHECK(count == 2, "type %d: count %d", i, count);
	MPI_Get_elements(&st, type[i], &elements);
	CHECK(elements >= 2, "type %d: %d elements", i, elements);
	mix_long(elements);
	MPI_Pack_size(2, type[i], MPI_COMM_WORLD, &need);
	CHECK(need >= 2 * size0[i] && need <= BYTES, "Pack_size %d", need);
	for (int j = 0; j < BYTES; j++)
		out[j] = pattern(left, k, j);
	MPI_Pack(o, 2, type[i], packed, BYTES, &at, MPI_COMM_WORLD);
	MPI_Pack(n, 2, type[i], packed2, BYTES, &at2, MPI_COMM_WORLD);
	CHECK(at == at2 && at >= 2 * size0[i], "packed %d and %d bytes", at, at2);
	CHECK(memcmp(packed, packed2, at) == 0, "type %d arrived damaged", i);
	at2 = 0;
	memset(in, 0, sizeof in);
	MPI_Unpack(packed, at, &at2, n, 2, type[i], MPI_COMM_WORLD);
	CHECK(at2 == at, "unpacked %d of %d bytes", at2, at);
	mix(in, sizeof in);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	make();
	for (long k = 0; k < steps; k++) {
		MPI_Datatype t;

		for (int i = 0; i < KINDS; i++) {
			measure(i);
			travel(i, k);
		}
		decode();
		MPI_Type_contiguous(3, type[7], &t); /* churn */
		MPI_Type_commit(&t);
		MPI_Type_free(&t);
		CHECK(t == MPI_DATATYPE_NULL, "freed type is not null");
		end_step(k);
	}
	finish();
}
