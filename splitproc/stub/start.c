/* start.c - the stub's constructor, and the way into a lower half.
 *
 * The constructor runs before the program: it publishes the functions that the
 * agent may call, takes the agent's variables out of the environment and
 * installs the SIGSYS handler. core_enter_lower asks the agent for a lower half
 * and starts it on this thread: ld.so and the adapter run on a stack of their
 * own until the adapter jumps to mana_entered, which goes on here.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core.h"
#include "core_objects.h"
#include "environ.h"
#include "stub.h"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif
#define CALL_STACK_SIZE (1UL << 20)

HIDDEN const struct mana_lower *core_lower;

/* Saved by mana_enter for mana_entered; one lower half is entered at a time. */
HIDDEN uint64_t mana_saved_sp;

HIDDEN void mana_enter(uint64_t entry, uint64_t sp);
HIDDEN void mana_entered(void);

/* mana_enter(entry, sp): keep what the ABI calls callee-saved, go to the entry
 * point of ld.so. mana_entered: the way back. */
__asm__(".text\n"
	".globl mana_enter\n .hidden mana_enter\n .type mana_enter, @function\n"
	"mana_enter:\n"
	"	push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
	"	sub $8, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	fnstcw 4(%rsp)\n"
	"	mov %rsp, mana_saved_sp(%rip)\n"
	"	mov %rdi, %r12\n"
	"	mov %rsi, %rsp\n"
	"	xor %edx, %edx\n xor %ebp, %ebp\n" /* rdx: no function for atexit */
	"	cld\n"
	"	jmp *%r12\n"
	".size mana_enter, .-mana_enter\n"
	".globl mana_entered\n .hidden mana_entered\n .type mana_entered, @function\n"
	"mana_entered:\n"
	"	mov mana_saved_sp(%rip), %rsp\n"
	"	ldmxcsr (%rsp)\n"
	"	fldcw 4(%rsp)\n"
	"	add $8, %rsp\n"
	"	pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
	"	cld\n"
	"	ret\n"
	".size mana_entered, .-mana_entered\n");

static void refuse(const char *why)
{
	size_t n = strlen(why);
	if (n >= sizeof mana_ctl->errmsg)
		n = sizeof mana_ctl->errmsg - 1;
	memcpy((void *)mana_ctl->errmsg, why, n);
	mana_ctl->errmsg[n] = 0;
}

/* ---- the control page ---- */

static int64_t on_drain(void);
static int64_t on_restart(void);
static uint64_t call_stack;
int mana_claimed;

static void publish(void)
{
	strncpy((char *)mana_ctl->prog_abi, core_front.abi, sizeof mana_ctl->prog_abi - 1);
	mana_ctl->call_stack = call_stack;
	mana_ctl->fn_drain = (uint64_t)(uintptr_t)on_drain;
	mana_ctl->fn_restart = (uint64_t)(uintptr_t)on_restart;
}

/* Nothing of the page's former owner is left. */
static void reset_control_page(void)
{
	mana_ctl->lock = 0;
	mana_ctl->nclocks = 0;
	memset((void *)mana_ctl->clocks, 0, sizeof mana_ctl->clocks);
	memset((void *)mana_ctl->threads, 0, mana_ctl->nthreads * sizeof mana_ctl->threads[0]);
	mana_ctl->nthreads = 0;
	mana_ctl->inited = MANA_NOT_INITED;
	mana_ctl->lower_table = 0;
}

/* Does another process that lives own the page? */
static int owned_by_another(void)
{
	uint32_t owner = mana_ctl->owner;
	return owner && owner != (uint32_t)mana_getpid() && mana_sys(SYS_kill, owner, 0, 0, 0, 0, 0) != -ESRCH;
}

/* Wrappers (a shell that goes on after the program, make, Python before it
 * loads MPI) hand the page to their children; who calls MPI first keeps it. */
