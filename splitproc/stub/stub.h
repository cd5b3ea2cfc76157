/* stub.h - what start.c, sigsys.c and signals.c share; no MPI here. */
#ifndef MANA_STUB_H
#define MANA_STUB_H

#include <signal.h>
#include <stdint.h>

#include "control.h"
#include "sys.h"
#include "tp.h"

#define HIDDEN_FN __attribute__((visibility("hidden")))
#define EXPORT __attribute__((visibility("default")))

#define MANA_NSIG 65
#define MANA_SIGBIT(sig) (1UL << ((sig) - 1))

/* struct sigaction as the kernel has it (arch/x86/include/uapi/asm/signal.h). */
struct mana_ksigaction {
	uint64_t handler, flags, restorer, mask;
};
#define MANA_SA_RESTORER 0x04000000UL

/* rt_sigreturn, in the form by which debuggers and unwinders know a signal frame. */
HIDDEN_FN void mana_sigreturn(void);

/* Names the control page's file to the next program of an exec. */
#define MANA_EXEC_VARIABLE "MANA_CONTROL_PAGE"

extern int mana_pid HIDDEN_FN;

/* Makes this process the control page's owner, before it writes anything that
 * the agent acts upon; ends it if another process of the rank uses MPI. */
HIDDEN_FN void mana_claim_page(void);
extern int mana_claimed HIDDEN_FN; /* this program has done so, or its parent before a fork */

/* Installs the handler that confines the lower half to the zone; 0 or a negative errno. */
HIDDEN_FN int mana_sigsys_install(void);
/* A SIGSYS that is not the zone's: the program's own handler, or death. */
HIDDEN_FN void mana_foreign_sigsys(int sig, siginfo_t *si, void *ctx);

/* Changes code of a file, just mapped at `at`, to use gs for fs; 0 or a negative errno. */
HIDDEN_FN long mana_zone_code(uint64_t at, uint64_t len, long prot, long fd, uint64_t off);
/* Lets the caller whose context it is make a thread with a TLS of its own; what its rax is to be. */
HIDDEN_FN long mana_zone_clone(void *context);

#endif
