package main

import (
	"bytes"
	"fmt"
	"strings"
)

// forwarded says which core functions are written by rule: those that need no
// state of their own. All others are written by hand, or end the job
// (core_default.c).
func forwarded(f *Function) bool {
	switch f.Cat {
	case "collective", "neighbourhood":
		return true
	}
	switch strings.TrimSuffix(f.Name, "_c") {
	case "Reduce_local", "Pack", "Unpack", "Pack_size", "Pack_external", "Unpack_external", "Pack_external_size",
		"Dims_create", "Put", "Get", "Accumulate", "Get_accumulate", "Fetch_and_op", "Compare_and_swap":
		return true
	}
	return false
}

func genForward(t *Tables, b *bytes.Buffer) {
	b.WriteString("#include \"core.h\"\n#include \"core_len.h\"\n#include \"core_win.h\"\n#include \"forward.h\"\n\n")
	for _, f := range t.coreFunctions() {
		if forwarded(&f) {
			forwardFunction(b, &f)
		}
	}
}

// forwardFunction writes one core_X: gate, lower handles, one crossing. Handles
// are translated after the gate, where they may have changed.
func forwardFunction(b *bytes.Buffer, f *Function) {
	c := &call{}
	coll := f.Coll == "comm"
	comm, root, win := false, false, false
	for _, p := range f.Params {
		comm = comm || p.Kind == "COMM"
		win = win || p.Kind == "WIN"
		root = root || p.Root && p.Array
	}
	for _, p := range f.Params {
		forwardParam(c, p)
	}
	fmt.Fprintf(b, "%s core_%s(%s)\n{\n", f.retType(), f.Name, cParams(f.Params, ownType))
	if comm {
		b.WriteString("\tstruct core_comm *c_ = core_comm_of(comm);\n\tif (unlikely(!c_))\n\t\treturn MPI_ERR_COMM;\n")
	}
	if win {
		b.WriteString("\tstruct core_win *w_ = core_win_of(win);\n\tif (unlikely(!w_))\n\t\treturn MPI_ERR_WIN;\n")
	}
	if coll {
		b.WriteString("\tvolatile struct mana_thread *self_ = forward_enter(c_);\n")
	} else {
		b.WriteString("\tENTER();\n")
	}
	if root {
		b.WriteString("\tint root_ = forward_root(c_, root);\n")
	}
	lines(b, "\t", c.pre)
	fmt.Fprintf(b, "\tint rc = LOWER(self_, core_lower->f.%s(%s));\n", f.Name, strings.Join(c.args, ", "))
	lines(b, "\t", c.fin)
	b.WriteString("\tLEAVE(rc);\n}\n\n")
}

func forwardParam(c *call, p Param) {
	n := p.Name
	switch {
	case p.Kind == "COMM":
		c.arg("c_->lower")
	case p.Kind == "WIN":
		c.arg("w_->lower")
	case p.Kind == "DATATYPE" && p.Array:
		length := map[string]string{"NP(comm)": "core_np(c_)", "INDEG(comm)": "core_degree(c_, 0)", "OUTDEG(comm)": "core_degree(c_, 1)"}[p.Len]
		from := n
		if n == "sendtypes" && !strings.Contains(p.Len, "DEG") { // neighbours have no MPI_IN_PLACE
			from = "(sendbuf == MPI_IN_PLACE ? 0 : sendtypes)"
		}
		c.before("FORWARD_TYPES(l_%s, %s, %s);", n, from, length)
		c.arg("l_%s", n)
		c.always("FORWARD_TYPES_FREE(l_%s);", n)
	case p.Kind == "DATATYPE":
		c.before("MPI_Datatype l_%s = core_type_lower(%s);", n, n)
		c.arg("l_%s", n)
	case p.Kind == "OP":
		c.before("MPI_Op l_%s = core_op_lower(%s);", n, n)
		c.arg("l_%s", n)
	case p.Root && p.Array:
		c.arg("root_ ? %s : 0", n)
	default:
		c.arg("%s", n)
	}
}
