/* core_idup.c - nonblocking duplication of communicators.
 *
 * The duplicate has its members, its clock and its handle at once; what it is
 * below is known when the request is complete. A drain completes it like any
 * other nonblocking collective, so a restart finds it whole.
 */
#include "core_objects.h"
#include "core_request.h"
#include "forward.h"

/* A nonblocking duplication: its communicator has a lower half when it is over. */
struct idup {
	struct core_comm *c;
	MPI_Comm lower;
};

static void idup_done(struct core_request *r)
{
	struct idup *d = r->aux;
	r->release = 0;
	d->c->lower = d->lower;
}

/* The duplicate of p as far as the core is concerned. */
static struct core_comm *twin(struct core_comm *p, uint64_t seed, const struct core_info *hints)
{
	int first = p->inter && p->remote_world[0] < p->world[0] ? p->remote_world[0] : p->world[0];
	struct core_comm *c = core_comm_new(0, p->size, core_dup(p->world, (size_t)p->size * sizeof(int)),
	                                    core_gid_first(seed, first));
	c->inter = p->inter;
	c->remote_size = p->remote_size;
	c->remote_world = core_dup(p->remote_world, (size_t)p->remote_size * sizeof(int));
	core_errh_ref(p->errh);
	c->errh = p->errh;
	c->topo = core_topo_copy(p->topo);
	c->info = core_info_copy(hints);
	return c;
}

static int idup_lower(struct core_comm *p, const struct core_info *hints, struct core_comm **out, MPI_Request *request)
{
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	struct core_request *r = core_request_new(REQ_COLL, p);
	struct idup *d = r->aux = core_alloc(sizeof *d);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Comm_idup(from, &d->lower, &r->lower));
	if (rc == MPI_SUCCESS) {
		*out = d->c = twin(p, seed, hints);
		r->release = idup_done;
	}
	LEAVE(coll_posted(r, rc, request));
}

static int idup(MPI_Comm comm, const struct core_info *info, MPI_Comm *newcomm, MPI_Request *request)
{
	struct core_comm *p = core_comm_of(comm), *c = 0;
	struct core_attr *attrs = 0;
	*newcomm = MPI_COMM_NULL;
	if (!p)
		return MPI_ERR_COMM;
	int rc = core_attrs_copy(KEYVAL_COMM, VID(comm), p->attrs, &attrs);
	if (rc == MPI_SUCCESS)
		rc = idup_lower(p, info, &c, request);
	if (rc != MPI_SUCCESS) {
		core_attrs_delete(KEYVAL_COMM, VID(comm), &attrs);
		return rc;
	}
	c->attrs = attrs;
	*newcomm = COMM_HANDLE(c);
	return rc;
}

int core_Comm_idup(MPI_Comm comm, MPI_Comm *newcomm, MPI_Request *request)
{
	return idup(comm, 0, newcomm, request);
}

int core_Comm_idup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *newcomm, MPI_Request *request)
{
	return idup(comm, core_info_of(info), newcomm, request);
}
