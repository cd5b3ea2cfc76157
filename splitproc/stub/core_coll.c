/* core_coll.c - what nonblocking and persistent collectives keep, and for how long. */
#include "core_objects.h"
#include "core_p2p.h"
#include "core_request.h"
#include "forward.h"

static void release(struct core_request *r)
{
	struct coll *a = r->aux;

	r->release = 0;
	if (r->start)
		core_lane_leave(r->comm);
	core_op_unref(a->op);
	for (int i = 0; i < 2; i++) {
		core_type_unref(a->scalar[i]);
		for (int k = 0; k < a->n[i]; k++)
			core_type_unref(a->types[i][k]);
		core_free(a->types[i]);
		core_free(a->scratch[i]);
	}
}

HIDDEN void *coll_attach(struct core_request *r, size_t size)
{
	struct coll *a = core_alloc(size);

	a->op = MPI_OP_NULL;
	r->aux = a;
	r->release = release;
	return a;
}

HIDDEN void coll_keep(struct coll *a, MPI_Datatype first, MPI_Datatype second, MPI_Op op)
{
	a->op = op;
	a->scalar[0] = first;
	a->scalar[1] = second;
	core_op_ref(op);
	core_type_ref(first);
	core_type_ref(second);
}

HIDDEN MPI_Datatype *coll_keep_types(struct coll *a, int which, const MPI_Datatype *types, int n)
{
	if (!types)
		return 0;
	a->types[which] = core_dup(types, (size_t)n * sizeof *types);
	a->n[which] = n;
	for (int i = 0; i < n; i++)
		core_type_ref(types[i]);
	return a->types[which];
}

HIDDEN MPI_Datatype *coll_lower_types(const MPI_Datatype *types, int n, MPI_Datatype *to)
{
	if (!types)
		return 0;
	if (!to)
		to = core_alloc((size_t)(n + 1) * sizeof *to);
	for (int i = 0; i < n; i++)
		to[i] = core_type_lower(types[i]);
	return to;
}

/* The library may have completed it at once. */
static void complete_null(struct core_request *r)
{
	const struct mana_status st = {.error = 0};

	if (r->lower == MPI_REQUEST_NULL)
		core_request_complete(r, &st);
}

HIDDEN int coll_posted(struct core_request *r, int rc, MPI_Request *request)
{
	if (unlikely(rc)) {
		if (r->release)
			r->release(r);
		core_request_drop(r);
		return rc;
	}
	complete_null(r);
	*request = core_request_handle(r);
	return MPI_SUCCESS;
}

HIDDEN void coll_persistent(struct core_request *r, int (*start)(struct core_request *r))
{
	r->state = REQ_INACTIVE;
	r->persistent = 1;
	r->start = start;
}

HIDDEN int coll_started(struct core_request *r, int rc)
{
	if (unlikely(rc))
		r->state = REQ_INACTIVE;
	else
		complete_null(r);
	return rc;
}
