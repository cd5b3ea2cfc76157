package main

import (
	"bytes"
	"fmt"
	"strings"
)

// genStd writes mpi_std.h: types and constants of the MPI-5 standard ABI.
func genStd(t *Tables, b *bytes.Buffer) {
	b.WriteString(`#ifndef MANA_MPI_STD_H
#define MANA_MPI_STD_H

#include <stddef.h>
#include <stdint.h>

typedef intptr_t MPI_Aint;
typedef int64_t MPI_Offset;
typedef int64_t MPI_Count;
typedef int MPI_Fint;

`)
	for _, k := range handleOrder {
		n := handleKinds[k]
		fmt.Fprintf(b, "typedef struct MPI_ABI_%s *%s;\n", strings.TrimPrefix(n, "MPI_"), n)
	}
	for _, n := range []string{"enum", "cvar_handle", "pvar_handle", "pvar_session", "event_registration", "event_instance"} {
		fmt.Fprintf(b, "typedef struct MPI_ABI_T_%s *MPI_T_%s;\n", n, n)
	}
	b.WriteString(`typedef int MPI_T_cb_safety;
typedef int MPI_T_source_order;

/* MPI_internal: [0] cancelled, [1] and [2] the low and high word of the byte count. */
typedef struct MPI_Status {
	int MPI_SOURCE, MPI_TAG, MPI_ERROR;
	int MPI_internal[5];
} MPI_Status;

`)
	for _, c := range t.Callbacks {
		fmt.Fprintf(b, "typedef %s MPI_%s(%s);\n", c.Ret, c.Name, callbackParams(c, false))
		if c.Large {
			fmt.Fprintf(b, "typedef %s MPI_%s_c(%s);\n", c.Ret, c.Name, callbackParams(c, true))
		}
	}
	for _, k := range handleOrder {
		b.WriteString("\n")
		for _, h := range t.Handles {
			if h.Kind == k {
				fmt.Fprintf(b, "#define %s ((%s)%#x)\n", h.Name, handleKinds[k], h.Std)
			}
		}
	}
	group := ""
	for _, c := range t.Constants {
		if c.Std == nil {
			continue
		}
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(b, "\n/* %s */\n", group)
		}
		fmt.Fprintf(b, "#define %s %s\n", c.Name, paren(*c.Std))
	}
	b.WriteString("\n")
	for _, s := range t.Sentinels {
		if s.Std == nil {
			continue
		}
		fmt.Fprintf(b, "#define %s ((%s)%d)\n", s.Name, sentinelType(s), *s.Std)
	}
	b.WriteString("\n#endif\n")
}

func paren(v int) string {
	if v < 0 {
		return fmt.Sprintf("(%d)", v)
	}
	return fmt.Sprint(v)
}

func sentinelType(s Sentinel) string {
	switch {
	case strings.HasPrefix(s.Name, "MPI_STATUS"):
		return "MPI_Status *"
	case s.Name == "MPI_ERRCODES_IGNORE" || strings.Contains(s.Name, "WEIGHT"):
		return "int *"
	case s.Name == "MPI_ARGV_NULL":
		return "char **"
	case s.Name == "MPI_ARGVS_NULL":
		return "char ***"
	}
	return "void *"
}

// callbackType is the C type of a callback's parameter by its kind.
func callbackType(kind string, large bool) string {
	if h := handleKinds[kind]; h != "" {
		return h
	}
	switch kind {
	case "BUFFER_RAW", "EXTRA_STATE", "ATTRVAL":
		return "void *"
	case "COUNT":
		if large {
			return "MPI_Count"
		}
		return "int"
	case "OFFSET":
		return "MPI_Offset"
	case "AINT":
		return "MPI_Aint"
	case "STATUS":
		return "MPI_Status"
	case "T_EVENT_INST":
		return "MPI_T_event_instance"
	case "T_EVENT_REG":
		return "MPI_T_event_registration"
	case "T_CB_SAFETY":
		return "MPI_T_cb_safety"
	}
	return "int"
}

func callbackParams(c Callback, large bool) string {
	var s []string
	for _, p := range c.Params {
		switch {
		case p.Kind == "VARARGS":
			s = append(s, "...")
		case c.Name == "Copy_function" && p.Name == "ierr", c.Name == "Delete_function" && p.Name == "ierr":
			// The C functions return it.
		default:
			t := callbackType(p.Kind, large)
			// Copy functions get a pointer to where the value goes, typed void *.
			ptr := p.Ptr && t != "void *"
			if ptr {
				t += " *"
			}
			s = append(s, strings.TrimSpace(t)+" "+p.Name)
		}
	}
	return strings.Join(s, ", ")
}
