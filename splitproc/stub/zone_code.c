/* zone_code.c - makes the lower half's code use gs where compilers let it use fs.
 *
 * Called by the SIGSYS handler when the lower half maps code of a file. The
 * agent lists the instructions with an fs prefix (package fsuse); here the
 * prefixes become those of gs, before anybody can run the code. ld.so and the
 * adapter are changed by the agent itself, which maps them.
 */
#include <errno.h>
#include <sys/mman.h>

#include "cross.h"
#include "stub.h"

#define PREFIX_FS 0x64
#define PREFIX_GS 0x65
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; without it pages come one by one */
#endif

/* Asks for the sites in the file's part from `from` on; 0 or a negative errno. */
static long list_sites(long fd, uint64_t off, uint64_t len, uint64_t from)
{
	mana_ctl->code_fd = (int32_t)fd;
	mana_ctl->code_off = off;
	mana_ctl->code_len = len;
	mana_ctl->code_from = from;
	__atomic_store_n(&mana_ctl->code_state, MANA_CODE_ASKED, __ATOMIC_SEQ_CST);
	mana_ring();
	while (__atomic_load_n(&mana_ctl->code_state, __ATOMIC_SEQ_CST) == MANA_CODE_ASKED)
		mana_futex_wait(&mana_ctl->code_state, MANA_CODE_ASKED);
	return mana_ctl->code_state == MANA_CODE_LISTED ? 0 : -ENOEXEC;
}

/* Copies the pages in which something changes, run by run: a page fault for each would take longer. */
static void populate(const unsigned char *code, const volatile uint32_t *sites, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		uint32_t first = sites[i] / PAGE, end = first + 1;
		for (; i < n && sites[i] / PAGE <= end; i++)
			end = sites[i] / PAGE + 1;
		mana_sys(SYS_madvise, (long)code + first * PAGE, (end - first) * PAGE, MADV_POPULATE_WRITE, 0, 0, 0);
	}
}

static long change(unsigned char *code, uint64_t len, long fd, uint64_t off)
{
	uint64_t from = 0;
	for (;;) {
		long r = list_sites(fd, off, len, from);
		uint32_t n = mana_ctl->code_count;
		if (r < 0 || n == 0)
			return r;
		populate(code, mana_ctl->code_sites, n);
		for (uint32_t i = 0; i < n; i++)
			if (code[mana_ctl->code_sites[i]] == PREFIX_FS)
				code[mana_ctl->code_sites[i]] = PREFIX_GS;
		if (n < MANA_MAX_SITES)
			return 0;
		from = (uint64_t)mana_ctl->code_sites[n - 1] + 1;
	}
}

HIDDEN_FN long mana_zone_code(uint64_t at, uint64_t len, long prot, long fd, uint64_t off)
{
	long r = mana_sys(SYS_mprotect, (long)at, (long)len, PROT_READ | PROT_WRITE, 0, 0, 0);
	if (r < 0)
		return r;
	mana_lock(&mana_ctl->code_lock);
	r = change((unsigned char *)at, len, fd, off);
	mana_unlock(&mana_ctl->code_lock);
	return r < 0 ? r : mana_sys(SYS_mprotect, (long)at, (long)len, prot, 0, 0, 0);
}
