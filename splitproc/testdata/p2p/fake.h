/* fake.h - a lower half in one process, for testing the core of point-to-point.
 *
 * The process is rank 0 of three. Peers are the test's script: inject() puts a
 * message on its way, and each look into the "library" lets one arrive. A
 * native request is a pointer to struct native. Waiting when nothing is on its
 * way calls idle(), which must change something or end the test.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_p2p.h"

#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);     \
			exit(1);                                                       \
		}                                                                      \
	} while (0)
#define EQ(a, b)                                                                                          \
	do {                                                                                              \
		long a_ = (long)(a), b_ = (long)(b);                                                      \
		if (a_ != b_) {                                                                           \
			fprintf(stderr, "%s:%d: %s is %ld, want %ld\n", __FILE__, __LINE__, #a, a_, b_);  \
			exit(1);                                                                          \
		}                                                                                         \
	} while (0)

#define WORLD_SIZE 3
#define TYPE_GAP ((MPI_Datatype)0x7000L) /* lower handle: one int, extent of two */

extern struct core_comm dup_comm, inter_comm; /* inter_comm: remote group = world ranks 2, 1 */
extern struct core_type gap_type;
extern void (*idle)(void);      /* what to do when a wait would last for ever */
extern void (*at_gate)(void);   /* runs inside core_gate, once */
extern int hold_sends;          /* sends stay active until a drain */
extern int sends_below;         /* messages that have left this process */
extern int gates;
extern char peers_keep;         /* peers have not received what they are asked about */

/* What the last drain asked of a peer: which acknowledgement it owes, and the message. */
struct asked {
	char ack[16];
	uint64_t gid;
	int source, tag;
	uint32_t after;
	int waits;
};
extern struct asked asked;
extern int nasked;

void fake_init(void);
void inject(struct core_comm *c, int source, int tag, const void *data, int bytes);
void interrupt(void);           /* a checkpoint is announced: ctl->intr changes */
void restart(void);             /* drops everything native and rebuilds */
int natives_active(void);

#define DUP ((MPI_Comm)(uintptr_t)dup_comm.vid)
#define INTER ((MPI_Comm)(uintptr_t)inter_comm.vid)
#define GAP ((MPI_Datatype)(uintptr_t)gap_type.vid)

#endif
