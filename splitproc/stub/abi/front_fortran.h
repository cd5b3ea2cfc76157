/* front_fortran.h - procedures that want handles as Fortran integers. */
#ifndef MANA_FRONT_FORTRAN_H
#define MANA_FRONT_FORTRAN_H

/* Did a Fortran program hand in this function (of an operation or error handler)? */
int front_fortran_procedure(void *fn) __attribute__((visibility("hidden")));

#endif
