package main

import (
	"bytes"
	"fmt"
	"strings"
)

// genProg writes prog_<abi>.h: the types of the program's ABI and their
// conversion. A user object is its virtual id in every ABI: the int vid|1<<31
// (MPICH), or the pointer vid (Open MPI, standard). Ids end far below the
// lowest address that a program or library is ever linked or loaded to.
func genProg(l library) func(*Tables, *bytes.Buffer) {
	return func(t *Tables, b *bytes.Buffer) {
		fmt.Fprintf(b, "#ifndef MANA_PROG_H\n#define MANA_PROG_H\n\n#include \"core.h\"\n\n")
		for _, k := range handleOrder {
			fmt.Fprintf(b, "typedef %s prog%s;\n", strings.TrimSpace(l.handleType(k)), strings.TrimPrefix(handleKinds[k], "MPI"))
		}
		fmt.Fprintf(b, l.status(), "prog")
		b.WriteString("\n#define VID_END (VID_BASE + (1u << 20))\n\n")
		switch {
		case l.std:
			progStdHandles(b)
		case l.intHand:
			progIntHandles(t, b, l)
		default:
			progPointerHandles(t, b, l)
		}
		for _, r := range roles {
			writeRole(b, "prog", r, t.progPairs(l, r), true)
		}
		progErrors(t, b, l)
		progSentinels(t, b, l)
		progStatus(b, l)
		b.WriteString("\n#endif\n")
	}
}

func (t *Tables) progPairs(l library, r role) []pair {
	if l.std {
		return nil
	}
	return t.rolePairs(r, l.other)
}

func progHandle(b *bytes.Buffer, kind, in, out string) {
	pt, st, s := "prog"+strings.TrimPrefix(handleKinds[kind], "MPI"), handleKinds[kind], shortKind[kind]
	fmt.Fprintf(b, "__attribute__((unused, always_inline)) static inline %s prog_%s(%s h)\n{\n%s}\n", st, s, pt, in)
	fmt.Fprintf(b, "__attribute__((unused, always_inline)) static inline %s prog_%s_out(%s h)\n{\n%s}\n", pt, s, st, out)
}

func progStdHandles(b *bytes.Buffer) {
	for _, k := range handleOrder {
		progHandle(b, k, "\treturn h;\n", "\treturn h;\n")
	}
}

// progIntHandles: MPICH. Builtin objects have the top bits 01; a builtin
// datatype's or op's low byte is its index.
func progIntHandles(t *Tables, b *bytes.Buffer, l library) {
	b.WriteString("/* The program's values of predefined handles by standard code, and builtin types and ops by low byte. */\n" +
		"static const uint32_t prog_value[1024] = {\n")
	seen := map[int]bool{}
	for _, h := range t.Handles {
		if h.MPICH != nil && !seen[h.Std] {
			seen[h.Std] = true
			fmt.Fprintf(b, "\t[%#x] = %#x, /* %s */\n", h.Std, uint32(*h.MPICH), h.Name)
		}
	}
	b.WriteString("};\n")
	for _, kind := range []string{"DATATYPE", "OP"} {
		fmt.Fprintf(b, "static const uint16_t prog_low_%s[256] = {\n", shortKind[kind])
		seen := map[int64]bool{}
		for _, h := range t.Handles {
			if h.Kind == kind && h.MPICH != nil && *h.MPICH>>30 == 1 && !seen[*h.MPICH&255] {
				seen[*h.MPICH&255] = true
				fmt.Fprintf(b, "\t[%#x] = %#x,\n", *h.MPICH&255, h.Std)
			}
		}
		b.WriteString("};\n")
	}
	for _, k := range handleOrder {
		st, pt := handleKinds[k], "prog"+strings.TrimPrefix(handleKinds[k], "MPI")
		if k == "FILE" {
			progHandle(b, k, "\treturn h ? (MPI_File)h : MPI_FILE_NULL;\n",
				fmt.Sprintf("\treturn h == MPI_FILE_NULL ? (%s)0 : (%s)h;\n", pt, pt))
			continue
		}
		in := ""
		if k == "DATATYPE" || k == "OP" {
			in = fmt.Sprintf("\tuint32_t v = (uint32_t)h, code = prog_low_%s[v & 255];\n\tif (likely(prog_value[code] == v && code))\n\t\treturn (%s)(uintptr_t)code;\n", shortKind[k], st)
		} else {
			in = "\tuint32_t v = (uint32_t)h;\n"
		}
		in += fmt.Sprintf("\tif (likely(v - 0x80000000u - VID_BASE < VID_END - VID_BASE))\n\t\treturn (%s)(uintptr_t)(v & 0x7fffffff);\n\tswitch (v) {\n", st)
		seen := map[int64]bool{}
		for _, h := range t.Handles {
			if h.Kind != k || h.MPICH == nil || seen[*h.MPICH] || (k == "DATATYPE" || k == "OP") && *h.MPICH>>30 == 1 {
				continue
			}
			seen[*h.MPICH] = true
			in += fmt.Sprintf("\tcase %#x:\n\t\treturn %s;\n", uint32(*h.MPICH), h.Name)
		}
		in += "\t}\n\treturn 0;\n"
		progHandle(b, k, in, fmt.Sprintf(
			"\tuintptr_t v = (uintptr_t)h;\n\treturn (%s)(v >= VID_BASE ? (uint32_t)v | 0x80000000u : prog_value[v & 1023]);\n", pt))
	}
}

