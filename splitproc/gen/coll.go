package main

import (
	"bytes"
	"fmt"
	"strings"
)

const collHead = `#include "core_len.h"
#include "core_objects.h"
#include "core_p2p.h"
#include "core_request.h"
#include "core_win.h"
#include "forward.h"

`

// genColl writes core_icoll.c: nonblocking collectives as requests of kind
// REQ_COLL, and persistent ones, whose arguments are kept here and which post
// the nonblocking one at each Start.
func genColl(t *Tables, b *bytes.Buffer) {
	b.WriteString(collHead)
	for _, f := range t.coreFunctions() {
		switch f.Cat {
		case "nb-collective", "nb-neighbourhood":
			collNonblocking(b, &f)
		case "collective-persistent", "neighbourhood-persistent":
			collPersistent(b, &f)
		case "rma":
			if f.Req {
				collRMA(b, &f)
			}
		}
	}
}

// collArgs are the parameters but for the last ones, which every such function has.
func collArgs(f *Function) []Param {
	var out []Param
	for _, p := range f.Params {
		if p.Kind != "REQUEST" && p.Kind != "INFO" && p.Kind != "COMM" {
			out = append(out, p)
		}
	}
	return out
}

// collCall fills in the arguments of the crossing; from prefixes the
// parameters ("a_->" where they were kept).
func collCall(c *call, f *Function, from string) {
	for _, p := range f.Params {
		n := from + p.Name
		switch {
		case p.Kind == "COMM":
			c.arg("c_->lower")
		case p.Kind == "WIN":
			c.arg("w_->lower")
		case p.Kind == "REQUEST":
			c.arg("&r_->lower")
		case p.Kind == "INFO":
		case p.Kind == "DATATYPE" && p.Array:
			c.arg("l_%s", p.Name)
		case p.Kind == "DATATYPE":
			c.before("MPI_Datatype l_%s = core_type_lower(%s);", p.Name, n)
			c.arg("l_%s", p.Name)
		case p.Kind == "OP":
			c.before("MPI_Op l_%s = core_op_lower(%s);", p.Name, n)
			c.arg("l_%s", p.Name)
		case p.Root && p.Array:
			c.arg("root_ ? %s : 0", n)
		default:
			c.arg("%s", n)
		}
	}
}

// typeArrays returns the array-of-datatype parameters and their lengths.
func typeArrays(f *Function) (names, lengths []string) {
	for _, p := range f.Params {
		if p.Kind == "DATATYPE" && p.Array {
			names = append(names, p.Name)
			lengths = append(lengths, map[string]string{"NP(comm)": "core_np(c_)", "INDEG(comm)": "core_degree(c_, 0)",
				"OUTDEG(comm)": "core_degree(c_, 1)"}[p.Len])
		}
	}
	return names, lengths
}

// inPlaceTypes: the send types do not count when the send buffer is MPI_IN_PLACE.
func inPlaceTypes(f *Function, name, from string) string {
	if name == "sendtypes" && !strings.Contains(strings.ToLower(f.Name), "neighbor") {
		return fmt.Sprintf("%ssendbuf == MPI_IN_PLACE ? 0 : %s", from, from+name)
	}
	return from + name
}

func hasRootArray(f *Function) bool {
	for _, p := range f.Params {
		if p.Root && p.Array {
			return true
		}
	}
	return false
}

const collComm = "\tstruct core_comm *c_ = core_comm_of(comm);\n\tif (unlikely(!c_))\n\t\treturn MPI_ERR_COMM;\n"

func collNonblocking(b *bytes.Buffer, f *Function) {
	c := &call{}
	collCall(c, f, "")
	fmt.Fprintf(b, "int core_%s(%s)\n{\n%s", f.Name, cParams(f.Params, ownType), collComm)
	b.WriteString("\tvolatile struct mana_thread *self_ = forward_enter(c_);\n" +
		"\tstruct core_request *r_ = core_request_new(REQ_COLL, c_);\n")
	if hasRootArray(f) {
		b.WriteString("\tint root_ = forward_root(c_, root);\n")
	}
	names, lengths := typeArrays(f)
	if len(names) > 0 { // the library reads them until the end: they hang from the request
		fmt.Fprintf(b, "\tstruct coll *a_ = coll_attach(r_, sizeof *a_);\n")
		for i, n := range names {
			fmt.Fprintf(b, "\tMPI_Datatype *l_%s = a_->scratch[%d] = coll_lower_types(%s, %s, 0);\n", n, i, inPlaceTypes(f, n, ""), lengths[i])
		}
	}
	for _, p := range f.Params {
		if p.Kind == "OP" { // a function of the program, and the type it sees, live until the end
			b.WriteString("\tif (unlikely(VID(op) >= VID_BASE))\n\t\tcoll_keep(coll_attach(r_, sizeof(struct coll)), datatype, 0, op);\n")
		}
	}
	lines(b, "\t", c.pre)
	fmt.Fprintf(b, "\tint rc = LOWER(self_, core_lower->f.%s(%s));\n\tLEAVE(coll_posted(r_, rc, request));\n}\n\n", f.Name, strings.Join(c.args, ", "))
}

