package main

import (
	"bytes"
	"fmt"
	"strings"
)

// nativeFunctions lists what the adapter looks up in the real library.
func (t *Tables) nativeFunctions() []Function {
	var out []Function
	for i := range t.Functions {
		f := &t.Functions[i]
		if f.Cat == "tools" || f.Cat == "fortran-conversion" || f.Cat == "abi" || f.Name == "Pcontrol" ||
			f.Name == "Aint_add" || f.Name == "Aint_diff" || !has(f.In, "mpich") && !has(f.In, "ompi") {
			continue
		}
		out = append(out, f.base())
		if f.HasLarge {
			out = append(out, f.large())
		}
	}
	return out
}

// foreignType is a parameter's C type with the handles and statuses of prefix.
func foreignType(prefix string) func(Param) string {
	return func(p Param) string {
		if p.Kind == "CALLBACK" {
			return "void *"
		}
		if h := handleKinds[p.Kind]; h != "" {
			return strings.Replace(p.Type, h, prefix+strings.TrimPrefix(h, "MPI"), 1)
		}
		return strings.Replace(p.Type, "MPI_Status", prefix+"_Status", 1)
	}
}

func genNativeHeader(l library) func(*Tables, *bytes.Buffer) {
	return func(t *Tables, b *bytes.Buffer) {
		fmt.Fprintf(b, "#ifndef MANA_NATIVE_H\n#define MANA_NATIVE_H\n\n#include \"lower.h\"\n\n")
		for _, k := range handleOrder {
			fmt.Fprintf(b, "typedef %s native%s;\n", strings.TrimSpace(l.handleType(k)), strings.TrimPrefix(handleKinds[k], "MPI"))
		}
		fmt.Fprintf(b, l.status(), "native")
		b.WriteString("\n/* The real library's functions, found by dlsym of PMPI_X; a missing one answers\n" +
			" * MPI_ERR_UNSUPPORTED_OPERATION, a missing _c twin is NULL. */\nint native_lacks(const char *function); /* tells it in one line; MPI_ERR_UNSUPPORTED_OPERATION */\nstruct native_fns {\n")
		for _, f := range t.nativeFunctions() {
			fmt.Fprintf(b, "\t%s (*%s)(%s);\n", f.retType(), f.Name, cParams(f.Params, foreignType("native")))
		}
		b.WriteString("};\nextern struct native_fns native;\n\n" +
			"/* Fills `native` and the tables of predefined handles from the library; 0, or -1 with the missing\n" +
			" * symbol's name in *missing. */\nint native_load(void *dl, const char **missing);\n\n")
		writeNativeHandles(t, b, l)
		for _, r := range roles {
			writeRole(b, "native", r, t.rolePairs(r, l.other), false)
		}
		writeNativeRest(t, b, l)
		b.WriteString("\n#endif\n")
	}
}

func writeNativeHandles(t *Tables, b *bytes.Buffer, l library) {
	cell := "uint32_t"
	if !l.intHand {
		cell = "void *"
	}
	fmt.Fprintf(b, "/* Native values of the predefined handles, by standard code; the kinds' codes are disjoint. */\n"+
		"extern %s native_predefined[1024];\nMPI_Datatype native_type_search(native_Datatype n);\n\n", cell)
	for _, k := range handleOrder {
		nt, st, s := "native"+strings.TrimPrefix(handleKinds[k], "MPI"), handleKinds[k], shortKind[k]
		null := ""
		if k == "DATATYPE" {
			null = "MPI_DATATYPE_NULL"
		}
		fmt.Fprintf(b, "__attribute__((unused)) static inline %s native_%s(%s h)\n{\n\tuintptr_t v = (uintptr_t)h;\n", nt, s, st)
		conv := "(%s)v"
		if l.intHand && k != "FILE" {
			conv = "(%s)(uint32_t)v"
		}
		fmt.Fprintf(b, "\tif (v >= 0x1000)\n\t\treturn "+conv+";\n", nt)
		fmt.Fprintf(b, "\treturn (%s)%snative_predefined[v & 1023];\n}\n", nt, map[bool]string{true: "(uintptr_t)", false: ""}[k == "FILE" && l.intHand])
		_ = null
		fmt.Fprintf(b, "__attribute__((unused)) static inline %s native_%s_out(%s n)\n{\n", st, s, nt)
		if k == "DATATYPE" {
			b.WriteString("\treturn native_type_search(n);\n}\n")
			continue
		}
		for _, h := range t.Handles {
			if h.Kind == k && l.exists(h) {
				fmt.Fprintf(b, "\tif (n == (%s)%snative_predefined[%#x])\n\t\treturn %s;\n", nt,
					map[bool]string{true: "(uintptr_t)", false: ""}[k == "FILE" && l.intHand], h.Std, h.Name)
			}
		}
		if l.intHand && k != "FILE" {
			fmt.Fprintf(b, "\treturn (%s)(uintptr_t)(uint32_t)n;\n}\n", st)
		} else {
			fmt.Fprintf(b, "\treturn (%s)n;\n}\n", st)
		}
	}
	b.WriteString("\n")
}