// progPointerHandles: Open MPI. A predefined handle is the address of a data
// symbol, possibly copied into the executable: found by hash of the address,
// so that nothing a program passes is ever dereferenced.
func progPointerHandles(t *Tables, b *bytes.Buffer, l library) {
	seen := map[string]bool{}
	for _, h := range t.Handles {
		if s := h.OMPI + h.OMPI5; s != "" && !seen[s] {
			seen[s] = true
			fmt.Fprintf(b, "extern __attribute__((visibility(\"default\"))) char %s[];\n", s)
		}
	}
	b.WriteString(`
/* The program's addresses of predefined handles by standard code, and codes by hashed address. */
HIDDEN extern void *const prog_address[1024];
#define PROG_HASH 1024
struct prog_slot {
	void *address;
	uintptr_t code;
};
HIDDEN extern struct prog_slot prog_hash[PROG_HASH];
static inline unsigned prog_hash_of(const void *p)
{
	return (unsigned)(((uintptr_t)p >> 3) * 0x9e3779b97f4a7c15u >> 54);
}
__attribute__((noinline)) static uintptr_t prog_search(const void *h)
{
	for (unsigned i = prog_hash_of(h); prog_hash[i].address; i = (i + 1) % PROG_HASH)
		if (prog_hash[i].address == h)
			return prog_hash[i].code;
	return 0;
}
__attribute__((always_inline)) static inline uintptr_t prog_code(const void *h)
{
	if (likely((uintptr_t)h - VID_BASE < VID_END - VID_BASE))
		return (uintptr_t)h;
	const struct prog_slot *s = &prog_hash[prog_hash_of(h)];
	return likely(s->address == h) ? s->code : prog_search(h);
}

`)
	for _, k := range handleOrder {
		pt := "prog" + strings.TrimPrefix(handleKinds[k], "MPI")
		progHandle(b, k, fmt.Sprintf("\treturn (%s)prog_code(h);\n", handleKinds[k]),
			fmt.Sprintf("\tuintptr_t v = (uintptr_t)h;\n\treturn (%s)(v >= VID_BASE ? (void *)v : prog_address[v & 1023]);\n", pt))
	}
}

// progErrors: error classes; codes that the program added (above the standard's last) are its own.
func progErrors(t *Tables, b *bytes.Buffer, l library) {
	for _, out := range []bool{false, true} {
		suffix := ""
		if out {
			suffix = "_out"
		}
		fmt.Fprintf(b, "HIDDEN int prog_errcode%s(int v) __attribute__((pure));\n#define prog_errclass%s prog_errcode%s\n", suffix, suffix, suffix)
	}
}

