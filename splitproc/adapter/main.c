/* main.c - the program of the lower half.
 *
 * Started by the stub on a stack of its own, with an ld.so, libc and TLS of its
 * own. It loads the real MPI library (the first of its arguments that can be
 * loaded), publishes its function table in the control page and hands the
 * thread back to the stub. It never returns.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "adapter.h"

__thread volatile struct mana_thread *adapter_self;
struct mana_lower adapter_table;
#ifdef MANA_LIB_OMPI
native_Request adapter_over;
#endif

__attribute__((noreturn)) static void hand_over(void)
{
	((void (*)(void))mana_ctl->fn_entered)();
	__builtin_unreachable();
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, format);
	vsnprintf((char *)mana_ctl->errmsg, sizeof mana_ctl->errmsg, format, ap);
	__builtin_va_end(ap);
	hand_over();
}

/* The library is in the global scope, as in a program that is linked to it. */
static void *load_library(int n, char **names)
{
	char why[400] = "no library named";
	for (int i = 0; i < n; i++) {
		void *dl = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
		if (dl)
			return dl;
		if (i == 0)
			snprintf(why, sizeof why, "%s", dlerror());
	}
	fail("cannot load the MPI library: %s", why);
}

static void name_library(void)
{
	char version[8192] = ""; /* MPI_MAX_LIBRARY_VERSION_STRING is 8192 in MPICH */
	int len = 0;
	native.Get_library_version(version, &len);
	char *name = version + strspn(version, " \t");
	name[strcspn(name, "\n")] = 0;
	snprintf((char *)mana_ctl->lib, sizeof mana_ctl->lib, "%s", name);
}

int native_lacks(const char *function)
{
	dprintf(2, "mana: rank %d: the MPI library, %s, has no %s\n", (int)mana_ctl->rank, (const char *)mana_ctl->lib, function);
	return MPI_ERR_UNSUPPORTED_OPERATION;
}

static int init(int required, int *provided)
{
	void *ub = 0;
	int flag = 0, level = 0;
	int rc = native.Init_thread(0, 0, native_thread(required), &level);
	if (rc)
		return native_err(rc);
	*provided = native_thread_out(level);
	native.Comm_set_errhandler(native_comm(MPI_COMM_WORLD), native_errh(MPI_ERRORS_RETURN));
	native.Comm_set_errhandler(native_comm(MPI_COMM_SELF), native_errh(MPI_ERRORS_RETURN));
	adapter_table.tag_ub = 32767; /* what the standard guarantees */
	if (!native.Comm_get_attr(native_comm(MPI_COMM_WORLD), native_keyval(MPI_TAG_UB), &ub, &flag) && flag)
		adapter_table.tag_ub = *(int *)ub;
	return 0;
}

int main(int argc, char **argv)
{
	const char *missing = 0;
	void *dl = load_library(argc - 1, argv + 1);
	if (native_load(dl, &missing))
		fail("the MPI library lacks %s", missing);
#ifdef MANA_LIB_OMPI
	adapter_over = dlsym(dl, "ompi_request_empty");
#endif
	name_library();
	if (adapter_donor_start())
		fail("cannot start a thread in the lower half");
	adapter_table.size = sizeof adapter_table;
	adapter_table.p = adapter_prims;
	adapter_table.p.init = init;
	adapter_table.f = native_lower_gen;
	native.Get_version(&adapter_table.lib_version, &adapter_table.lib_subversion);
	adapter_table.own_windows = OWN_WINDOWS;
	adapter_direct(&adapter_table.direct);
	adapter_table.world = (MPI_Comm)adapter_table.direct.value[(uintptr_t)MPI_COMM_WORLD];
	adapter_table.self = (MPI_Comm)adapter_table.direct.value[(uintptr_t)MPI_COMM_SELF];
	adapter_table.main_tp = mana_tp();
	mana_ctl->lower_tls_self = (int64_t)((uint64_t)&adapter_self - adapter_table.main_tp);
	mana_ctl->lower_table = (uint64_t)&adapter_table;
	hand_over();
}
