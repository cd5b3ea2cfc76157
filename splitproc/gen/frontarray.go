package main

import (
	"bytes"
	"fmt"
	"strings"
)

// status passes statuses through the standard layout.
func (g *frontCall) status(p Param) {
	n := p.Name
	if p.Array {
		g.statusArray(p)
		return
	}
	g.before("MPI_Status n_%s;", n)
	g.before("int want_%s = %s != PROG_STATUS_IGNORE;", n, n)
	if p.Dir != "out" {
		g.before("if (want_%s)\n\tprog_status(%s, &n_%s);", n, n, n)
	}
	g.arg("want_%s ? &n_%s : 0", n, n)
	if p.Dir == "in" {
		return
	}
	cond := "rc == 0"
	for _, q := range g.f.Params {
		if q.Name == "flag" && q.Dir == "out" {
			cond += " && *flag"
		}
	}
	g.after("if (%s && want_%s)\n\tprog_status_out(&n_%s, %s);", cond, n, n, n)
	if g.f.Name == "Status_set_error" {
		g.after("if (rc == 0 && want_%s)\n\t%s->MPI_ERROR = prog_errcode_out(n_%s.MPI_ERROR);", n, n, n)
	}
}

// statusArray: MPI_ERROR is written when the call returns MPI_ERR_IN_STATUS.
func (g *frontCall) statusArray(p Param) {
	n := p.Name
	length := strings.Split(p.Len, ";")
	g.before("int want_%s = %s != PROG_STATUS_IGNORE;", n, n)
	g.before("FRONT_ARRAY(MPI_Status, n_%s, want_%s ? %s : 0);", n, n, length[0])
	g.arg("want_%s ? n_%s : 0", n, n)
	valid := "len_n_" + n
	if len(length) > 1 {
		valid = "(*outcount == MPI_UNDEFINED ? 0 : *outcount)"
	}
	cond := "(rc == 0 || rc == MPI_ERR_IN_STATUS) && want_" + n
	for _, q := range g.f.Params {
		if q.Name == "flag" {
			cond = "((rc == 0 && *flag) || rc == MPI_ERR_IN_STATUS) && want_" + n
		}
	}
	g.after("if (%s)\n\tfront_statuses(n_%s, %s, %s, rc == MPI_ERR_IN_STATUS);", cond, n, n, valid)
	g.always("FRONT_ARRAY_FREE(n_%s);", n)
}

// handleArray passes an array of handles through a copy.
func (g *frontCall) handleArray(p Param, kind, conv string) {
	n, length := p.Name, frontLen(g.f, p)
	// The send types do not count when the send buffer is MPI_IN_PLACE.
	if strings.HasPrefix(n, "send") {
		for _, q := range g.f.Params {
			if q.Kind == "BUFFER" && q.InPlace {
				length = fmt.Sprintf("prog_buf(%s) == MPI_IN_PLACE ? 0 : %s", q.Name, length)
			}
		}
	}
	g.before("FRONT_ARRAY(%s, n_%s, %s);", kind, n, length)
	if p.Dir == "out" {
		g.before("for (int i_ = 0; i_ < len_n_%s; i_++)\n\tn_%s[i_] = 0;", n, n)
	} else {
		g.before("for (int i_ = 0; i_ < len_n_%s; i_++)\n\tn_%s[i_] = prog_%s(%s[i_]);", n, n, conv, n)
	}
	g.arg("n_%s", n)
	switch p.Dir {
	case "out":
		g.after("for (int i_ = 0; rc == 0 && i_ < len_n_%s; i_++)\n\tif (n_%s[i_])\n\t\t%s[i_] = prog_%s_out(n_%s[i_]);", n, n, n, conv, n)
	case "inout":
		g.after("for (int i_ = 0; i_ < len_n_%s; i_++)\n\t%s[i_] = prog_%s_out(n_%s[i_]);", n, n, conv, n)
	}
	g.always("FRONT_ARRAY_FREE(n_%s);", n)
}

