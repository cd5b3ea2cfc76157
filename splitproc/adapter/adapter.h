/* adapter.h - what the parts of the lower half's program share. */
#ifndef MANA_ADAPTER_H
#define MANA_ADAPTER_H

/* r & OVER_MASK == OVER: r is the one request that the library gives for every send which it completes at once. Nothing
 * counts its users, so it need not be freed. */
#if defined(MANA_LIB_MPICH)
#include "gen/native_mpich.h"
/* A built-in object, by the two highest bits (src/include/mpir_request.h, 3.4 to 5.0; older ones have none). */
#define OVER_MASK 0xc0000000u
#define OVER 0x40000000u
#define OWN_WINDOWS 0 /* measured with 4.0.2: its operations take as long on memory of its own as on any other */
#elif defined(MANA_LIB_OMPI)
#include "gen/native_ompi.h"
extern native_Request adapter_over; /* ompi_request_empty; NULL: this library has none */
#define OVER_MASK UINT64_MAX
#define OVER ((uintptr_t)adapter_over)
#define OWN_WINDOWS 1 /* osc/sm: loads and stores, where osc/rdma takes 50 times as long */
#else
#error "define MANA_LIB_MPICH or MANA_LIB_OMPI"
#endif

#include "../stub/tp.h"

static inline int native_over(native_Request r)
{
	return ((uintptr_t)r & OVER_MASK) == OVER;
}

/* The thread of the program that uses this thread's TLS; the stub sets it. */
extern __thread volatile struct mana_thread *adapter_self;

extern struct mana_lower adapter_table;

/* prim.c */
extern const struct mana_prims adapter_prims; /* but for init */
void adapter_direct(struct mana_direct *d);

/* many.c */
int adapter_wait(int n, MPI_Request reqs[], int mode, uint32_t seq, int *ndone, int which[], struct mana_status st[]);
int adapter_test(int n, MPI_Request reqs[], int mode, int *ndone, int which[], struct mana_status st[]);
int adapter_over_all(int n, MPI_Request reqs[], const uint32_t *seq);

/* comm.c */
int adapter_members(MPI_Comm comm, int remote, MPI_Comm world, int n, int ranks[]);
int adapter_comm_from_ranks(MPI_Comm from, int n, const int ranks[], int tag, MPI_Comm *out);
int adapter_comm_create(MPI_Comm c, int n, const int positions[], MPI_Comm *out);
int adapter_elements(MPI_Datatype type, int64_t bytes, MPI_Count *n);

/* op.c */
int adapter_op_create(int slot, int commute, MPI_Op *out);

/* donor.c: called by threads that have no TLS here yet, so they use raw system calls only. */
int adapter_donor(uint64_t *lower_tp);
void adapter_donor_free(uint64_t lower_tp);
int adapter_donor_start(void); /* starts the thread that makes donors */

#endif
