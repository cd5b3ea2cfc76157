package main

import (
	"bytes"
	"fmt"
	"strings"
)

// frontOnly are functions that the front ends answer without the core.
func frontOnly(f *Function) bool {
	return f.Cat == "fortran-conversion" || f.Name == "Pcontrol" || f.Name == "Aint_add" || f.Name == "Aint_diff"
}

// successor maps old functions to the core function that does their work;
// those whose parameters changed are written out in the front end.
var successor = map[string]string{
	"Address": "Get_address", "Attr_delete": "Comm_delete_attr", "Attr_get": "Comm_get_attr", "Attr_put": "Comm_set_attr",
	"Errhandler_create": "Comm_create_errhandler", "Errhandler_get": "Comm_get_errhandler",
	"Errhandler_set": "Comm_set_errhandler", "Keyval_create": "Comm_create_keyval", "Keyval_free": "Comm_free_keyval",
	"Type_hindexed": "Type_create_hindexed", "Type_hvector": "Type_create_hvector", "Type_struct": "Type_create_struct",
	"Type_extent": "Type_get_extent", "Type_lb": "Type_get_extent", "Type_ub": "Type_get_extent",
	"Get_elements_x": "Get_elements", "Status_set_elements_x": "Status_set_elements", "Type_size_x": "Type_size",
	"Type_get_extent_x": "Type_get_extent", "Type_get_true_extent_x": "Type_get_true_extent",
}

// coreFunctions lists every core_X with the parameters it has.
func (t *Tables) coreFunctions() []Function {
	var out []Function
	for i := range t.Functions {
		f := &t.Functions[i]
		if frontOnly(f) || successor[f.Name] != "" {
			continue
		}
		switch {
		case f.sharesCore():
			g := f.large()
			g.Name, g.isLargeOne = f.Name, false
			out = append(out, g)
		case f.HasLarge:
			out = append(out, f.base(), f.large())
		default:
			out = append(out, f.base())
		}
	}
	return out
}

func genCoreAPI(t *Tables, b *bytes.Buffer) {
	b.WriteString("#ifndef MANA_CORE_API_H\n#define MANA_CORE_API_H\n\n")
	for _, f := range t.coreFunctions() {
		fmt.Fprintf(b, "HIDDEN %s\n", corePrototype(&f))
	}
	b.WriteString("\n#endif\n")
}

func corePrototype(f *Function) string {
	return fmt.Sprintf("%s core_%s(%s);", f.retType(), f.Name, cParams(f.Params, ownType))
}

// toolsDefault is the body of a function of the tools interface: it offers no
// variable, event or category, which the standard allows.
func toolsDefault(f *Function) string {
	switch {
	case f.Name == "T_init_thread":
		return "*provided = required;\n\treturn MPI_SUCCESS;"
	case f.Name == "T_finalize":
		return "return MPI_SUCCESS;"
	case strings.HasSuffix(f.Name, "_get_num"):
		return fmt.Sprintf("*%s = 0;\n\treturn MPI_SUCCESS;", f.Params[len(f.Params)-1].Name)
	case strings.HasSuffix(f.Name, "_get_index"):
		return "return MPI_T_ERR_INVALID_NAME;"
	case strings.Contains(f.Name, "pvar_session"):
		return "return MPI_SUCCESS;"
	}
	return "return MPI_T_ERR_INVALID_INDEX;"
}

// refused are the functions that the core does not offer, with the reason:
// a call returns an MPI error, after one line on standard error. docs/mpi.md
// lists them. Whatever is neither here nor written does not link.
var refused = map[string]string{
	"Comm_spawn":            spawned,
	"Comm_spawn_multiple":   spawned,
	"Comm_accept":           stranger,
	"Comm_connect":          stranger,
	"Comm_join":             stranger,
	"Open_port":             stranger,
	"Close_port":            stranger,
	"Publish_name":          stranger,
	"Unpublish_name":        stranger,
	"Lookup_name":           stranger,
	"Session_attach_buffer": "a communicator does not know its session",
	"Session_detach_buffer": "a communicator does not know its session",
	"Session_flush_buffer":  "a communicator does not know its session",
	"Session_iflush_buffer": "a communicator does not know its session",
}

const (
	spawned  = "spawned processes would not be part of the checkpoint"
	stranger = "processes of another job would not be part of the checkpoint"
)

// refusedClass is the error class that a refused function returns.
func refusedClass(f *Function) string {
	switch f.Name {
	case "Comm_spawn", "Comm_spawn_multiple":
		return "MPI_ERR_SPAWN"
	case "Comm_accept", "Comm_connect", "Close_port": // no port can have been opened
		return "MPI_ERR_PORT"
	case "Lookup_name":
		return "MPI_ERR_NAME"
	case "Unpublish_name":
		return "MPI_ERR_SERVICE"
	}
	return "MPI_ERR_UNSUPPORTED_OPERATION"
}

func genCoreDefault(t *Tables, b *bytes.Buffer) {
	b.WriteString("#include \"core.h\"\n\n#pragma GCC diagnostic ignored \"-Wunused-parameter\"\n\n")
	for _, f := range t.coreFunctions() {
		body, alone := "", false
		why := refused[f.Name]
		switch {
		case f.Cat == "tools":
			body = toolsDefault(&f)
		case why != "":
			body = fmt.Sprintf("static int told;\n\treturn core_refused(\"MPI_%s\", %q, &told, %s);", f.Name, why, refusedClass(&f))
		default:
			body, alone = fmt.Sprintf("core_unsupported(\"MPI_%s\");", f.Name), true
		}
		if alone { // a front end without the core, under test
			b.WriteString("#ifdef FRONT_ALONE\n__attribute__((weak)) ")
		}
		fmt.Fprintf(b, "%s core_%s(%s)\n{\n\t%s\n}\n", f.retType(), f.Name, cParams(f.Params, ownType), body)
		if alone {
			b.WriteString("#endif\n")
		}
	}
}