func progSentinels(t *Tables, b *bytes.Buffer, l library) {
	inPlace, ignore := "1", "0"
	if l.intHand {
		inPlace, ignore = "-1", "1"
		b.WriteString("extern __attribute__((visibility(\"default\"))) int *const MPI_UNWEIGHTED_SYMBOL __asm__(\"MPI_UNWEIGHTED\"), " +
			"*const MPI_WEIGHTS_EMPTY_SYMBOL __asm__(\"MPI_WEIGHTS_EMPTY\");\n")
	}
	unw, empty := "(int *)2", "(int *)3"
	if l.intHand {
		unw, empty = "MPI_UNWEIGHTED_SYMBOL", "MPI_WEIGHTS_EMPTY_SYMBOL"
	} else if l.std {
		unw, empty = "MPI_UNWEIGHTED", "MPI_WEIGHTS_EMPTY"
	}
	fmt.Fprintf(b, `
__attribute__((unused)) static inline void *prog_buf(const void *p)
{
	return (intptr_t)p == %s ? MPI_IN_PLACE : (void *)p;
}
__attribute__((unused)) static inline int *prog_weights(const int *w)
{
	return w == %s ? MPI_UNWEIGHTED : w == %s ? MPI_WEIGHTS_EMPTY : (int *)w;
}
#define PROG_STATUS_IGNORE ((prog_Status *)%s)
`, inPlace, unw, empty, ignore)
}

func progStatus(b *bytes.Buffer, l library) {
	b.WriteString(`
/* A status to the program; MPI_ERROR is written only where the caller does it. */
__attribute__((unused, always_inline)) static inline void prog_status_out(const MPI_Status *s, prog_Status *p)
{
	p->MPI_SOURCE = prog_rank_out(s->MPI_SOURCE);
	p->MPI_TAG = prog_tag_out(s->MPI_TAG);
`)
	switch {
	case l.std:
		b.WriteString("\tfor (int i = 0; i < 5; i++)\n\t\tp->MPI_internal[i] = s->MPI_internal[i];\n")
	case l.intHand:
		b.WriteString("\tp->count_lo = s->MPI_internal[1];\n\tp->count_hi_and_cancelled = (int)((uint32_t)s->MPI_internal[2] << 1 | (s->MPI_internal[0] != 0));\n")
	default:
		b.WriteString("\tp->cancelled = s->MPI_internal[0];\n\tp->ucount = (uint32_t)s->MPI_internal[1] | (size_t)(uint32_t)s->MPI_internal[2] << 32;\n")
	}
	b.WriteString(`}
__attribute__((unused, always_inline)) static inline void prog_status(const prog_Status *p, MPI_Status *s)
{
	s->MPI_SOURCE = prog_rank(p->MPI_SOURCE);
	s->MPI_TAG = prog_tag(p->MPI_TAG);
	s->MPI_ERROR = prog_errcode(p->MPI_ERROR);
	s->MPI_internal[3] = s->MPI_internal[4] = 0;
`)
	switch {
	case l.std:
		b.WriteString("\tfor (int i = 0; i < 3; i++)\n\t\ts->MPI_internal[i] = p->MPI_internal[i];\n")
	case l.intHand:
		b.WriteString("\ts->MPI_internal[0] = p->count_hi_and_cancelled & 1;\n\ts->MPI_internal[1] = p->count_lo;\n\ts->MPI_internal[2] = (int)((uint32_t)p->count_hi_and_cancelled >> 1);\n")
	default:
		b.WriteString("\ts->MPI_internal[0] = p->cancelled;\n\ts->MPI_internal[1] = (int)(uint32_t)p->ucount;\n\ts->MPI_internal[2] = (int)(uint32_t)(p->ucount >> 32);\n")
	}
	b.WriteString("}\n")
}
