/* ompi_fortran.h - what the files of Fortran procedures for Open MPI share. */
#ifndef MANA_OMPI_FORTRAN_H
#define MANA_OMPI_FORTRAN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front_fortran.h"
#include "stub.h"

typedef void *handle;
typedef int fint;
typedef intptr_t aint;

struct status {
	int source, tag, error, cancelled;
	size_t ucount;
};

/* A Fortran procedure under the names that compilers give it and those that
 * Open MPI's own modules call. */
#define FORTRAN(name, params)                                                            \
	EXPORT void mpi_##name##_ params __attribute__((alias("ompi_" #name "_f")));     \
	EXPORT void mpi_##name##__ params __attribute__((alias("ompi_" #name "_f")));    \
	EXPORT void mpi_##name params __attribute__((alias("ompi_" #name "_f")));        \
	EXPORT void pmpi_##name##_ params __attribute__((alias("ompi_" #name "_f")));    \
	EXPORT void pmpi_##name##__ params __attribute__((alias("ompi_" #name "_f")));   \
	EXPORT void pmpi_##name params __attribute__((alias("ompi_" #name "_f")));       \
	EXPORT void ompi_##name##_f params;                                              \
	EXPORT void ompi_##name##_f params

static inline void answer(fint *ierr, int rc)
{
	if (ierr)
		*ierr = rc;
}


#endif