// collRMA writes a one-sided operation with a request.
func collRMA(b *bytes.Buffer, f *Function) {
	c := &call{}
	collCall(c, f, "")
	fmt.Fprintf(b, "int core_%s(%s)\n{\n\tstruct core_win *w_ = core_win_of(win);\n\tif (unlikely(!w_))\n\t\treturn MPI_ERR_WIN;\n", f.Name, cParams(f.Params, ownType))
	b.WriteString("\tENTER();\n\tstruct core_request *r_ = core_request_new(REQ_COLL, 0);\n")
	lines(b, "\t", c.pre)
	fmt.Fprintf(b, "\tint rc = LOWER(self_, core_lower->f.%s(%s));\n\tLEAVE(coll_posted(r_, rc, request));\n}\n\n", f.Name, strings.Join(c.args, ", "))
}

// collPersistent writes X_init and what starts it.
func collPersistent(b *bytes.Buffer, f *Function) {
	c := &call{}
	collCall(c, f, "a_->")
	args := collArgs(f)
	post := strings.Replace(f.Name, "_init", "", 1)
	post = "I" + strings.ToLower(post[:1]) + post[1:]
	names, lengths := typeArrays(f)

	fmt.Fprintf(b, "struct args_%s {\n\tstruct coll coll;\n", f.Name)
	for _, p := range args {
		fmt.Fprintf(b, "\t%s;\n", cParam(fieldType(p.Type), p.Name))
	}
	fmt.Fprintf(b, "};\n\nstatic int start_%s(struct core_request *r_)\n{\n", f.Name)
	if len(args) > 0 {
		fmt.Fprintf(b, "\tstruct args_%s *a_ = r_->aux;\n", f.Name)
	}
	b.WriteString("\tstruct core_comm *c_ = r_->comm;\n\tvolatile struct mana_thread *self_ = forward_enter(c_);\n")
	if hasRootArray(f) {
		b.WriteString("\tint root_ = forward_root(c_, a_->root);\n")
	}
	for i, n := range names {
		fmt.Fprintf(b, "\tMPI_Datatype *l_%s = coll_lower_types(a_->%s, %s, a_->coll.scratch[%d]);\n", n, n, lengths[i], i)
		fmt.Fprintf(b, "\ta_->coll.scratch[%d] = l_%s;\n", i, n)
	}
	lines(b, "\t", c.pre)
	fmt.Fprintf(b, "\tr_->state = REQ_ACTIVE;\n\tint rc = LOWER(self_, core_lower->f.%s(%s));\n\tLEAVE(coll_started(r_, rc));\n}\n\n", post, strings.Join(c.args, ", "))

	fmt.Fprintf(b, "int core_%s(%s)\n{\n%s\t(void)info;\n\tstruct core_comm *lane_;\n\tint rc_ = core_lane_take(c_, &lane_);\n"+
		"\tif (unlikely(rc_))\n\t\treturn rc_;\n\tENTER_LOCAL();\n", f.Name, cParams(f.Params, ownType), collComm)
	fmt.Fprintf(b, "\tstruct core_request *r_ = core_request_new(REQ_COLL, lane_);\n\tstruct args_%s *a_ = coll_attach(r_, sizeof *a_);\n", f.Name)
	var scalar []string
	op := "MPI_OP_NULL"
	for _, p := range args {
		switch {
		case p.Kind == "DATATYPE" && p.Array:
			i := 0
			if p.Name == "recvtypes" {
				i = 1
			}
			fmt.Fprintf(b, "\ta_->%s = coll_keep_types(&a_->coll, %d, %s, %s);\n", p.Name, i, inPlaceTypes(f, p.Name, ""), lengths[i])
			continue
		case p.Kind == "DATATYPE":
			scalar = append(scalar, p.Name)
		case p.Kind == "OP":
			op = p.Name
		}
		fmt.Fprintf(b, "\ta_->%s = %s;\n", p.Name, p.Name)
	}
	for len(scalar) < 2 {
		scalar = append(scalar, "0")
	}
	fmt.Fprintf(b, "\tcoll_keep(&a_->coll, %s, %s, %s);\n", scalar[0], scalar[1], op)
	fmt.Fprintf(b, "\tcoll_persistent(r_, start_%s);\n\t*request = core_request_handle(r_);\n\tLEAVE_LOCAL(MPI_SUCCESS);\n}\n\n", f.Name)
}

// fieldType turns a parameter's array type into that of a struct member.
func fieldType(ctype string) string {
	if i := strings.Index(ctype, "["); i >= 0 {
		return strings.TrimSpace(ctype[:i]) + " *"
	}
	return ctype
}
