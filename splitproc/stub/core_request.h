/* core_request.h - requests of operations that are not point-to-point.
 *
 * A nonblocking collective (or file operation) makes a REQ_COLL request, posts
 * the operation below and stores the native request in r->lower; completion,
 * freeing and the drain are done by core_request.c. References and copies of
 * argument arrays live until `release`.
 */
#ifndef MANA_CORE_REQUEST_H
#define MANA_CORE_REQUEST_H

#include "core.h"

/* A live request, ACTIVE (persistent: INACTIVE), holding a reference to c (NULL: none). */
HIDDEN struct core_request *core_request_new(int kind, struct core_comm *c);
/* Takes back one whose operation could not be started (release is not called). */
HIDDEN void core_request_drop(struct core_request *r);

static inline MPI_Request core_request_handle(const struct core_request *r)
{
	return (MPI_Request)(uintptr_t)r->vid;
}

#endif
