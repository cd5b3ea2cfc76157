/* signals.c - the program's signal handlers and mask.
 *
 * A handler belongs to the program, so it needs the program's TLS, which the
 * lower half's own threads have not: sigaction and its relatives install a
 * trampoline, in which these pass signals on to a thread of the program. SIGSYS
 * is neither blocked nor replaced, because the lower half lives by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "stub.h"

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);

typedef void handler_fn(int, siginfo_t *, void *);

/* What the program asked for. Handlers of both kinds are called with three
 * arguments; one that takes fewer does not see the rest. */
static struct {
	handler_fn *volatile handler;
	volatile int siginfo; /* SA_SIGINFO or 0 */
} program[MANA_NSIG];

static struct sigaction program_sigsys;
static sigset_t interrupting; /* siginterrupt(sig, 1) */

__asm__(".text\n"
	".globl mana_sigreturn\n"
	".hidden mana_sigreturn\n"
	".type mana_sigreturn, @function\n"
	"mana_sigreturn:\n"
	"	mov $15, %rax\n" /* SYS_rt_sigreturn */
	"	syscall\n"
	".size mana_sigreturn, .-mana_sigreturn\n");

static int is_fault(int sig, const siginfo_t *si)
{
	return si->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP);
}

static void die_of(int sig)
{
	struct mana_ksigaction dfl = { 0 };
	uint64_t set = MANA_SIGBIT(sig);
	mana_sys(SYS_rt_sigaction, sig, (long)&dfl, 0, 8, 0, 0);
	mana_sys(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, 8, 0, 0);
	mana_sys(SYS_tgkill, mana_getpid(), mana_gettid(), sig, 0, 0, 0);
}

static void trampoline(int sig, siginfo_t *si, void *ctx)
{
	if (!mana_in_zone(mana_tp())) /* the kernel has set the fs of the lower half's threads */
		program[sig].handler(sig, si, ctx);
	else if (is_fault(sig, si)) /* a crash of the lower half's own: as without a handler */
		die_of(sig);
	else
		mana_sys(SYS_rt_tgsigqueueinfo, mana_getpid(), mana_ctl->main_tid, sig, (long)si, 0, 0);
}

HIDDEN_FN void mana_foreign_sigsys(int sig, siginfo_t *si, void *ctx)
{
	if (program_sigsys.sa_handler == SIG_IGN)
		return;
	if (program_sigsys.sa_handler == SIG_DFL)
		die_of(sig);
	else
		program_sigsys.sa_sigaction(sig, si, ctx);
}

static int has_handler(const struct sigaction *a)
{
	return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;
}

static int set_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction mine, was;
	handler_fn *before = 0;
	int before_siginfo = 0;
	if (sig == SIGSYS) {
		was = program_sigsys;
		if (act)
			program_sigsys = *act;
		if (old)
			*old = was;
		return 0;
	}
	if (sig > 0 && sig < MANA_NSIG) {
		before = program[sig].handler;
		before_siginfo = program[sig].siginfo;
	}
	if (act) {
		mine = *act;
		sigdelset(&mine.sa_mask, SIGSYS);
		if (sig > 0 && sig < MANA_NSIG && has_handler(act)) {
			program[sig].siginfo = act->sa_flags & SA_SIGINFO;
			program[sig].handler = act->sa_sigaction;
			mine.sa_sigaction = trampoline;
			mine.sa_flags |= SA_SIGINFO;
		}
	}
	int rc = __sigaction(sig, act ? &mine : 0, &was);
	if (rc != 0) {
		if (sig > 0 && sig < MANA_NSIG) {
			program[sig].handler = before;
			program[sig].siginfo = before_siginfo;
		}
		return rc;
	}
	if (old) {
		if (was.sa_sigaction == trampoline) {
			was.sa_sigaction = before;
			was.sa_flags = (was.sa_flags & ~SA_SIGINFO) | before_siginfo;
		}
		*old = was;
	}
	return 0;
}

