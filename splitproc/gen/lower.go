package main

import (
	"bytes"
	"fmt"
	"strings"
)

// A call is a C function body under construction: statements before the
// inner call, its arguments, and statements after it.
type call struct {
	pre, post, fin []string
	args           []string
}

func (c *call) before(f string, a ...any) { c.pre = append(c.pre, fmt.Sprintf(f, a...)) }
func (c *call) after(f string, a ...any)  { c.post = append(c.post, fmt.Sprintf(f, a...)) }
func (c *call) always(f string, a ...any) { c.fin = append(c.fin, fmt.Sprintf(f, a...)) }
func (c *call) arg(f string, a ...any)    { c.args = append(c.args, fmt.Sprintf(f, a...)) }

func lines(b *bytes.Buffer, indent string, ss []string) {
	for _, s := range ss {
		for _, l := range strings.Split(s, "\n") {
			fmt.Fprintf(b, "%s%s\n", indent, l)
		}
	}
}

func genLower(l library) func(*Tables, *bytes.Buffer) {
	return func(t *Tables, b *bytes.Buffer) {
		writeNativeLoad(t, b, l)
		b.WriteString(lowerHelpers)
		fs := t.lowerFunctions()
		for i := range fs {
			writeLower(t, b, &fs[i])
		}
		b.WriteString("const struct mana_lower_gen native_lower_gen = {\n")
		for _, f := range fs {
			fmt.Fprintf(b, "\t.%s = lower_%s,\n", f.Name, f.Name)
		}
		b.WriteString("};\n")
	}
}

const lowerHelpers = `/* Lengths of arrays that depend on the communicator. */
__attribute__((unused)) static int native_np(MPI_Comm comm)
{
	int inter = 0, n = 0;
	native_Comm c = native_comm(comm);
	native.Comm_test_inter(c, &inter);
	if (inter)
		native.Comm_remote_size(c, &n);
	else
		native.Comm_size(c, &n);
	return n;
}

__attribute__((unused)) static int native_lp(MPI_Comm comm)
{
	int n = 0;
	native.Comm_size(native_comm(comm), &n);
	return n;
}

__attribute__((unused)) static int native_degree(MPI_Comm comm, int out)
{
	int kind = MPI_UNDEFINED, n = 0, m = 0, weighted = 0, rank = 0;
	native_Comm c = native_comm(comm);
	native.Topo_test(c, &kind);
	switch (native_topology_out(kind)) {
	case MPI_CART:
		native.Cartdim_get(c, &n);
		return 2 * n;
	case MPI_GRAPH:
		native.Comm_rank(c, &rank);
		native.Graph_neighbors_count(c, rank, &n);
		return n;
	case MPI_DIST_GRAPH:
		native.Dist_graph_neighbors_count(c, &n, &m, &weighted);
		return out ? m : n;
	}
	return 0;
}

/* Handles of datatypes, in place. */
__attribute__((unused)) static native_Datatype *native_type_array(MPI_Datatype *t, MPI_Count n)
{
	native_Datatype *out = (native_Datatype *)t;
	for (MPI_Count i = 0; t && i < n; i++) {
		MPI_Datatype h;
		__builtin_memcpy(&h, t + i, sizeof h);
		native_Datatype v = native_type(h);
		__builtin_memcpy(out + i, &v, sizeof v);
	}
	return out;
}

/* A copy of large counts as ints for a library that lacks the _c function; *bad when one does not fit. */
__attribute__((unused)) static int *native_narrow(const MPI_Count *v, MPI_Count n, int *bad)
{
	int *out = v ? malloc((size_t)(n > 0 ? n : 1) * sizeof *out) : 0;
	for (MPI_Count i = 0; out && i < n; i++) {
		*bad |= !native_fits(v[i]);
		out[i] = (int)v[i];
	}
	return out;
}

`

// lowerLen is the length of an array parameter as a C expression of lower_X.
func lowerLen(p Param) string {
	switch p.Len {
	case "NP(comm)":
		return "native_np(comm)"
	case "INDEG(comm)":
		return "native_degree(comm, 0)"
	case "OUTDEG(comm)":
		return "native_degree(comm, 1)"
	case "LP(comm)":
		return "native_lp(comm)"
	case "SUM(degrees,n)", "LAST(index,nnodes)", "":
		return ""
	}
	if strings.ContainsAny(p.Len, "(;*") {
		return ""
	}
	return p.Len
}

