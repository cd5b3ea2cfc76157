package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed tables/*.json
var tableFiles embed.FS

// Param is one parameter of an MPI function as the MPI-5 standard ABI has it.
type Param struct {
	Name    string `json:"n"`
	Type    string `json:"t"`       // C type; "int []" and "int [][3]" for arrays
	Large   string `json:"lt"`      // C type in the _c twin where it differs
	Kind    string `json:"k"`       // COMM, DATATYPE, COUNT, BUFFER, RANK …
	Dir     string `json:"d"`       // in, out, inout
	Xlate   string `json:"x"`       // what a change of ABI means: handle, rank:…, const:…, flags:… …
	Array   bool   `json:"a"`       //
	Len     string `json:"len"`     // length of an array or string
	Root    bool   `json:"root"`    // significant at the root only
	Created bool   `json:"created"` // the caller has to free it
	Freed   bool   `json:"freed"`   // set to the null handle by the call
	InPlace bool   `json:"inplace"` // may be MPI_IN_PLACE
	Ignore  bool   `json:"ign"`     // may be the IGNORE sentinel
	Added   bool   `json:"added"`   // exists in the _c twin only
}

// Function is one MPI function with its large-count twin.
type Function struct {
	Name       string          `json:"name"` // without MPI_
	Cat        string          `json:"cat"`
	Ret        string          `json:"ret"` // C type; "" is an int error code
	RetKind    string          `json:"retkind"`
	Since      string          `json:"since"`
	Coll       string          `json:"coll"`     // the parameter it is collective over
	Replaced   string          `json:"replaced"` // its successor
	Req        bool            `json:"req"`      // makes a request
	Block      json.RawMessage `json:"block"`    // may wait for another process
	Removed    bool            `json:"removed"`
	In         []string        `json:"in"`    // headers that have it: abi, mpich, ompi
	LargeIn    []string        `json:"large"` // libraries that have the _c twin
	HasLarge   bool            `json:"-"`
	Params     []Param         `json:"params"`
	isLargeOne bool            // this Function stands for a _c twin of its own
}

// Handle is a predefined handle in all ABIs.
type Handle struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Std     int    `json:"std"`
	Private bool   `json:"private"` // the code is ours: the standard ABI lacks it
	MPICH   *int64 `json:"mpich"`
	OMPI    string `json:"ompi"`  // data symbol
	Size    int    `json:"size"`  // of that symbol
	OMPI5   string `json:"ompi5"` // data symbol that only Open MPI 5 has
	OMPIF   *int   `json:"ompif"` // Fortran integer
}

// Constant is an integer constant in all ABIs.
type Constant struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Std   *int   `json:"std"`
	MPICH *int   `json:"mpich"`
	OMPI  *int   `json:"ompi"`
	OMPI5 *int   `json:"ompi5"`
}

// Sentinel is a special pointer value, or the symbol that holds it.
type Sentinel struct {
	Name     string `json:"name"`
	Group    string `json:"group"` // sentinels or callbacks
	Std      *int   `json:"std"`
	MPICH    *int   `json:"mpich"`
	OMPI     *int   `json:"ompi"`
	MPICHSym string `json:"mpichsym"`
	OMPISym  string `json:"ompisym"`
}

// CallbackParam and Callback describe the functions that a program hands to MPI.
type CallbackParam struct {
	Name string `json:"n"`
	Kind string `json:"k"`
	Dir  string `json:"d"`
	Ptr  bool   `json:"ptr"`
}
type Callback struct {
	Name   string          `json:"name"`
	Ret    string          `json:"ret"`
	Large  bool            `json:"large"`
	Params []CallbackParam `json:"params"`
}

// Tables is everything that the generator knows.
type Tables struct {
	Functions []Function
	Handles   []Handle
	Constants []Constant
	Sentinels []Sentinel
	Callbacks []Callback
}

func loadTables() (*Tables, error) {
	t := &Tables{}
	for name, into := range map[string]any{
		"functions": &t.Functions, "handles": &t.Handles, "constants": &t.Constants,
		"sentinels": &t.Sentinels, "callbacks": &t.Callbacks,
	} {
		b, err := tableFiles.ReadFile("tables/" + name + ".json")
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, into); err != nil {
			return nil, fmt.Errorf("table %s: %w", name, err)
		}
	}
	for i := range t.Functions {
		f := &t.Functions[i]
		for _, p := range f.Params {
			f.HasLarge = f.HasLarge || p.Large != "" || p.Added
		}
	}
	return t, nil
}

func (t *Tables) function(name string) *Function {
	for i := range t.Functions {
		if t.Functions[i].Name == name {
			return &t.Functions[i]
		}
	}
	return nil
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// base and large return the two C prototypes of a function as Functions of their own.
func (f *Function) base() Function {
	g := *f
	g.Params = nil
	for _, p := range f.Params {
		if !p.Added {
			p.Large = ""
			g.Params = append(g.Params, p)
		}
	}
	return g
}

func (f *Function) large() Function {
	g := *f
	g.Name += "_c"
	g.isLargeOne = true
	g.Params = append([]Param(nil), f.Params...)
	for i := range g.Params {
		p := &g.Params[i]
		if p.Large != "" {
			p.Type, p.Large = p.Large, ""
		}
	}
	return g
}

// sharesCore says that base and _c twin differ in scalars only, so that one
// core function (with the types of the twin) serves both.
func (f *Function) sharesCore() bool {
	if !f.HasLarge {
		return false
	}
	for _, p := range f.Params {
		if p.Added || p.Large != "" && (p.Array || p.Kind == "CALLBACK") {
			return false
		}
	}
	return true
}

// handleKinds are the kinds of parameters that are MPI objects, with their C types.
var handleKinds = map[string]string{
	"COMM": "MPI_Comm", "DATATYPE": "MPI_Datatype", "REQUEST": "MPI_Request", "GROUP": "MPI_Group",
	"OP": "MPI_Op", "WIN": "MPI_Win", "FILE": "MPI_File", "INFO": "MPI_Info",
	"ERRHANDLER": "MPI_Errhandler", "MESSAGE": "MPI_Message", "SESSION": "MPI_Session",
}

// handleOrder is the order in which tables of the kinds are written.
var handleOrder = []string{"COMM", "DATATYPE", "REQUEST", "GROUP", "OP", "WIN", "FILE", "INFO", "ERRHANDLER", "MESSAGE", "SESSION"}

// cParam renders a parameter with the given C type.
func cParam(ctype, name string) string {
	if i := strings.Index(ctype, "["); i >= 0 {
		return strings.TrimSpace(ctype[:i]) + " " + name + ctype[i:]
	}
	if strings.HasSuffix(ctype, "*") {
		return ctype + name
	}
	return ctype + " " + name
}

// cParams renders a parameter list; conv maps each parameter to its C type.
func cParams(ps []Param, conv func(Param) string) string {
	if len(ps) == 0 {
		return "void"
	}
	var s []string
	for _, p := range ps {
		if p.Kind == "VARARGS" {
			s = append(s, "...")
			continue
		}
		s = append(s, cParam(conv(p), p.Name))
	}
	return strings.Join(s, ", ")
}

func ownType(p Param) string { return p.Type }

func (f *Function) retType() string {
	if f.Ret == "" {
		return "int"
	}
	return f.Ret
}