func writeNativeRest(t *Tables, b *bytes.Buffer, l library) {
	inPlace, unw, empty := "(void *)-1", "native_unweighted", "native_weights_empty"
	if !l.intHand {
		inPlace = "(void *)1"
	}
	fmt.Fprintf(b, `
extern int *native_unweighted, *native_weights_empty;

/* Buffers where MPI_IN_PLACE may stand; MPI_BOTTOM is 0 everywhere. */
__attribute__((unused)) static inline void *native_buf(const void *p)
{
	return p == MPI_IN_PLACE ? %s : (void *)p;
}
__attribute__((unused)) static inline int *native_weights(const int *w)
{
	return w == MPI_UNWEIGHTED ? %s : w == MPI_WEIGHTS_EMPTY ? %s : (int *)w;
}
/* Native return code -> error class of the standard ABI, and a class back to a native code. */
int native_error(int rc);
__attribute__((unused)) static inline int native_err(int rc)
{
	return __builtin_expect(rc == 0, 1) ? 0 : native_error(rc);
}
int native_errcode(int errclass);
#define native_errclass(c) native_errcode(c)
#define native_errclass_out(c) native_err(c)
#define native_errcode_out(c) native_err(c)

`, inPlace, unw, empty)
	if l.intHand {
		b.WriteString(`__attribute__((unused)) static inline void native_status_out(const native_Status *n, int error, struct mana_status *st)
{
	st->source = native_rank_out(n->MPI_SOURCE);
	st->tag = native_tag_out(n->MPI_TAG);
	st->error = error;
	st->cancelled = n->count_hi_and_cancelled & 1;
	st->bytes = (int64_t)((uint32_t)n->count_lo | (uint64_t)((uint32_t)n->count_hi_and_cancelled >> 1) << 32);
}
__attribute__((unused)) static inline void native_status_in(const struct mana_status *st, native_Status *n)
{
	n->MPI_SOURCE = native_rank(st->source);
	n->MPI_TAG = native_tag(st->tag);
	n->MPI_ERROR = 0;
	n->count_lo = (int)(uint32_t)st->bytes;
	n->count_hi_and_cancelled = (int)((uint32_t)((uint64_t)st->bytes >> 32) << 1 | (st->cancelled != 0));
}
#define NATIVE_STATUS_IGNORE ((native_Status *)1)
`)
	} else {
		b.WriteString(`__attribute__((unused)) static inline void native_status_out(const native_Status *n, int error, struct mana_status *st)
{
	st->source = native_rank_out(n->MPI_SOURCE);
	st->tag = native_tag_out(n->MPI_TAG);
	st->error = error;
	st->cancelled = n->cancelled;
	st->bytes = (int64_t)n->ucount;
}
__attribute__((unused)) static inline void native_status_in(const struct mana_status *st, native_Status *n)
{
	n->MPI_SOURCE = native_rank(st->source);
	n->MPI_TAG = native_tag(st->tag);
	n->MPI_ERROR = 0;
	n->cancelled = st->cancelled;
	n->ucount = (size_t)st->bytes;
}
#define NATIVE_STATUS_IGNORE ((native_Status *)0)
`)
	}
	b.WriteString("#define NATIVE_STATUSES_IGNORE NATIVE_STATUS_IGNORE\n" +
		"#define native_fits(n) ((MPI_Count)(n) == (MPI_Count)(int)(n))\n\n" +
		"/* The table that the stub gets. */\nextern const struct mana_lower_gen native_lower_gen;\n")
}
