/* fake.h - a lower half in one process, for testing the core's objects.
 *
 * The process plays one rank of six. Collectives need no peers: what the
 * others would say is computed from the rank (color_of, key_of).
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_objects.h"

#define EQ(a, b)                                                                                         \
	do {                                                                                             \
		long a_ = (long)(a), b_ = (long)(b);                                                     \
		if (a_ != b_) {                                                                          \
			fprintf(stderr, "%s:%d: %s is %ld, want %ld\n", __FILE__, __LINE__, #a, a_, b_); \
			exit(1);                                                                         \
		}                                                                                        \
	} while (0)
#define OK(call) EQ(call, MPI_SUCCESS)
#define WORLD_SIZE 6

extern int (*color_of)(int rank), (*key_of)(int rank);
extern int native_comms, native_types, native_ops; /* that live in the lower half */
extern int types_made;
extern unsigned char peers_use[8]; /* 255: a peer still has a request on that lane */
void fake_init(int rank); /* MPI_Init as that rank */
void fake_restart(int native_rank); /* a new lower half, in which this process has another rank */

#endif