HIDDEN_FN void mana_claim_page(void)
{
	uint32_t me = (uint32_t)mana_getpid();
	if (mana_ctl->magic != MANA_CTL_MAGIC || (mana_claimed && mana_ctl->owner == me && mana_pid == (int)me))
		return;
	for (uint32_t was = mana_ctl->owner; was != me;) {
		if (owned_by_another())
			core_die("process %u of the same rank uses MPI already", mana_ctl->owner);
		if (__atomic_compare_exchange_n(&mana_ctl->owner, &was, me, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			if (was)
				reset_control_page();
			break;
		}
	}
	mana_pid = (int)me;
	mana_claimed = 1;
	publish();
}

/* ---- the lower half ---- */

static struct mana_upper upper = {
	.op_call = core_op_call,
};

/* Starts the lower half that lower_entry and lower_sp describe. What its libc
 * registers with the kernel for this thread is put back afterwards. */
static int enter_prepared(void)
{
	volatile struct mana_thread *t = core_self_thread();
	int *clear_tid = 0;
	void *robust = 0;
	size_t robust_len = 0;
	uint64_t mask = mana_hold_signals();
	int have_tid = mana_sys(SYS_prctl, PR_GET_TID_ADDRESS, (long)&clear_tid, 0, 0, 0, 0) == 0;
	int have_robust = mana_sys(SYS_get_robust_list, 0, (long)&robust, (long)&robust_len, 0, 0, 0) == 0;

	mana_ctl->lower_table = 0;
	mana_set_lower_tp(0);
	mana_ctl->fn_entered = (uint64_t)(uintptr_t)mana_entered;
	mana_enter(mana_ctl->lower_entry, mana_ctl->lower_sp);

	if (have_tid)
		mana_sys(SYS_set_tid_address, (long)clear_tid, 0, 0, 0, 0, 0);
	if (have_robust)
		mana_sys(SYS_set_robust_list, (long)robust, (long)robust_len, 0, 0, 0, 0);
	mana_release_signals(mask);
	struct mana_lower *l = (struct mana_lower *)mana_ctl->lower_table;
	if (!l)
		return -ELIBACC;
	if (l->size != sizeof *l) {
		refuse("the lower half was built for another version of mana");
		return -ELIBBAD;
	}
	l->upper = &upper;
	core_lower = l;
	core_thread_is(t, l->main_tp);
	mana_ctl->main_tid = t->tid;
	return 0;
}

HIDDEN int core_enter_lower(void)
{
	if (mana_ctl->magic != MANA_CTL_MAGIC) {
		refuse("this program was not started by dmtcp_launch or mana_launch");
		return -ENOTSUP;
	}
	mana_claim_page();
	int rc = mana_sigsys_install();
	if (rc < 0) {
		refuse("cannot install the SIGSYS handler");
		return rc;
	}
	mana_ctl->rep = 0;
	mana_ctl->req_tid = (uint32_t)mana_gettid();
	__atomic_store_n(&mana_ctl->req, MANA_REQ_LOWER, __ATOMIC_SEQ_CST);
	mana_ring();
	while (mana_ctl->rep == 0)
		mana_futex_wait(&mana_ctl->rep, 0);
	if (mana_ctl->rep != 1)
		return -ENOEXEC;
	return enter_prepared();
}

/* ---- what the agent calls on the stopped main thread ---- */

static int64_t on_drain(void)
{
	int rc = core_drain_messages();
	return rc ? rc : core_files_note();
}

static int64_t on_restart(void)
{
	volatile struct mana_thread *self = core_self_thread();
	int provided = 0;
	mana_pid = mana_getpid();
	mana_ctl->owner = (uint32_t)mana_pid;
	self->tid = (uint32_t)mana_gettid();
	for (uint32_t i = 0; i < mana_ctl->nthreads; i++)
		mana_ctl->threads[i].lower_tp = 0;
	core_lower = 0;
	int rc = enter_prepared();
	if (rc == 0) {
		uint64_t mask = mana_hold_signals();
		rc = LOWER(self, core_lower->p.init(mana_ctl->thread_level, &provided));
		mana_release_signals(mask);
		if (rc)
			refuse("the MPI library could not be initialised");
	}
	if (rc == 0)
		rc = core_rebuild_objects();
	if (rc == 0)
		core_repost_receives();
	return rc > 0 ? -rc : rc;
}

/* ---- the constructor ---- */

/* The program was started by another one under the agent's care (exec.c). */
static int map_again(char **env)
{
	static const char name[] = MANA_EXEC_VARIABLE "=";
	const size_t n = sizeof name - 1;
	for (char **e = env; *e; e++) {
		if (strncmp(*e, name, n))
			continue;
		long fd = mana_sys(SYS_openat, AT_FDCWD, (long)(*e + n), O_RDWR | O_CLOEXEC, 0, 0, 0);
		if (fd < 0)
			return 0;
		long p = mana_sys(SYS_mmap, (long)MANA_CTL_ADDR, MANA_CTL_SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, fd, 0);
		mana_sys(SYS_close, fd, 0, 0, 0, 0, 0);
		return p > 0;
	}
	return 0;
}

/* Without an agent the stub's words must still be there to be read. */
static void have_control_page(char **env)
{
	unsigned char vec;
	if (mana_sys(SYS_mincore, (long)MANA_CTL_ADDR, 4096, (long)&vec, 0, 0, 0) != -ENOMEM)
		return;
	if (map_again(env)) {
		if (mana_ctl->owner == (uint32_t)mana_getpid()) /* as another program */
			reset_control_page();
	} else {
		mana_sys(SYS_mmap, (long)MANA_CTL_ADDR, MANA_CTL_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	}
}

static uint64_t make_call_stack(void)
{
	long p = mana_sys(SYS_mmap, 0, CALL_STACK_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	return p < 0 ? 0 : (uint64_t)p + CALL_STACK_SIZE;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **env)
{
	(void)argc, (void)argv;
	have_control_page(env);
	if (mana_ctl->magic != MANA_CTL_MAGIC)
		return;
	mana_restore_variable(env, "LD_PRELOAD");
	mana_restore_variable(env, MANA_EXEC_VARIABLE);
	call_stack = make_call_stack();
	if (!owned_by_another())
		publish();
	mana_sigsys_install();
}
