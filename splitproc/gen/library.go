package main

// library is one ABI of an MPI library or program other than the standard's.
type library struct {
	name    string // mpich, ompi
	other   func(Constant) *int
	intHand bool // handles are C ints (MPI_File apart)
}

var (
	mpich = library{name: "mpich", other: mpichConst, intHand: true}
	ompi  = library{name: "ompi", other: ompiConst}
)

// handleType is the C type of a handle in that ABI.
func (l library) handleType(kind string) string {
	if l.intHand && kind != "FILE" {
		return "int"
	}
	return "void *"
}

// exists says whether the ABI has the predefined handle.
func (l library) exists(h Handle) bool {
	if l.intHand {
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
	if l.intHand {
		return mpichStatus
	}
	return ompiStatus
}