// frontConversion writes c2f, f2c, toint and fromint: user objects are their
// virtual ids in every Fortran, predefined ones the ABI's own numbers.
func frontConversion(t *Tables, b *bytes.Buffer, l library, f *Function) {
	p := f.Params[0]
	toInt := strings.HasSuffix(f.Name, "_c2f") || strings.HasSuffix(f.Name, "_toint")
	kind := p.Kind
	if !toInt {
		for k, n := range handleKinds {
			if n == f.Ret {
				kind = k
			}
		}
	}
	s, pt := shortKind[kind], "prog"+strings.TrimPrefix(handleKinds[kind], "MPI")
	body := ""
	switch {
	case l.intKind(kind) || l.std:
		body = fmt.Sprintf("\treturn (%s)(uintptr_t)(unsigned)%s;\n", pt, p.Name)
		if l.intKind(kind) {
			body = fmt.Sprintf("\treturn %s;\n", p.Name)
		}
		if toInt {
			body = fmt.Sprintf("\treturn (int)(uintptr_t)%s;\n", p.Name)
		}
		if toInt && l.intKind(kind) {
			body = fmt.Sprintf("\treturn %s;\n", p.Name)
		}
	case l.intHand: // MPICH's files are pointers
		body = fmt.Sprintf("\treturn (%s)(uintptr_t)(unsigned)%s;\n", pt, p.Name)
		if toInt {
			body = fmt.Sprintf("\treturn (int)(uintptr_t)%s;\n", p.Name)
		}
	case toInt:
		body = fmt.Sprintf("\tuintptr_t v = prog_code(%s);\n\treturn v >= VID_BASE ? (int)v : prog_fint[v & 1023] - 1;\n", p.Name)
	default:
		body = fmt.Sprintf("\tunsigned v = (unsigned)%s;\n\tif (v >= VID_BASE)\n\t\treturn (%s)(uintptr_t)v;\n"+
			"\treturn v < 128 ? prog_address[prog_fint_%s[v]] : 0;\n", p.Name, pt, s)
	}
	ret, arg := pt, cParam("int", p.Name)
	if toInt {
		ret, arg = "int", cParam(pt, p.Name)
	}
	fmt.Fprintf(b, "EXPORT %s PMPI_%s(%s)\n{\n%s}\nALIAS(%s);\n\n", ret, f.Name, arg, body, f.Name)
}

// writeProgData defines the data of the program's ABI: symbols, tables, error codes.
func writeProgData(t *Tables, b *bytes.Buffer, l library) {
	if l.name == "ompi" {
		ompiData(t, b)
	}
	for _, out := range []bool{false, true} {
		suffix := ""
		if out {
			suffix = "_out"
		}
		fmt.Fprintf(b, "int prog_errcode%s(int v)\n{\n", suffix)
		if !l.std {
			b.WriteString("\tswitch (v) {\n")
			for _, c := range t.Constants {
				if errorGroups[c.Group] && c.Std != nil && l.other(c) != nil && c.Name != "MPI_ERR_LASTCODE" {
					from, to := *l.other(c), *c.Std
					if out {
						from, to = to, from
					}
					fmt.Fprintf(b, "\tcase %d:\n\t\treturn %d; /* %s */\n", from, to, c.Name)
				}
			}
			b.WriteString("\t}\n")
			if out { // classes that this ABI lacks
				fmt.Fprintf(b, "\tif (v > 0 && v <= 1100)\n\t\treturn prog_errcode_out(MPI_ERR_OTHER);\n")
			}
		}
		b.WriteString("\treturn v;\n}\n\n")
	}
}

func ompiData(t *Tables, b *bytes.Buffer) {
	seen := map[string]bool{}
	for _, h := range t.Handles {
		if s := h.OMPI + h.OMPI5; s != "" && !seen[s] {
			seen[s] = true
			size := h.Size
			if size == 0 {
				size = 512
			}
			fmt.Fprintf(b, "char %s[%d] __attribute__((aligned(16)));\n", s, size)
		}
	}
	b.WriteString("\nvoid *const prog_address[1024] = {\n")
	done := map[int]bool{}
	for _, h := range t.Handles {
		if s := h.OMPI + h.OMPI5; s != "" && !done[h.Std] {
			done[h.Std] = true
			fmt.Fprintf(b, "\t[%#x] = %s,\n", h.Std, s)
		}
	}
	b.WriteString("};\n\n/* Fortran integer + 1 by standard code, and standard codes by Fortran integer. */\n" +
		"__attribute__((unused)) static const uint8_t prog_fint[1024] = {\n")
	fint := map[int]bool{}
	for _, h := range t.Handles {
		if h.OMPIF != nil && !fint[h.Std] {
			fint[h.Std] = true
			fmt.Fprintf(b, "\t[%#x] = %d,\n", h.Std, *h.OMPIF+1)
		}
	}
	b.WriteString("};\n")
	for _, k := range handleOrder {
		fmt.Fprintf(b, "__attribute__((unused)) static const uint16_t prog_fint_%s[128] = {", shortKind[k])
		used := map[int]bool{}
		for _, h := range t.Handles {
			if h.Kind == k && h.OMPIF != nil && !used[*h.OMPIF] {
				used[*h.OMPIF] = true
				fmt.Fprintf(b, "[%d] = %#x, ", *h.OMPIF, h.Std)
			}
		}
		b.WriteString("};\n")
	}
	b.WriteString("\n")
}
