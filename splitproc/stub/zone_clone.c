/* zone_clone.c - threads that the lower half makes.
 *
 * clone(2) sets the new thread's fs base; the lower half's code looks for its
 * TLS at gs. So the handler of the trapped call does not make it, but sends the
 * caller to mana_clone, which does, and gives the child its gs first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ucontext.h>

#include "stub.h"

#define RED_ZONE 128 /* below the stack pointer, the caller's (System V ABI for x86-64, 3.2.2) */

HIDDEN_FN void mana_clone(void);

/* Entered with the registers of the trapped call. The parent finds the way
 * back on its stack; the child, above the top of its own: what it must not
 * clobber lies from there on. 158 is arch_prctl, 0x1001 ARCH_SET_GS. */
__asm__(".text\n"
	".globl mana_clone\n .hidden mana_clone\n .type mana_clone, @function\n"
	"mana_clone:\n"
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jz 1f\n"
	"	ret $128\n"
	"1:	sub $8, %rsp\n"
	"	push %rdi\n push %rsi\n"
	"	mov $158, %eax\n mov $0x1001, %edi\n mov %r8, %rsi\n syscall\n"
	"	pop %rsi\n pop %rdi\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size mana_clone, .-mana_clone\n");

HIDDEN_FN long mana_zone_clone(void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t *child = (uint64_t *)g[REG_RSI];
	if (!child)
		return -EINVAL;
	child[-1] = (uint64_t)g[REG_RIP];
	g[REG_RSP] -= RED_ZONE + 8;
	*(uint64_t *)g[REG_RSP] = (uint64_t)g[REG_RIP];
	g[REG_RIP] = (greg_t)(uintptr_t)mana_clone;
	return SYS_clone; /* in rax, where mana_clone wants it */
}
