package main

import (
	"bytes"
	"fmt"
)

// writeNativeLoad writes native_load, the handle tables and the error map.
func writeNativeLoad(t *Tables, b *bytes.Buffer, l library) {
	b.WriteString("#include <dlfcn.h>\n#include <limits.h>\n#include <stdlib.h>\n#include \"native_" + l.name + ".h\"\n\n" +
		"struct native_fns native;\nint *native_unweighted, *native_weights_empty;\n\n")
	for _, f := range t.nativeFunctions() {
		if !f.isLargeOne {
			fmt.Fprintf(b, "static int missing_%s(void)\n{\n\treturn native_errcode(native_lacks(\"MPI_%s\"));\n}\n", f.Name, f.Name)
		}
	}
	b.WriteString("static const struct {\n\tconst char *name;\n\tvoid *at;\n\tint (*missing)(void);\n} native_names[] = {\n")
	for _, f := range t.nativeFunctions() {
		missing := "missing_" + f.Name
		if f.isLargeOne { // lower_X looks whether it is there
			missing = "0"
		}
		fmt.Fprintf(b, "\t{\"PMPI_%s\", &native.%s, %s},\n", f.Name, f.Name, missing)
	}
	b.WriteString("};\n\n")
	if l.intHand {
		b.WriteString("uint32_t native_predefined[1024] = {\n")
		seen := map[int]bool{}
		for _, h := range t.Handles {
			if h.MPICH != nil && !seen[h.Std] { // two names of one type share a code
				seen[h.Std] = true
				fmt.Fprintf(b, "\t[%#x] = %#x, /* %s */\n", h.Std, uint32(*h.MPICH), h.Name)
			}
		}
	} else {
		b.WriteString("void *native_predefined[1024];\nstatic const struct {\n\tconst char *symbol;\n\tint code;\n} native_symbols[] = {\n")
		for _, h := range t.Handles {
			if s := h.OMPI + h.OMPI5; s != "" {
				fmt.Fprintf(b, "\t{\"%s\", %#x}, /* %s */\n", s, h.Std, h.Name)
			}
		}
	}
	b.WriteString("};\n\nstatic const short native_types[] = {")
	for _, h := range t.Handles {
		if h.Kind == "DATATYPE" && l.exists(h) {
			fmt.Fprintf(b, "%#x, ", h.Std)
		}
	}
	b.WriteString("};\n\nMPI_Datatype native_type_search(native_Datatype n)\n{\n" +
		"\tfor (unsigned i = 0; i < sizeof native_types / sizeof native_types[0]; i++)\n" +
		"\t\tif ((native_Datatype)native_predefined[native_types[i]] == n)\n" +
		"\t\t\treturn (MPI_Datatype)(uintptr_t)native_types[i];\n")
	if l.intHand {
		b.WriteString("\treturn (MPI_Datatype)(uintptr_t)(uint32_t)n;\n}\n\n")
	} else {
		b.WriteString("\treturn (MPI_Datatype)n;\n}\n\n")
	}
	writeErrorMap(t, b, l)
	writeLoader(b, l)
}

// errorGroups are the groups of constants that are error classes.
var errorGroups = map[string]bool{"error_class": true, "t_error_class": true}

func writeErrorMap(t *Tables, b *bytes.Buffer, l library) {
	b.WriteString("static const short native_classes[][2] = { /* native, standard */\n")
	for _, c := range t.Constants {
		if errorGroups[c.Group] && c.Std != nil && l.other(c) != nil && *l.other(c) < 1000 && c.Name != "MPI_ERR_LASTCODE" {
			fmt.Fprintf(b, "\t{%d, %d}, /* %s */\n", *l.other(c), *c.Std, c.Name)
		}
	}
	b.WriteString(`};

int native_error(int rc)
{
	int class;
	if (native.Error_class(rc, &class) != 0)
		return MPI_ERR_UNKNOWN;
	for (unsigned i = 0; i < sizeof native_classes / sizeof native_classes[0]; i++)
		if (native_classes[i][0] == class)
			return native_classes[i][1];
	return MPI_ERR_OTHER;
}

int native_errcode(int errclass)
{
	for (unsigned i = 0; i < sizeof native_classes / sizeof native_classes[0]; i++)
		if (native_classes[i][1] == errclass)
			return native_classes[i][0];
	return native_errcode(MPI_ERR_OTHER);
}

`)
}

func writeLoader(b *bytes.Buffer, l library) {
	b.WriteString(`int native_load(void *dl, const char **missing)
{
	static const char *const needed[] = {"PMPI_Init_thread", "PMPI_Finalize", "PMPI_Error_class", "PMPI_Isend", "PMPI_Test"};
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (!dlsym(dl, needed[i])) {
			*missing = needed[i];
			return -1;
		}
	for (unsigned i = 0; i < sizeof native_names / sizeof native_names[0]; i++) {
		void *p = dlsym(dl, native_names[i].name);
		if (!p)
			p = (void *)native_names[i].missing;
		*(void **)native_names[i].at = p;
	}
`)
	if l.intHand {
		b.WriteString(`	int **w = dlsym(dl, "MPI_UNWEIGHTED"), **e = dlsym(dl, "MPI_WEIGHTS_EMPTY");
	native_unweighted = w ? *w : 0;
	native_weights_empty = e ? *e : 0;
	return 0;
}

`)
		return
	}
	b.WriteString(`	native_unweighted = (int *)2;
	native_weights_empty = (int *)3;
	for (unsigned i = 0; i < sizeof native_symbols / sizeof native_symbols[0]; i++)
		native_predefined[native_symbols[i].code] = dlsym(dl, native_symbols[i].symbol);
	for (int i = 0x200; i < 1024; i++) /* types that this library lacks */
		if (!native_predefined[i])
			native_predefined[i] = native_predefined[(uintptr_t)MPI_DATATYPE_NULL];
	if (!native_predefined[(uintptr_t)MPI_COMM_WORLD]) {
		*missing = "ompi_mpi_comm_world";
		return -1;
	}
	return 0;
}

`)
}
