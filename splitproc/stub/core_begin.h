/* core_begin.h - MPI_Isend and MPI_Irecv, inlined into the front ends as far as
 * nothing unusual happens: a call in between would be a sixth of what mana
 * adds to the library's time.
 */
#ifndef MANA_CORE_BEGIN_H
#define MANA_CORE_BEGIN_H

#include "core_p2p.h"

/* To or from nobody, or of wrong arguments (c NULL: no communicator); a receive also while messages are drained. */
HIDDEN int core_isend_unusual(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst,
                              int tag, struct core_comm *c, MPI_Request *out) __attribute__((cold));
HIDDEN int core_irecv_unusual(volatile struct mana_thread *t, void *buf, MPI_Count n, MPI_Datatype type, int src, int tag,
                              struct core_comm *c, MPI_Request *out) __attribute__((cold));
/* The request of a send that goes on below as `lower`. */
HIDDEN MPI_Request core_isend_request(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
                                      struct core_comm *c, MPI_Request lower);

static inline __attribute__((always_inline)) int core_begin_Isend(const void *buf, MPI_Count n, MPI_Datatype type, int dst,
                                                                  int tag, MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	MPI_Request lower = 0;
	int rc;

	if (unlikely(!c || (unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(core_isend_unusual(self_, buf, n, type, dst, tag, c, out));
	rc = LOWER(self_, core_lower->p.isend(buf, n, core_type_lower(type), dst, tag, c->lower, &lower));
	if (unlikely(rc))
		LEAVE(rc);
	core_count_sent(c, dst, tag);
	*out = likely(!lower) ? core_request_handle(&core_over) : core_isend_request(buf, n, type, dst, tag, c, lower);
	LEAVE(MPI_SUCCESS);
}

static inline __attribute__((always_inline)) int core_begin_Irecv(void *buf, MPI_Count n, MPI_Datatype type, int src, int tag,
                                                                  MPI_Comm comm, MPI_Request *out)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);
	MPI_Request lower = 0;
	int rc;

	if (unlikely(!c || core_ndrained || !core_source_ok(c, src)))
		LEAVE(core_irecv_unusual(self_, buf, n, type, src, tag, c, out));
	rc = LOWER(self_, core_lower->p.irecv(buf, n, core_type_lower(type), src, tag, c->lower, &lower));
	if (unlikely(rc))
		LEAVE(rc);
	*out = core_request_handle(core_request_begun(REQ_RECV, buf, n, type, src, tag, c, lower));
	LEAVE(MPI_SUCCESS);
}

#endif