// writeLower writes lower_X: lower handles and standard constants in, native ones down.
func writeLower(t *Tables, b *bytes.Buffer, f *Function) {
	fmt.Fprintf(b, "static %s lower_%s(%s)\n{\n", f.retType(), f.Name, cParams(f.Params, lowerType))
	src := t.function(strings.TrimSuffix(f.Name, "_c"))
	switch {
	case f.isLargeOne: // arrays of large counts
		lowerTwin(b, f, src)
	case src.HasLarge && src.sharesCore():
		lowerShared(t, b, f, src)
	default:
		c := &call{}
		for _, p := range f.Params {
			lowerParam(c, p, p.Type)
		}
		lowerCall(b, "\t", c, f, f.Name)
	}
	b.WriteString("}\n\n")
}

// lowerShared picks the _c function where the library has it and a count needs
// it (or a count comes out), the plain one otherwise.
func lowerShared(t *Tables, b *bytes.Buffer, f, src *Function) {
	var fits []string
	out := false
	large, small := &call{}, &call{}
	for _, p := range src.Params {
		if p.Large != "" && strings.HasSuffix(p.Type, "*") {
			out = true
		} else if p.Large != "" && p.Type == "int" {
			fits = append(fits, fmt.Sprintf("native_fits(%s)", p.Name))
		}
		q := p
		if p.Large != "" {
			q.Type, q.Large = p.Large, ""
		}
		lowerParam(large, q, q.Type)
		lowerParam(small, p, p.Type)
	}
	cond := fmt.Sprintf("native.%s_c", f.Name)
	fit := strings.Join(fits, " && ")
	if !out && fit == "" {
		// Only addresses are wider, and they have 64 bits in the plain function
		// too. ROMIO cannot take apart a type made by a _c function (MPICH 4.0).
		lowerCall(b, "\t", small, f, f.Name)
		return
	}
	if !out {
		cond += " && !(" + fit + ")"
	}
	fmt.Fprintf(b, "\tif (%s) {\n", cond)
	lowerCall(b, "\t\t", large, f, f.Name+"_c")
	b.WriteString("\t}\n")
	if out && t.function(f.Name+"_x") != nil {
		lowerCall(b, "\t", large, f, f.Name+"_x") // what MPI-3 has for sizes beyond INT_MAX
		return
	}
	if fit != "" {
		fmt.Fprintf(b, "\tif (!(%s))\n\t\treturn MPI_ERR_COUNT;\n", fit)
	}
	lowerCall(b, "\t", small, f, f.Name)
}

// lowerTwin calls a _c function with arrays of large counts, or narrows them
// for a library without it (blocking functions only: copies must outlive others).
func lowerTwin(b *bytes.Buffer, f, src *Function) {
	large, small := &call{}, &call{}
	ok := !src.Req
	narrow := false
	for _, p := range src.Params {
		q := p
		if p.Large != "" {
			q.Type, q.Large = p.Large, ""
		}
		lowerParam(large, q, q.Type)
		switch {
		case p.Added, p.Dir != "in" && p.Large != "":
			ok = false
		case p.Large != "" && p.Array && p.Type == "const int []":
			n := lowerLen(p)
			if n == "" {
				ok = false
				break
			}
			if !narrow {
				small.before("int bad = 0;")
				narrow = true
			}
			small.before("int *n_%s = native_narrow(%s, %s, &bad);", p.Name, p.Name, n)
			small.arg("n_%s", p.Name)
			small.always("free(n_%s);", p.Name)
		case p.Large != "" && p.Array:
			small.arg("(MPI_Aint *)%s", p.Name) // MPI_Aint and MPI_Count are the same here
		default:
			if p.Large == "MPI_Count" && p.Type == "int" {
				if !narrow {
					small.before("int bad = 0;")
					narrow = true
				}
				small.before("bad |= !native_fits(%s);", p.Name)
			}
			lowerParam(small, p, p.Type)
		}
	}
	fmt.Fprintf(b, "\tif (native.%s) {\n", f.Name)
	lowerCall(b, "\t\t", large, f, f.Name)
	b.WriteString("\t}\n")
	if !ok {
		fmt.Fprintf(b, "\treturn native_lacks(\"MPI_%s\");\n", f.Name)
		return
	}
	lines(b, "\t", small.pre)
	b.WriteString("\tint rc = ")
	if narrow {
		b.WriteString("bad ? MPI_ERR_COUNT : ")
	}
	fmt.Fprintf(b, "native_err(native.%s(%s));\n", src.Name, strings.Join(small.args, ", "))
	lowerTail(b, "\t", small)
}