EXPORT int sigaction(int sig, const struct sigaction *restrict act, struct sigaction *restrict old)
{
	return set_action(sig, act, old);
}

static sighandler_t set_simple(int sig, sighandler_t fn, int flags, int mask_it)
{
	struct sigaction act = { .sa_flags = flags }, old;
	act.sa_handler = fn;
	sigemptyset(&act.sa_mask);
	if (fn == SIG_ERR || sig < 1 || sig >= MANA_NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (mask_it)
		sigaddset(&act.sa_mask, sig);
	return set_action(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

EXPORT sighandler_t signal(int sig, sighandler_t fn)
{
	int restart = sig > 0 && sig < MANA_NSIG && sigismember(&interrupting, sig) ? 0 : SA_RESTART;
	return set_simple(sig, fn, restart, 1);
}
EXPORT sighandler_t bsd_signal(int sig, sighandler_t fn)
{
	return signal(sig, fn);
}
EXPORT sighandler_t ssignal(int sig, sighandler_t fn)
{
	return signal(sig, fn);
}

EXPORT sighandler_t __sysv_signal(int sig, sighandler_t fn)
{
	return set_simple(sig, fn, (int)(SA_RESETHAND | SA_NODEFER), 0);
}
EXPORT sighandler_t sysv_signal(int sig, sighandler_t fn)
{
	return __sysv_signal(sig, fn);
}

EXPORT int siginterrupt(int sig, int interrupt)
{
	struct sigaction act;
	if (set_action(sig, 0, &act) < 0)
		return -1;
	if (interrupt) {
		sigaddset(&interrupting, sig);
		act.sa_flags &= ~SA_RESTART;
	} else {
		sigdelset(&interrupting, sig);
		act.sa_flags |= SA_RESTART;
	}
	return set_action(sig, &act, 0);
}

/* glibc keeps its two internal real-time signals open as well (nptl/internal-signals.h). */
#define ALWAYS_OPEN (MANA_SIGBIT(SIGSYS) | MANA_SIGBIT(32) | MANA_SIGBIT(33))

static int set_mask(int how, const sigset_t *set, sigset_t *old)
{
	uint64_t bits = 0, was = 0;
	if (set)
		bits = *(const uint64_t *)set & (how == SIG_UNBLOCK ? ~0UL : ~ALWAYS_OPEN);
	int rc = (int)mana_sys(SYS_rt_sigprocmask, how, set ? (long)&bits : 0, (long)&was, 8, 0, 0);
	if (rc == 0 && old) {
		memset(old, 0, sizeof *old);
		*(uint64_t *)old = was;
	}
	return -rc;
}

EXPORT int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	return set_mask(how, set, old);
}

EXPORT int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
	int err = set_mask(how, set, old);
	if (err) {
		errno = err;
		return -1;
	}
	return 0;
}

uint64_t mana_hold_signals(void);
void mana_release_signals(uint64_t mask);

HIDDEN_FN uint64_t mana_hold_signals(void)
{
	uint64_t handled = 0, old = 0;
	for (int sig = 1; sig < MANA_NSIG; sig++) {
		struct mana_ksigaction a = { 0 };
		if (mana_sys(SYS_rt_sigaction, sig, 0, (long)&a, 8, 0, 0) == 0 && a.handler > 1)
			handled |= MANA_SIGBIT(sig);
	}
	handled &= ~(ALWAYS_OPEN | MANA_SIGBIT(SIGSEGV) | MANA_SIGBIT(SIGBUS) | MANA_SIGBIT(SIGILL) | MANA_SIGBIT(SIGFPE));
	mana_sys(SYS_rt_sigprocmask, SIG_BLOCK, (long)&handled, (long)&old, 8, 0, 0);
	return old;
}

HIDDEN_FN void mana_release_signals(uint64_t mask)
{
	mask &= ~MANA_SIGBIT(SIGSYS);
	mana_sys(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
}
