/* front_fortran.h - procedures that want handles as Fortran integers. */
#ifndef MANA_FRONT_FORTRAN_H
#define MANA_FRONT_FORTRAN_H

/* Did a Fortran program hand in this function (of an operation or error handler)? */
int front_fortran_procedure(void *fn) __attribute__((visibility("hidden")));

/* Was the attribute set in Fortran? set: 1 from now on it was, -1: only asked. */
int front_comm_attr_integer(void *h, int keyval, int set) __attribute__((visibility("hidden")));
int front_type_attr_integer(void *h, int keyval, int set) __attribute__((visibility("hidden")));
int front_win_attr_integer(void *h, int keyval, int set) __attribute__((visibility("hidden")));

#endif
