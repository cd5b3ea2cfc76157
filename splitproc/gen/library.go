package main

// library is one ABI of an MPI library or program.
type library struct {
	name    string // mpich, ompi, std
	other   func(Constant) *int
	intHand bool // handles are C ints (MPI_File apart)
	std     bool // the standard ABI itself: nothing to convert
}

var (
	mpich  = library{name: "mpich", other: mpichConst, intHand: true}
	ompi   = library{name: "ompi", other: ompiConst}
	stdABI = library{name: "std", other: func(c Constant) *int { return c.Std }, std: true}
)

// intKind says that handles of the kind are C ints in that ABI.
func (l library) intKind(kind string) bool { return l.intHand && kind != "FILE" }

// handleType is the C type of a handle in that ABI.
func (l library) handleType(kind string) string {
	switch {
	case l.intKind(kind):
		return "int"
	case l.std:
		return handleKinds[kind]
	}
	return "void *"
}

// exists says whether the ABI has the predefined handle.
func (l library) exists(h Handle) bool {
	switch {
	case l.std:
		return !h.Private
	case l.intHand:
		return h.MPICH != nil
	}
	return h.OMPI != ""
}

const mpichStatus = `typedef struct {
	int count_lo, count_hi_and_cancelled; /* 63-bit byte count, lowest bit of the second word: cancelled */
	int MPI_SOURCE, MPI_TAG, MPI_ERROR;
} %s_Status;
`

const ompiStatus = `typedef struct {
	int MPI_SOURCE, MPI_TAG, MPI_ERROR;
	int cancelled;
	size_t ucount; /* bytes */
} %s_Status;
`

func (l library) status() string {
	switch {
	case l.std:
		return "typedef MPI_Status %s_Status;\n"
	case l.intHand:
		return mpichStatus
	}
	return ompiStatus
}

// stringMax is the ABI's length of a string constant.
func (l library) stringMax(t *Tables, name string) int {
	for _, c := range t.Constants {
		if c.Name == name && l.other(c) != nil {
			return *l.other(c)
		}
	}
	return 0
}
