package main

import (
	"bytes"
	"fmt"
	"strings"
)

// notBelow are kinds of parameters with which a function has no business in
// the lower half: callbacks and attributes live in the core, the tools
// interface and process creation are not offered.
var notBelow = map[string]bool{
	"CALLBACK": true, "ATTRVAL": true, "EXTRA_STATE": true, "KEYVAL": true, "VARARGS": true, "ARGC": true, "ARGV": true,
	"STRING_ARRAY": true, "STRING_ARRAY2": true, "F_STATUS": true, "F08_STATUS": true, "FINT_HANDLE": true,
	"LOGICAL_VOID": true, "SESSION": true, "CONTENTS_INT": true,
}

var notBelowCat = map[string]bool{
	"tools": true, "fortran-conversion": true, "abi": true, "session": true, "partitioned": true, "status": true,
	"dynamic": true, "deprecated-removed": true, "bsend-buffer": true, "persistent-start": true, "p2p-persistent": true,
	"completion": true, "collective-persistent": true, "neighbourhood-persistent": true, "info-env": true,
}

// forwardable says that a rule can write the function's lower-half member.
func forwardable(f *Function) bool {
	if notBelowCat[f.Cat] || successor[f.Name] != "" || frontOnly(f) || !has(f.In, "mpich") {
		return f.Name == "Cancel" || f.Name == "Request_free" // completion, but the core needs them
	}
	if strings.HasSuffix(f.Cat, "-persistent") {
		return false
	}
	for _, p := range f.Params {
		switch {
		case notBelow[p.Kind],
			p.Kind == "STATUS" && (p.Array || p.Dir == "in"),
			p.Kind == "REQUEST" && p.Array:
			return false
		}
	}
	return true
}

// lowerFunctions lists the members of struct mana_lower_gen. Functions whose
// twin differs in scalars only have one member, with the twin's types.
func (t *Tables) lowerFunctions() []Function {
	var out []Function
	for _, f := range t.coreFunctions() {
		if forwardable(&f) {
			out = append(out, f)
		}
	}
	return out
}

// lowerType is the C type of a parameter in struct mana_lower_gen.
func lowerType(p Param) string {
	switch {
	case p.Kind == "STATUS":
		return "struct mana_status *"
	case p.Kind == "DATATYPE" && p.Array:
		return "MPI_Datatype []" // scratch of the adapter, see genLowerTable
	}
	return p.Type
}

func genLowerTable(t *Tables, b *bytes.Buffer) {
	b.WriteString(`#ifndef MANA_LOWER_TABLE_H
#define MANA_LOWER_TABLE_H

/* Arrays of datatypes hold lower handles and belong to the adapter from the
 * call on: it converts them in place. They must not be shared between two
 * parameters, and must live until a nonblocking operation is complete.
 * A NULL status is ignored. Members whose function the library lacks return
 * MPI_ERR_UNSUPPORTED_OPERATION. */
struct mana_lower_gen {
`)
	for _, f := range t.lowerFunctions() {
		fmt.Fprintf(b, "\t%s (*%s)(%s);\n", f.retType(), f.Name, cParams(f.Params, lowerType))
	}
	b.WriteString("};\n\n#endif\n")
}
