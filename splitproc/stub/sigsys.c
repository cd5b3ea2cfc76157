/* sigsys.c - keeps the lower half in the zone.
 *
 * The agent's seccomp filter sends SIGSYS for the system calls below when the
 * syscall instruction lies in the zone. This handler, whose own instructions do
 * not, carries them out: mappings go to the zone, descriptors are recorded,
 * signal actions of the process are left to the program. It may run on a thread
 * of the lower half's own, so it calls nothing and uses no TLS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <ucontext.h>

#include "stub.h"

#define HUGE_PAGE (2UL << 20)
#define CURSOR_FIRST (MANA_ZONE_LO + (1UL << 30)) /* where the search starts again at the zone's end */
#define MAX_TRIES 100000
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef SHM_REMAP
#define SHM_REMAP 040000
#endif

int mana_pid; /* of the process that the control page describes: a forked child must not touch it */

/* The signal actions that the lower half believes to have set. */
static struct mana_ksigaction lower_actions[MANA_NSIG];

static int ours(void)
{
	return mana_getpid() == mana_pid;
}

static void fd_record(long fd)
{
	if (fd >= 0 && fd < MANA_MAX_FDS && ours())
		__atomic_fetch_or(&mana_ctl->lower_fds[fd / 64], 1UL << (fd % 64), __ATOMIC_RELAXED);
}

static void fd_forget(long fd)
{
	if (fd >= 0 && fd < MANA_MAX_FDS && ours())
		__atomic_fetch_and(&mana_ctl->lower_fds[fd / 64], ~(1UL << (fd % 64)), __ATOMIC_RELAXED);
}

/* The next candidate for a mapping of len bytes. */
static uint64_t zone_take(uint64_t len)
{
	uint64_t align = len >= HUGE_PAGE ? HUGE_PAGE : PAGE;
	uint64_t take = mana_page_up(len) + (align - PAGE);
	uint64_t at = __atomic_fetch_add(&mana_ctl->zone_cursor, take, __ATOMIC_RELAXED);
	if (at + take > MANA_ZONE_HI || at < MANA_ZONE_LO) { /* once around; taken places answer EEXIST */
		__atomic_store_n(&mana_ctl->zone_cursor, CURSOR_FIRST + take, __ATOMIC_RELAXED);
		at = CURSOR_FIRST;
	}
	return (at + align - 1) & ~(align - 1);
}

/* mmap at a free place of the zone. */
static long zone_map(uint64_t len, long prot, long flags, long fd, long off)
{
	flags = (flags & ~(long)(MAP_FIXED | MAP_32BIT)) | MAP_FIXED_NOREPLACE;
	for (int i = 0; i < MAX_TRIES; i++) {
		long at = (long)zone_take(len);
		long r = mana_sys(SYS_mmap, at, (long)len, prot, flags, fd, off);
		if (r != -EEXIST)
			return r;
	}
	return -ENOMEM;
}

