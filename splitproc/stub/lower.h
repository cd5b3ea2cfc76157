/* lower.h - what the adapter (lower half) offers to the stub (upper half).
 *
 * All types and constants are those of the MPI-5 standard ABI (mpi_std.h,
 * generated). A *lower handle* is either a predefined handle of the standard
 * ABI (< 0x1000) or the native handle of the real library widened to pointer
 * size (always >= 0x1000): the adapter needs no table for user objects.
 * Lower handles die with the lower half; the stub's objects hold them in
 * their `lower` field and get new ones at a restart.
 * Every function returns an error class of the standard ABI (0 = success).
 */
#ifndef MANA_LOWER_H
#define MANA_LOWER_H

#include "control.h"
#include "mpi_std.h"

/* A completed operation, as far as the upper half needs to know. */
struct mana_status {
	int source, tag, error, cancelled;
	int64_t bytes;
};

enum mana_wait_mode { MANA_WAIT_ALL, MANA_WAIT_ANY, MANA_WAIT_SOME };

#define MANA_OVER_MAX 128

/* Not an MPI error class: the wait saw ctl->intr change; the requests live on. */
#define MANA_INTERRUPTED (-1)

/* Primitives written by hand in adapter. `seq` is the value of
 * ctl->intr that the caller has acted upon: when it changes, waits return
 * MANA_INTERRUPTED with the request(s) still active. */
struct mana_prims {
	/* MPI_Init_thread; sets error handlers of world and self to return, fills in the table's tag_ub and world. */
	int (*init)(int required, int *provided);
	/* MPI_Isend and MPI_Irecv. A send that the library has completed at once: *req = 0. */
	int (*isend)(const void *buf, MPI_Count n, MPI_Datatype t, int dst, int tag, MPI_Comm c, MPI_Request *req);
	int (*irecv)(void *buf, MPI_Count n, MPI_Datatype t, int src, int tag, MPI_Comm c, MPI_Request *req);
	/* The same + test loop. *req = 0 when complete, else the native request that goes on. */
	int (*send)(const void *buf, MPI_Count n, MPI_Datatype t, int dst, int tag, MPI_Comm c, uint32_t seq,
	            MPI_Request *req);
	int (*recv)(void *buf, MPI_Count n, MPI_Datatype t, int src, int tag, MPI_Comm c, uint32_t seq,
	            MPI_Request *req, struct mana_status *st);
	/* Wait for n native requests (0 entries are inactive). ALL: all, which[] stays as it is; ANY: one,
	 * its index in *which (-1: none active); SOME: at least one, *ndone indices in which[]. Completed entries
	 * of reqs become 0, their status goes to st[i] at the same index (st may be NULL). */
	int (*wait)(int n, MPI_Request reqs[], int mode, uint32_t seq, int *ndone, int which[],
	            struct mana_status st[]);
	/* Same without waiting; *ndone: how many it has completed, 0 when nothing (ALL: not everything) is complete. */
	int (*test)(int n, MPI_Request reqs[], int mode, int *ndone, int which[], struct mana_status st[]);
	/* Are all n <= MANA_OVER_MAX sends and receives over, of whose statuses nobody wants to know? Waits unless seq is
	 * NULL. Returns 0, MANA_INTERRUPTED (seq NULL: not all are, and nothing has changed), or the class of a failure;
	 * unless it is 0, what is over is 0 in reqs[], and one of that has failed if there was a failure. */
	int (*over)(int n, MPI_Request reqs[], const uint32_t *seq);
	int (*probe)(int src, int tag, MPI_Comm c, uint32_t seq, struct mana_status *st); /* iprobe loop */
	int (*iprobe)(int src, int tag, MPI_Comm c, int *flag, struct mana_status *st);
	int (*improbe)(int src, int tag, MPI_Comm c, int *flag, MPI_Message *m, struct mana_status *st);
	int (*mprobe)(int src, int tag, MPI_Comm c, uint32_t seq, MPI_Message *m, struct mana_status *st);
	int (*mrecv)(void *buf, MPI_Count n, MPI_Datatype t, MPI_Message *m, struct mana_status *st);
	/* World ranks of a native communicator's local (remote=0) or remote group, relative to `world`. */
	int (*members)(MPI_Comm c, int remote, MPI_Comm world, int n, int ranks[]);
	/* Communicator over `n` ranks of `from`, collective over those only (MPI_Comm_create_group). */
	int (*comm_from_ranks)(MPI_Comm from, int n, const int ranks[], int tag, MPI_Comm *out);
	/* MPI_Comm_create over the members of c's local group at the given positions. */
	int (*comm_create)(MPI_Comm c, int n, const int positions[], MPI_Comm *out);
	/* Number of basic elements in `bytes` received bytes of type t (MPI_Get_elements), MPI_UNDEFINED if none. */
	int (*elements)(MPI_Datatype t, int64_t bytes, MPI_Count *n);
	/* User op number `slot`: the adapter calls ctl-independent `call(slot, in, inout, n, type)` in the upper
	 * half for each reduction step. */
	int (*op_create)(int slot, int commute, MPI_Op *out);
	/* Thread pointer of a donor thread, for a program thread that has none of its own. */
	int (*donor)(uint64_t *lower_tp);
	void (*donor_free)(uint64_t lower_tp);
};

#define MANA_PREDEFINED 1024 /* predefined handles of the standard ABI are less */

/* The library itself, for calls that cannot afford the adapter in between. Handles are its own, widened to 64 bits (the
 * psABI ignores the upper half of an int argument; *req must be 0 before); predefined ones are value[standard handle].
 * Ranks and tags are >= 0. What is returned is the library's code: error() makes a class of it. */
struct mana_direct {
	int (*isend)(const void *buf, int n, uint64_t type, int dst, int tag, uint64_t comm, uint64_t *req);
	int (*irecv)(void *buf, int n, uint64_t type, int src, int tag, uint64_t comm, uint64_t *req);
	int (*error)(int rc);
	/* r & over_mask == over: r stands for all sends that the library has completed at once; nobody need free it. */
	uint64_t over_mask, over;
	uint64_t value[MANA_PREDEFINED];
};

#define MANA_OP_SLOTS 256 /* user ops that may live at the same time */

/* What the stub offers to the adapter. */
struct mana_upper {
	void (*op_call)(int slot, void *in, void *inout, int64_t n, MPI_Datatype lower_type);
};

#include "lower_table.h" /* generated: struct mana_lower_gen, one member per forwarded MPI function */

struct mana_lower {
	uint64_t size; /* sizeof(struct mana_lower): both sides were built together */
	struct mana_prims p;
	struct mana_lower_gen f;
	int lib_version, lib_subversion;
	int tag_ub;
	int own_windows; /* a window of memory that the library allocates itself is faster */
	MPI_Comm world, self; /* native handles */
	uint64_t main_tp; /* thread pointer of the adapter's main thread */
	struct mana_upper *upper; /* set by the stub after entry */
	struct mana_direct direct;
};

#endif
