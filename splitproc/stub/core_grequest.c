/* core_grequest.c - generalized requests: wholly in the upper half. Their
 * functions are the program's and run in state OUT, as its own code does. */
#include "core_p2p.h"

struct grequest {
	MPI_Grequest_query_function *query;
	MPI_Grequest_free_function *free;
	MPI_Grequest_cancel_function *cancel;
	void *extra;
};

/* A function of the program may call MPI itself; afterwards we go on as before. */
#define CALL(expr)                                                       \
	({                                                               \
		volatile struct mana_thread *self = core_self_thread();  \
		uint32_t state = self->state;                            \
		self->state = MANA_OUT;                                  \
		int crc = (expr);                                        \
		self->state = state;                                     \
		crc;                                                     \
	})

int core_Grequest_start(MPI_Grequest_query_function *query, MPI_Grequest_free_function *free,
                        MPI_Grequest_cancel_function *cancel, void *extra, MPI_Request *out)
{
	volatile struct mana_thread *self = core_self_thread();
	struct grequest *g;
	struct core_request *r;

	self->state = MANA_IN;
	g = core_alloc(sizeof(*g));
	*g = (struct grequest){query, free, cancel, extra};
	r = core_request_alloc(REQ_GENERALIZED);
	r->aux = g;
	*out = core_request_handle(r);
	self->state = MANA_OUT;
	return MPI_SUCCESS;
}

void *core_grequest_state(MPI_Request h)
{
	const struct core_request *r = core_request_of(h);
	const struct grequest *g = r && r->kind == REQ_GENERALIZED ? r->aux : 0;

	return g ? g->extra : 0;
}

int core_Grequest_complete(MPI_Request h)
{
	volatile struct mana_thread *self = core_self_thread();
	uint32_t state = self->state; /* a callback may call this inside another call */
	struct core_request *r = core_request_of(h);
	int rc = MPI_SUCCESS;

	if (!r || r->kind != REQ_GENERALIZED || r->state != REQ_ACTIVE)
		return MPI_ERR_REQUEST;
	self->state = MANA_IN;
	if (r->freed) {
		rc = core_grequest_free(r);
		core_request_recycle(r);
	} else {
		__atomic_store_n(&r->state, REQ_DONE, __ATOMIC_RELEASE);
	}
	self->state = state;
	return rc;
}

int core_grequest_query(struct core_request *r, MPI_Status *status)
{
	const struct grequest *g = r->aux;
	MPI_Status ignored, *st = status ? status : &ignored;

	core_status_empty(st);
	return CALL(g->query(g->extra, st));
}

int core_grequest_free(struct core_request *r)
{
	const struct grequest *g = r->aux;
	int rc = g->free ? CALL(g->free(g->extra)) : MPI_SUCCESS;

	core_free(r->aux);
	r->aux = 0;
	return rc;
}

int core_grequest_cancel(struct core_request *r)
{
	const struct grequest *g = r->aux;

	return CALL(g->cancel(g->extra, r->state == REQ_DONE));
}
