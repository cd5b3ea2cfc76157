package main

import (
	"bytes"
	"fmt"
	"strings"
)

// genFront writes front_<abi>.c: every MPI function of the tables in the
// program's ABI, PMPI_X strong and MPI_X a weak alias.
func genFront(l library) func(*Tables, *bytes.Buffer) {
	return func(t *Tables, b *bytes.Buffer) {
		fmt.Fprintf(b, "#include \"prog_%s.h\"\n#include \"abi/%s.h\"\n#include \"front.h\"\n\n", l.name, l.name)
		writeProgData(t, b, l)
		for i := range t.Functions {
			f := &t.Functions[i]
			switch {
			case f.Cat == "fortran-conversion" && !strings.HasPrefix(f.Name, "Status_"):
				frontConversion(t, b, l, f)
			case frontByHand[f.Name]:
			default:
				writeFront(t, b, l, f)
			}
		}
		if l.name == "ompi" { // persistent collectives under their names before MPI-4
			for i := range t.Functions {
				if f := &t.Functions[i]; strings.HasSuffix(f.Cat, "-persistent") && f.Cat != "p2p-persistent" {
					fmt.Fprintf(b, "ALIAS_STRONG(PMPIX_%s, PMPI_%s);\nALIAS_WEAK(MPIX_%s, PMPI_%s);\n", f.Name, f.Name, f.Name, f.Name)
				}
			}
		}
	}
}

// frontByHand are functions written in front_common.h.
var frontByHand = map[string]bool{
	"Pcontrol": true, "Aint_add": true, "Aint_diff": true, "Type_extent": true, "Type_lb": true, "Type_ub": true,
	"Status_c2f": true, "Status_f2c": true, "Status_c2f08": true, "Status_f082c": true, "Status_f082f": true,
	"Status_f2f08": true, "Grequest_start": true, "Comm_get_attr": true, "Attr_get": true, "Win_get_attr": true,
}

// frontTry are functions that front_try.h tries first.
var frontTry = map[string]bool{"Isend": true, "Irecv": true, "Waitall": true, "Testall": true}

// writeFront writes a function and its _c twin.
func writeFront(t *Tables, b *bytes.Buffer, l library, f *Function) {
	name := f.Name
	if s := successor[name]; s != "" {
		name = s
	}
	core := t.function(name)
	base := f.base()
	coreName, inner := name, core.base()
	if core.sharesCore() {
		inner = core.large()
	}
	frontFunction(t, b, l, &base, &inner, coreName)
	if !f.HasLarge {
		return
	}
	large, innerLarge := f.large(), core.large()
	if !core.sharesCore() {
		coreName += "_c"
	}
	frontFunction(t, b, l, &large, &innerLarge, coreName)
}

func frontFunction(t *Tables, b *bytes.Buffer, l library, f, inner *Function, coreName string) {
	c := &call{}
	g := &frontCall{call: c, t: t, l: l, f: f}
	for i, p := range f.Params {
		g.param(p, inner.Params[i].Type)
	}
	if frontTry[f.Name] {
		frontTries(b, f)
	} else {
		fmt.Fprintf(b, "EXPORT %s PMPI_%s", frontRet(l, f), f.Name)
	}
	fmt.Fprintf(b, "(%s)\n{\n", cParams(f.Params, foreignType("prog")))
	if null := nullable(f); null != "" {
		fmt.Fprintf(b, "\tif (unlikely(%s))\n\t\treturn %s;\n", null, g.failure("MPI_ERR_ARG"))
	}
	lines(b, "\t", c.pre)
	args := strings.Join(c.args, ", ")
	if f.Ret != "" {
		fmt.Fprintf(b, "\treturn core_%s(%s);\n}\nALIAS(%s);\n\n", coreName, args, f.Name)
		return
	}
	fmt.Fprintf(b, "\tint rc = core_%s(%s);\n", coreName, args)
	lines(b, "\t", c.post)
	lines(b, "\t", c.fin)
	fmt.Fprintf(b, "\treturn likely(rc == 0) ? 0 : %s;\n}\nALIAS(%s);\n\n", g.failure("rc"), f.Name)
}

// frontTries writes the function that tries, and begins the general one.
func frontTries(b *bytes.Buffer, f *Function) {
	params := cParams(f.Params, foreignType("prog"))
	var args []string
	for _, p := range f.Params {
		args = append(args, p.Name)
	}
	all := strings.Join(args, ", ")
	general := "static __attribute__((noinline)) int general_" + f.Name
	fmt.Fprintf(b, "%s(%s);\n\n", general, params)
	fmt.Fprintf(b, "EXPORT int PMPI_%s(%s)\n{\n\tint rc = 0;\n\treturn front_try_%s(%s, &rc) ? rc : general_%s(%s);\n}\n\n",
		f.Name, params, f.Name, all, f.Name, all)
	b.WriteString(general)
}