// lowerParam converts one parameter; ctype is its type in the native function,
// which may be narrower than in lower_X.
func lowerParam(c *call, p Param, ctype string) {
	n, conv := p.Name, p.converter()
	kind := handleKinds[p.Kind]
	switch {
	case p.Kind == "STATUS":
		c.before("native_Status n_%s;", n)
		c.arg("%s ? &n_%s : NATIVE_STATUS_IGNORE", n, n)
		c.after("if (rc == 0 && %s)\n\tnative_status_out(&n_%s, 0, %s);", n, n, n)
	case kind != "" && p.Array && p.Kind == "DATATYPE":
		c.arg("native_type_array(%s, %s)", n, lowerLen(p))
	case kind != "" && strings.HasSuffix(ctype, "*"):
		init := ""
		if p.Dir != "out" {
			init = fmt.Sprintf(" = native_%s(*%s)", conv, n)
		}
		c.before("native%s n_%s%s;", strings.TrimPrefix(kind, "MPI"), n, init)
		c.arg("&n_%s", n)
		c.after("if (rc == 0)\n\t*%s = native_%s_out(n_%s);", n, conv, n)
	case conv == "errcode" && p.Array:
		c.arg("%s", n)
	case conv != "" && conv != "weights" && conv != "buf" && p.Array:
		lowerArray(c, p, conv)
	case conv != "" && strings.HasSuffix(ctype, "*") && conv != "buf":
		if conv == "weights" {
			c.arg("%s", n)
			break
		}
		c.arg("%s", n)
		c.after("if (rc == 0)\n\t*%s = native_%s_out(*%s);", n, conv, n)
	case conv != "":
		c.arg("native_%s(%s)", conv, n)
	case p.Large != "" && strings.HasSuffix(ctype, "*"):
		base := strings.TrimSpace(strings.TrimSuffix(ctype, "*"))
		init := "0"
		if p.Dir == "inout" {
			init = fmt.Sprintf("(%s)*%s", base, n)
		}
		c.before("%s n_%s = %s;", base, n, init)
		c.arg("&n_%s", n)
		c.after("if (rc == 0)\n\t*%s = n_%s;", n, n)
	case p.Large != "":
		c.arg("(%s)%s", ctype, n)
	default:
		c.arg("%s", n)
	}
}

// lowerArray converts an array of constants through a copy (in) or in place (out).
func lowerArray(c *call, p Param, conv string) {
	n, length := p.Name, lowerLen(p)
	if p.Dir == "out" {
		c.arg("%s", n)
		c.after("for (int i_ = 0; rc == 0 && i_ < (int)%s; i_++)\n\t%s[i_] = native_%s_out(%s[i_]);", length, n, conv, n)
		return
	}
	c.before("int *n_%s = malloc((size_t)(%s > 0 ? %s : 1) * sizeof(int));", n, length, length)
	c.before("for (int i_ = 0; i_ < (int)%s; i_++)\n\tn_%s[i_] = native_%s(%s[i_]);", length, n, conv, n)
	c.arg("n_%s", n)
	c.always("free(n_%s);", n)
}

func lowerCall(b *bytes.Buffer, indent string, c *call, f *Function, callee string) {
	lines(b, indent, c.pre)
	if f.Ret != "" {
		fmt.Fprintf(b, "%sreturn native.%s(%s);\n", indent, callee, strings.Join(c.args, ", "))
		return
	}
	if len(c.post)+len(c.fin) == 0 {
		fmt.Fprintf(b, "%sreturn native_err(native.%s(%s));\n", indent, callee, strings.Join(c.args, ", "))
		return
	}
	fmt.Fprintf(b, "%sint rc = native_err(native.%s(%s));\n", indent, callee, strings.Join(c.args, ", "))
	lowerTail(b, indent, c)
}

func lowerTail(b *bytes.Buffer, indent string, c *call) {
	lines(b, indent, c.post)
	lines(b, indent, c.fin)
	fmt.Fprintf(b, "%sreturn rc;\n", indent)
}
