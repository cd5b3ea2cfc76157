/* dlopen.c - a program that loads its MPI library by hand gets the stub.
 *
 * ld.so knows the stub by its SONAME, so dlopen of that name finds it. A path
 * or the name of a development link would bring the real library into the
 * upper half: those are replaced. The caller's address must stay what it is,
 * because ld.so searches the caller's RUNPATH; hence the jump.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "stub.h"

HIDDEN_FN void *mana_real_dlopen;

static char own_soname[64];

static int starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The name to open instead of `file`: itself, unless it is an MPI library. */
HIDDEN_FN const char *mana_dlopen_name(const char *file);
static void find_dlopen(void);

HIDDEN_FN const char *mana_dlopen_name(const char *file)
{
	const char *slash = file ? strrchr(file, '/') : 0;
	const char *base = slash ? slash + 1 : file;
	if (!mana_real_dlopen)
		find_dlopen();
	if (!file || !own_soname[0])
		return file;
	if (starts(base, "libmpi.so") || starts(base, "libmpich.so") || starts(base, "libmpi_abi.so"))
		return own_soname;
	return file;
}

__asm__(".text\n"
	".globl dlopen\n .type dlopen, @function\n"
	"dlopen:\n"
	"	push %rsi\n"
	"	call mana_dlopen_name\n"
	"	pop %rsi\n"
	"	mov %rax, %rdi\n"
	"	jmp *mana_real_dlopen(%rip)\n"
	".size dlopen, .-dlopen\n");

/* The stub's SONAME was chosen when it was extracted: read it from our own dynamic section. */
static int find_soname(struct dl_phdr_info *info, size_t size, void *unused)
{
	const ElfW(Dyn) *dyn = 0;
	const char *strings = 0;
	int inside = 0;
	(void)size, (void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		ElfW(Addr) at = info->dlpi_addr + p->p_vaddr, here = (ElfW(Addr))find_soname;
		if (p->p_type == PT_DYNAMIC)
			dyn = (const ElfW(Dyn) *)at;
		else if (p->p_type == PT_LOAD && here >= at && here < at + p->p_memsz)
			inside = 1;
	}
	if (!inside || !dyn)
		return 0;
	for (const ElfW(Dyn) *d = dyn; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_STRTAB) /* relocated in memory by ld.so */
			strings = (const char *)d->d_un.d_ptr;
	for (const ElfW(Dyn) *d = dyn; d->d_tag != DT_NULL && strings; d++)
		if (d->d_tag == DT_SONAME)
			strncpy(own_soname, strings + d->d_un.d_val, sizeof own_soname - 1);
	return 1;
}

static void find_dlopen(void)
{
	mana_real_dlopen = dlsym(RTLD_NEXT, "dlopen");
	dl_iterate_phdr(find_soname, 0);
}