// nullAllowed are the kinds of results that a program may do without, or that
// no null pointer can be told from.
var nullAllowed = map[string]bool{
	"BUFFER": true, "ADDR_OUT": true, "ATTRVAL": true, "STATUS": true, "F08_STATUS": true, "STRING": true,
	"ARGC": true, "ARGV": true, "LOGICAL_VOID": true,
}

// nullable is the condition that the program gave no place for a result, or "".
func nullable(f *Function) string {
	var null []string
	for _, p := range f.Params {
		if p.Dir != "in" && !p.Array && strings.HasSuffix(p.Type, "*") && !nullAllowed[p.Kind] && f.Cat != "tools" && f.Ret == "" {
			null = append(null, "!"+p.Name)
		}
	}
	return strings.Join(null, " || ")
}

func frontRet(l library, f *Function) string {
	if f.Ret == "" {
		return "int"
	}
	return f.Ret
}

// frontCall is a front-end function under construction.
type frontCall struct {
	*call
	t *Tables
	l library
	f *Function
}

// failure is what a call that failed with rc returns: the error handler of the
// file, window, session or communicator that the call names has run before.
func (g *frontCall) failure(rc string) string {
	if g.f.Cat == "tools" {
		return "prog_errcode_out(" + rc + ")"
	}
	if g.f.Name == "File_delete" || g.f.Name == "File_open" || g.f.Name == "Register_datarep" { // of no file yet
		return fmt.Sprintf("front_fail_file(MPI_FILE_NULL, %s, \"MPI_%s\")", rc, g.f.Name)
	}
	for _, kind := range []string{"FILE", "WIN", "SESSION", "COMM"} {
		for _, p := range g.f.Params {
			pointer := strings.HasSuffix(p.Type, "*")
			if p.Kind != kind || p.Dir == "out" || p.Array || pointer && (kind == "COMM" || rc != "rc") {
				continue
			}
			handle, suffix := p.Name, "_"+shortKind[kind]
			if pointer {
				handle = "*" + handle
			}
			if kind == "COMM" {
				suffix = ""
			}
			return fmt.Sprintf("front_fail%s(prog_%s(%s), %s, \"MPI_%s\")", suffix, shortKind[kind], handle, rc, g.f.Name)
		}
	}
	return fmt.Sprintf("front_fail(MPI_COMM_NULL, %s, \"MPI_%s\")", rc, g.f.Name)
}

// frontLen is the length of an array parameter as a C expression.
func frontLen(f *Function, p Param) string {
	comm := ""
	for _, q := range f.Params {
		if q.Kind == "COMM" && q.Dir == "in" {
			comm = fmt.Sprintf("core_comm_of(prog_comm(%s))", q.Name)
		}
	}
	switch p.Len {
	case "NP(comm)":
		return "core_np(" + comm + ")"
	case "LP(comm)":
		return "core_lp(" + comm + ")"
	case "INDEG(comm)":
		return "core_degree(" + comm + ", 0)"
	case "OUTDEG(comm)":
		return "core_degree(" + comm + ", 1)"
	}
	return strings.Split(p.Len, ";")[0]
}