static long place(const long *a)
{
	uint64_t at = (uint64_t)a[0];
	if (a[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) || a[1] <= 0)
		return mana_sys(SYS_mmap, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (mana_in_zone(at) && at + (uint64_t)a[1] <= MANA_ZONE_HI) { /* a hint that can be followed */
		long r = mana_sys(SYS_mmap, a[0] & ~(long)(PAGE - 1), a[1], a[2], a[3] | MAP_FIXED_NOREPLACE, a[4], a[5]);
		if (r != -EEXIST)
			return r;
	}
	return zone_map((uint64_t)a[1], a[2], a[3], a[4], a[5]);
}

static long do_mmap(const long *a)
{
	long at = place(a);
	if (mana_failed(at))
		return at;
	if (!(a[2] & PROT_EXEC) || a[3] & MAP_ANONYMOUS || (a[3] & MAP_TYPE) != MAP_PRIVATE)
		return at;
	long r = ours() ? mana_zone_code((uint64_t)at, (uint64_t)a[1], a[2], a[4], (uint64_t)a[5]) : -ENOEXEC;
	if (r < 0)
		mana_sys(SYS_munmap, at, a[1], 0, 0, 0, 0);
	return r < 0 ? r : at;
}

static long do_mremap(const long *a)
{
	long r = mana_sys(SYS_mremap, a[0], a[1], a[2], a[3] & ~(long)MREMAP_MAYMOVE, a[4], 0);
	if (!(a[3] & MREMAP_MAYMOVE) || a[3] & MREMAP_FIXED)
		return a[3] & MREMAP_FIXED ? mana_sys(SYS_mremap, a[0], a[1], a[2], a[3], a[4], 0) : r;
	if (r != -ENOMEM && r != -EINVAL) /* EINVAL: MREMAP_DONTUNMAP wants to move */
		return r;
	long to = zone_map((uint64_t)a[2], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to < 0)
		return to;
	r = mana_sys(SYS_mremap, a[0], a[1], a[2], a[3] | MREMAP_FIXED, to, 0);
	if (r < 0)
		mana_sys(SYS_munmap, to, a[2], 0, 0, 0, 0);
	return r;
}

static long do_shmat(const long *a)
{
	if (a[1])
		return mana_sys(SYS_shmat, a[0], a[1], a[2], 0, 0, 0);
	struct shmid_ds ds;
	long r = mana_sys(SYS_shmctl, a[0], IPC_STAT, (long)&ds, 0, 0, 0);
	if (r < 0)
		return r;
	long to = zone_map(ds.shm_segsz, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to < 0)
		return to;
	r = mana_sys(SYS_shmat, a[0], to, a[2] | SHM_REMAP, 0, 0, 0);
	if (r < 0)
		mana_sys(SYS_munmap, to, (long)ds.shm_segsz, 0, 0, 0, 0);
	return r;
}

/* The program's handlers stay: the lower half only sees what it set itself. */
static long do_sigaction(const long *a)
{
	if (a[0] < 1 || a[0] >= MANA_NSIG || a[3] != 8)
		return -EINVAL;
	struct mana_ksigaction *shadow = &lower_actions[a[0]];
	struct mana_ksigaction old = *shadow;
	if (a[1])
		*shadow = *(const struct mana_ksigaction *)a[1];
	if (a[2])
		*(struct mana_ksigaction *)a[2] = old;
	return 0;
}

/* The mask is set by the return from this handler; SIGSYS stays open. */
static long do_sigprocmask(const long *a, ucontext_t *uc)
{
	uint64_t *mask = (uint64_t *)&uc->uc_sigmask;
	uint64_t old = *mask;
	if (a[3] != 8)
		return -EINVAL;
	if (a[1]) {
		uint64_t set = *(const uint64_t *)a[1];
		switch (a[0]) {
		case SIG_BLOCK:
			*mask = old | set;
			break;
		case SIG_UNBLOCK:
			*mask = old & ~set;
			break;
		case SIG_SETMASK:
			*mask = set;
			break;
		default:
			return -EINVAL;
		}
		*mask &= ~MANA_SIGBIT(SIGSYS);
	}
	if (a[2])
		*(uint64_t *)a[2] = old;
	return 0;
}

static long do_close_range(const long *a)
{
	long r = mana_sys(SYS_close_range, a[0], a[1], a[2], 0, 0, 0);
	if (r == 0 && !(a[2] & 4)) /* CLOSE_RANGE_CLOEXEC closes nothing yet */
		for (uint64_t fd = (uint32_t)a[0]; fd <= (uint32_t)a[1] && fd < MANA_MAX_FDS; fd++)
			fd_forget((long)fd);
	return r;
}

/* Calls that make descriptors. */
static long do_fd_call(long nr, const long *a)
{
	long r = mana_sys(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r < 0)
		return r;
	const int *pair = 0;
	if (nr == SYS_pipe || nr == SYS_pipe2)
		pair = (const int *)a[0];
	else if (nr == SYS_socketpair)
		pair = (const int *)a[3];
	if (pair) {
		fd_record(pair[0]);
		fd_record(pair[1]);
	} else {
		fd_record(r);
	}
	return r;
}

static long emulate(long nr, const long *a, ucontext_t *uc)
{
	switch (nr) {
	case SYS_mmap:
		return do_mmap(a);
	case SYS_mremap:
		return do_mremap(a);
	case SYS_brk: /* one break per process, and it is the program's; malloc falls back to mmap */
		return 0;
	case SYS_shmat:
		return do_shmat(a);
	case SYS_arch_prctl: /* ARCH_SET_FS: the thread pointer, which is in gs here */
		return mana_set_lower_tp((uint64_t)a[1]);
	case SYS_clone:
		return mana_zone_clone(uc);
	case SYS_rt_sigaction:
		return do_sigaction(a);
	case SYS_rt_sigprocmask:
		return do_sigprocmask(a, uc);
	case SYS_close:
		fd_forget(a[0]);
		return mana_sys(SYS_close, a[0], 0, 0, 0, 0, 0);
	case SYS_close_range:
		return do_close_range(a);
	}
	return do_fd_call(nr, a);
}

static void on_sigsys(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *g = uc->uc_mcontext.gregs;
	if (si->si_code != 1 /* SYS_SECCOMP */ || !mana_in_zone((uint64_t)g[REG_RIP] - 2)) {
		mana_foreign_sigsys(sig, si, ctx);
		return;
	}
	const long a[6] = { g[REG_RDI], g[REG_RSI], g[REG_RDX], g[REG_R10], g[REG_R8], g[REG_R9] };
	g[REG_RAX] = emulate(si->si_syscall, a, uc);
}

HIDDEN_FN int mana_sigsys_install(void)
{
	mana_pid = mana_getpid();
	struct mana_ksigaction act = {
		.handler = (uint64_t)(uintptr_t)on_sigsys,
		.flags = SA_SIGINFO | SA_NODEFER | SA_RESTART | MANA_SA_RESTORER,
		.restorer = (uint64_t)(uintptr_t)mana_sigreturn,
	};
	return (int)mana_sys(SYS_rt_sigaction, SIGSYS, (long)&act, 0, 8, 0, 0);
}
