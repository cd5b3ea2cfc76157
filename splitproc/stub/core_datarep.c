/* core_datarep.c - data representations of the program's own.
 *
 * Neither MPICH's nor Open MPI's file library converts by a program's
 * functions: both know the name, and refuse a view that asks for it.
 */
#include <string.h>

#include "core_objects.h"

static struct datarep {
	struct datarep *next;
	char name[MPI_MAX_DATAREP_STRING];
} *datareps;

static int known(const char *name)
{
	if (!strcmp(name, "native") || !strcmp(name, "internal") || !strcmp(name, "external32"))
		return 1;
	for (struct datarep *d = datareps; d; d = d->next)
		if (!strcmp(name, d->name))
			return 1;
	return 0;
}

static int add(const char *name)
{
	if (strlen(name) >= MPI_MAX_DATAREP_STRING || !*name)
		return MPI_ERR_ARG;
	if (known(name))
		return MPI_ERR_DUP_DATAREP;
	ENTER_LOCAL();
	struct datarep *d = core_alloc(sizeof *d);
	core_copy_name(d->name, name, sizeof d->name);
	d->next = datareps;
	datareps = d;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Register_datarep(const char *datarep, MPI_Datarep_conversion_function *read_conversion_fn,
                          MPI_Datarep_conversion_function *write_conversion_fn,
                          MPI_Datarep_extent_function *dtype_file_extent_fn, void *extra_state)
{
	(void)read_conversion_fn, (void)write_conversion_fn, (void)dtype_file_extent_fn, (void)extra_state;
	return add(datarep);
}

int core_Register_datarep_c(const char *datarep, MPI_Datarep_conversion_function_c *read_conversion_fn,
                            MPI_Datarep_conversion_function_c *write_conversion_fn,
                            MPI_Datarep_extent_function *dtype_file_extent_fn, void *extra_state)
{
	(void)read_conversion_fn, (void)write_conversion_fn, (void)dtype_file_extent_fn, (void)extra_state;
	return add(datarep);
}