func (g *frontCall) param(p Param, inner string) {
	n, conv := p.Name, p.converter()
	kind := handleKinds[p.Kind]
	switch {
	case g.f.Cat == "tools" && (strings.ContainsAny(p.Type, "*[") || p.Kind == "CALLBACK") && conv != "thread":
		g.arg("(void *)%s", n) // the core's tools interface is empty: nothing to convert
	case p.Kind == "STATUS":
		g.status(p)
	case p.Kind == "CALLBACK":
		g.callback(p, inner)
	case kind != "" && p.Array:
		g.handleArray(p, kind, conv)
	case kind != "" && strings.HasSuffix(p.Type, "*"):
		init := "0"
		if p.Dir != "out" {
			init = fmt.Sprintf("prog_%s(*%s)", conv, n)
		} else if p.Kind == "COMM" {
			init = "MPI_COMM_NULL"
		}
		g.before("%s n_%s = %s;", kind, n, init)
		g.arg("&n_%s", n)
		switch p.Dir {
		case "out":
			g.after("if (%s)\n\t*%s = prog_%s_out(n_%s);", g.outCondition(p), n, conv, n)
		case "inout":
			g.after("*%s = prog_%s_out(n_%s);", n, conv, n)
		}
	case p.Xlate == "contents":
		g.arg("%s", n)
		g.after("if (rc == 0)\n\tfront_contents(prog_type(datatype), %s, max_integers, %d);", n, map[bool]int{true: 1}[g.f.isLargeOne])
	case p.Kind == "STRING" && p.Dir == "out":
		g.stringOut(p)
	case conv != "" && conv != "weights" && conv != "buf" && p.Array && conv != "errcode":
		g.constArray(p, conv)
	case conv == "weights" && p.Dir == "out":
		g.arg("%s", n)
	case conv != "" && strings.HasSuffix(p.Type, "*") && conv != "buf" && conv != "weights":
		if p.Dir == "inout" {
			g.before("*%s = prog_%s(*%s);", n, conv, n)
		}
		g.arg("%s", n)
		cond := "rc == 0"
		if p.Dir == "inout" {
			cond = "1"
		}
		g.after("if (%s)\n\t*%s = prog_%s_out(*%s);", cond, n, conv, n)
	case conv != "" && !p.Array || conv == "weights" || conv == "buf":
		g.arg("prog_%s(%s)", conv, n)
	case inner != p.Type && p.Type != "void *" && strings.HasSuffix(inner, "*"):
		g.wider(p, inner)
	case inner != p.Type && p.Array:
		g.arg("(void *)%s", n)
	default:
		g.arg("%s", n)
	}
}

// outCondition: an out handle is valid when the call succeeded (and, for
// MPI_Improbe, found a message). A call that fails to make a communicator or a
// duplicate gives the null handle.
func (g *frontCall) outCondition(p Param) string {
	switch {
	case g.f.Name == "Improbe":
		return "rc == 0 && *flag"
	case p.Kind == "COMM" && p.Created:
		return "1"
	case g.f.Name == "Type_dup":
		return "rc == 0 || n_" + p.Name
	}
	return "rc == 0"
}

// wider passes a count out through the type of the core.
func (g *frontCall) wider(p Param, inner string) {
	n := p.Name
	base := strings.TrimSpace(strings.TrimSuffix(inner, "*"))
	init := "0"
	if p.Dir == "inout" {
		init = "*" + n
	}
	g.before("%s n_%s = %s;", base, n, init)
	g.arg("&n_%s", n)
	if p.Type == "int *" {
		g.after("if (rc == 0)\n\t*%s = n_%s == (int)n_%s ? (int)n_%s : MPI_UNDEFINED;", n, n, n, n)
	} else {
		g.after("if (rc == 0)\n\t*%s = n_%s;", n, n)
	}
}

func (g *frontCall) constArray(p Param, conv string) {
	n, length := p.Name, frontLen(g.f, p)
	if p.Dir == "out" {
		g.arg("%s", n)
		g.after("for (int i_ = 0; rc == 0 && i_ < (int)%s; i_++)\n\t%s[i_] = prog_%s_out(%s[i_]);", length, n, conv, n)
		return
	}
	g.before("FRONT_ARRAY(int, n_%s, %s);", n, length)
	g.before("for (int i_ = 0; i_ < len_n_%s; i_++)\n\tn_%s[i_] = prog_%s(%s[i_]);", n, n, conv, n)
	g.arg("n_%s", n)
	g.always("FRONT_ARRAY_FREE(n_%s);", n)
}

// stringOut clips a string to the length that the program has room for.
func (g *frontCall) stringOut(p Param) {
	n := p.Name
	own, full := g.l.stringMax(g.t, p.Len), stdABI.stringMax(g.t, p.Len)
	if own == 0 || own >= full {
		g.arg("%s", n)
		return
	}
	length := "0"
	for _, q := range g.f.Params {
		if q.Kind == "STRLEN" && strings.HasSuffix(q.Type, "*") {
			length = q.Name
		}
	}
	g.before("char n_%s[%d];", n, full)
	g.arg("n_%s", n)
	g.after("if (rc == 0)\n\tfront_clip(%s, n_%s, %d, %s);", n, n, own, length)
}

func (g *frontCall) callback(p Param, inner string) {
	conv := "(void *)%s"
	if strings.Contains(inner, "copy_attr") || strings.Contains(inner, "Copy_function") {
		conv = "prog_copy_fn((void *)%s)"
	} else if strings.Contains(inner, "delete_attr") || strings.Contains(inner, "Delete_function") {
		conv = "prog_delete_fn((void *)%s)"
	}
	g.arg("("+strings.TrimSpace(inner)+")"+conv, p.Name)
}
