package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// shortKind names the converter of a handle kind.
var shortKind = map[string]string{
	"COMM": "comm", "DATATYPE": "type", "REQUEST": "request", "GROUP": "group", "OP": "op", "WIN": "win",
	"FILE": "file", "INFO": "info", "ERRHANDLER": "errh", "MESSAGE": "message", "SESSION": "session",
}

// role is one set of integer constants that share a parameter role: the same
// number means different things in different roles, so that translation goes
// by role, never by value alone.
type role struct {
	name  string
	group string   // of constants.json
	names []string // where the role takes only some of a group
	flags bool     // bits, not values
}

var roles = []role{
	{name: "rank", group: "special_int", names: []string{"MPI_ANY_SOURCE", "MPI_PROC_NULL", "MPI_ROOT"}},
	{name: "tag", group: "special_int", names: []string{"MPI_ANY_TAG"}},
	{name: "comm_type", group: "comm_type"},
	{name: "thread", group: "thread"},
	{name: "compare", group: "compare"},
	{name: "seek", group: "seek"},
	{name: "order", group: "order"},
	{name: "distribute", group: "distribute", names: []string{"MPI_DISTRIBUTE_BLOCK", "MPI_DISTRIBUTE_CYCLIC", "MPI_DISTRIBUTE_NONE"}},
	{name: "darg", group: "distribute", names: []string{"MPI_DISTRIBUTE_DFLT_DARG"}},
	{name: "combiner", group: "combiner"},
	{name: "typeclass", group: "typeclass"},
	{name: "lock", group: "lock"},
	{name: "topology", group: "topology"},
	{name: "disp_current", group: "special_int", names: []string{"MPI_DISPLACEMENT_CURRENT"}},
	{name: "keyval", group: "keyval"},
	{name: "win_flavor", group: "win_flavor"},
	{name: "win_model", group: "win_model"},
	{name: "amode", group: "file_amode", flags: true},
	{name: "win_assert", group: "win_assert", flags: true},
}

var xlateRole = map[string]string{
	"tag:any_tag": "tag", "const:COMM_TYPE|undefined": "comm_type", "const:THREAD": "thread", "const:COMPARE": "compare",
	"const:SEEK": "seek", "const:ORDER": "order", "const:DISTRIBUTE": "distribute", "const:DFLT_DARG": "darg",
	"const:COMBINER": "combiner", "const:TYPECLASS": "typeclass", "const:LOCK": "lock", "const:TOPO|undefined": "topology",
	"const:displacement_current": "disp_current", "flags:AMODE": "amode", "flags:WIN_ASSERT": "win_assert",
	"keyval": "keyval", "errcode": "errcode", "errclass": "errclass", "weights": "weights",
}

// converter is the name of the conversion that a parameter needs, "" for none.
func (p Param) converter() string {
	if s := shortKind[p.Kind]; s != "" {
		return s
	}
	if p.Kind == "BUFFER" && p.InPlace {
		return "buf"
	}
	if strings.HasPrefix(p.Xlate, "rank:") && p.Xlate != "rank:undefined" {
		return "rank"
	}
	return xlateRole[p.Xlate]
}

// pair is one constant: its value outside and inside of a conversion.
type pair struct {
	name string
	a, b int
}

// rolePairs lists a role's constants as (standard, other) by the given ABI.
func (t *Tables) rolePairs(r role, other func(Constant) *int) []pair {
	var out []pair
	for _, c := range t.Constants {
		if c.Group != r.group || r.names != nil && !has(r.names, c.Name) || c.Std == nil || other(c) == nil {
			continue
		}
		out = append(out, pair{c.Name, *c.Std, *other(c)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

func mpichConst(c Constant) *int { return c.MPICH }
func ompiConst(c Constant) *int  { return c.OMPI }

// writeRole writes `int <prefix>_<role>(int)` (outside to inside) and its
// inverse `…_out`. swap: outside is the other ABI, inside the standard one.
func writeRole(w io.Writer, prefix string, r role, ps []pair, swap bool) {
	typ := "int"
	if r.name == "disp_current" {
		typ = "MPI_Offset"
	}
	for _, out := range []bool{false, true} {
		suffix := ""
		if out {
			suffix = "_out"
		}
		fmt.Fprintf(w, "__attribute__((unused)) static inline %s %s_%s%s(%s v)\n{\n", typ, prefix, r.name, suffix, typ)
		if len(ps) == 0 { // the same on both sides
			fmt.Fprintf(w, "\treturn v;\n}\n")
			continue
		}
		if r.flags {
			fmt.Fprintf(w, "\tint r = 0;\n")
		} else if r.name == "rank" || r.name == "tag" {
			fmt.Fprintf(w, "\tif (__builtin_expect(v >= 0, 1))\n\t\treturn v;\n")
		}
		if !r.flags {
			fmt.Fprintf(w, "\tswitch (v) {\n")
		}
		for _, p := range ps {
			from, to := p.a, p.b
			if swap != out {
				from, to = to, from
			}
			switch {
			case r.flags:
				fmt.Fprintf(w, "\tif (v & %d)\n\t\tr |= %d; /* %s */\n", from, to, p.name)
			default:
				fmt.Fprintf(w, "\tcase %d:\n\t\treturn %d; /* %s */\n", from, to, p.name)
			}
		}
		if r.flags {
			fmt.Fprintf(w, "\treturn r;\n}\n")
		} else {
			fmt.Fprintf(w, "\t}\n\treturn v;\n}\n")
		}
	}
}
