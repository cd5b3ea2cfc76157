/* core_graph.c - graph topologies, and what all topologies have in common. */
#include <string.h>

#include "core_objects.h"

static int *dup_ints(const int *p, int n)
{
	return n && p ? core_dup(p, (size_t)n * sizeof(int)) : 0;
}

struct core_topo *core_topo_copy(const struct core_topo *t)
{
	if (!t)
		return 0;
	struct core_topo *c = core_dup(t, sizeof *t);
	c->dims = dup_ints(t->dims, t->ndims);
	c->periods = dup_ints(t->periods, t->ndims);
	c->coords = dup_ints(t->coords, t->ndims);
	c->index = dup_ints(t->index, t->nnodes);
	c->edges = dup_ints(t->edges, t->nedges);
	c->sources = dup_ints(t->sources, t->indegree);
	c->destinations = dup_ints(t->destinations, t->outdegree);
	c->sourceweights = dup_ints(t->sourceweights, t->indegree);
	c->destweights = dup_ints(t->destweights, t->outdegree);
	return c;
}

void core_topo_drop(struct core_topo *t)
{
	if (!t)
		return;
	core_free(t->dims);
	core_free(t->periods);
	core_free(t->coords);
	core_free(t->index);
	core_free(t->edges);
	core_free(t->sources);
	core_free(t->destinations);
	core_free(t->sourceweights);
	core_free(t->destweights);
	core_free(t);
}

/* An empty weighted list is no NULL pointer to the library. */
static const int *weights(const struct core_topo *t, const int *w, int n)
{
	return !t->weighted ? MPI_UNWEIGHTED : n ? w : MPI_WEIGHTS_EMPTY;
}

int core_topo_build(volatile struct mana_thread *t, const struct core_topo *o, MPI_Comm *lower)
{
	MPI_Comm base = *lower, out = MPI_COMM_NULL;
	int rc = MPI_ERR_INTERN;
	const int *sw = weights(o, o->sourceweights, o->indegree), *dw = weights(o, o->destweights, o->outdegree);
	if (o->kind == MPI_CART)
		rc = LOWER(t, core_lower->f.Cart_create(base, o->ndims, o->dims, o->periods, 0, &out));
	else if (o->kind == MPI_GRAPH)
		rc = LOWER(t, core_lower->f.Graph_create(base, o->nnodes, o->index, o->edges, 0, &out));
	else if (o->kind == MPI_DIST_GRAPH)
		rc = LOWER(t, core_lower->f.Dist_graph_create_adjacent(base, o->indegree, o->sources, sw, o->outdegree,
		                                                       o->destinations, dw, MPI_INFO_NULL, 0, &out));
	if (rc != MPI_SUCCESS)
		return rc;
	*lower = out;
	return LOWER(t, core_lower->f.Comm_free(&base));
}

int core_Topo_test(MPI_Comm comm, int *status)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	*status = c->topo ? c->topo->kind : MPI_UNDEFINED;
	return MPI_SUCCESS;
}

static struct core_topo *topo_of(MPI_Comm comm, int kind, int *rc)
{
	struct core_comm *c = core_comm_of(comm);
	*rc = !c ? MPI_ERR_COMM : !c->topo || c->topo->kind != kind ? MPI_ERR_TOPOLOGY : MPI_SUCCESS;
	return *rc == MPI_SUCCESS ? c->topo : 0;
}

/* ---- MPI_Graph_create and its queries ---- */

int core_Graph_create(MPI_Comm comm_old, int nnodes, const int indx[], const int edges[], int reorder,
                      MPI_Comm *comm_graph)
{
	struct core_comm *p = core_comm_of(comm_old), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	(void)reorder;
	if (!p || p->inter)
		return MPI_ERR_COMM;
	if (nnodes < 0 || nnodes > p->size)
		return MPI_ERR_ARG;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Graph_create(from, nnodes, indx, edges, 0, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c) {
		struct core_topo *t = core_alloc(sizeof *t);
		t->kind = MPI_GRAPH;
		t->nnodes = nnodes;
		t->nedges = indx[nnodes - 1];
		t->index = dup_ints(indx, nnodes);
		t->edges = dup_ints(edges, t->nedges);
		c->topo = t;
	}
	*comm_graph = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}

int core_Graph_map(MPI_Comm comm, int nnodes, const int indx[], const int edges[], int *newrank)
{
	struct core_comm *c = core_comm_of(comm);
	(void)indx;
	(void)edges;
	if (!c || c->inter)
		return MPI_ERR_COMM;
	if (nnodes < 0 || nnodes > c->size)
		return MPI_ERR_ARG;
	*newrank = c->rank < nnodes ? c->rank : MPI_UNDEFINED;
	return MPI_SUCCESS;
}

int core_Graphdims_get(MPI_Comm comm, int *nnodes, int *nedges)
{
	int rc;
	struct core_topo *t = topo_of(comm, MPI_GRAPH, &rc);
	if (!t)
		return rc;
	*nnodes = t->nnodes;
	*nedges = t->nedges;
	return MPI_SUCCESS;
}

static void copy_some(int *to, const int *from, int n, int max)
{
	for (int i = 0; i < n && i < max; i++)
		to[i] = from[i];
}

int core_Graph_get(MPI_Comm comm, int maxindex, int maxedges, int indx[], int edges[])
{
	int rc;
	struct core_topo *t = topo_of(comm, MPI_GRAPH, &rc);
	if (!t)
		return rc;
	copy_some(indx, t->index, t->nnodes, maxindex);
	copy_some(edges, t->edges, t->nedges, maxedges);
	return MPI_SUCCESS;
}

int core_Graph_neighbors_count(MPI_Comm comm, int rank, int *nneighbors)
{
	int rc;
	struct core_topo *t = topo_of(comm, MPI_GRAPH, &rc);
	if (!t)
		return rc;
	if (rank < 0 || rank >= t->nnodes)
		return MPI_ERR_RANK;
	*nneighbors = t->index[rank] - (rank ? t->index[rank - 1] : 0);
	return MPI_SUCCESS;
}

int core_Graph_neighbors(MPI_Comm comm, int rank, int maxneighbors, int neighbors[])
{
	int n, rc = core_Graph_neighbors_count(comm, rank, &n);
	if (rc != MPI_SUCCESS)
		return rc;
	struct core_topo *t = topo_of(comm, MPI_GRAPH, &rc);
	copy_some(neighbors, t->edges + (rank ? t->index[rank - 1] : 0), n, maxneighbors);
	return MPI_SUCCESS;
}

/* ---- distributed graphs: each rank knows its own neighbours ---- */

static struct core_topo *dist_new(int indegree, const int *sources, const int *sw, int outdegree,
                                  const int *destinations, const int *dw, int weighted)
{
	struct core_topo *t = core_alloc(sizeof *t);
	t->kind = MPI_DIST_GRAPH;
	t->indegree = indegree;
	t->outdegree = outdegree;
	t->weighted = weighted;
	t->sources = dup_ints(sources, indegree);
	t->destinations = dup_ints(destinations, outdegree);
	if (weighted) {
		t->sourceweights = dup_ints(sw, indegree);
		t->destweights = dup_ints(dw, outdegree);
	}
	return t;
}

int core_Dist_graph_create_adjacent(MPI_Comm comm_old, int indegree, const int sources[], const int sourceweights[],
                                    int outdegree, const int destinations[], const int destweights[], MPI_Info info,
                                    int reorder, MPI_Comm *comm_dist_graph)
{
	struct core_comm *p = core_comm_of(comm_old), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	(void)info;
	(void)reorder;
	if (!p || p->inter)
		return MPI_ERR_COMM;
	if (indegree < 0 || outdegree < 0)
		return MPI_ERR_ARG;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Dist_graph_create_adjacent(from, indegree, sources, sourceweights, outdegree,
	                                                               destinations, destweights, MPI_INFO_NULL, 0,
	                                                               &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c)
		c->topo = dist_new(indegree, sources, sourceweights, outdegree, destinations, destweights,
		                   sourceweights != MPI_UNWEIGHTED && destweights != MPI_UNWEIGHTED);
	*comm_dist_graph = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}

/* The neighbours that the library has found out by communication. */
static int dist_ask(volatile struct mana_thread *t, MPI_Comm lower, struct core_topo **out)
{
	int in, on, weighted;
	int rc = LOWER(t, core_lower->f.Dist_graph_neighbors_count(lower, &in, &on, &weighted));
	if (rc != MPI_SUCCESS)
		return rc;
	int *s = core_alloc(2 * ((size_t)in + on + 2) * sizeof(int)), *sw = s + in + 1, *d = sw + in + 1, *dw = d + on + 1;
	int *asw = weighted ? sw : MPI_UNWEIGHTED, *adw = weighted ? dw : MPI_UNWEIGHTED;
	rc = LOWER(t, core_lower->f.Dist_graph_neighbors(lower, in, s, asw, on, d, adw));
	if (rc == MPI_SUCCESS)
		*out = dist_new(in, s, sw, on, d, dw, weighted);
	core_free(s);
	return rc;
}

int core_Dist_graph_create(MPI_Comm comm_old, int n, const int sources[], const int degrees[], const int destinations[],
                           const int weights[], MPI_Info info, int reorder, MPI_Comm *comm_dist_graph)
{
	struct core_comm *p = core_comm_of(comm_old), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	(void)info;
	(void)reorder;
	if (!p || p->inter)
		return MPI_ERR_COMM;
	if (n < 0)
		return MPI_ERR_ARG;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Dist_graph_create(from, n, sources, degrees, destinations, weights,
	                                                      MPI_INFO_NULL, 0, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	if (c)
		rc = dist_ask(self_, lower, &c->topo);
	*comm_dist_graph = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}

int core_Dist_graph_neighbors_count(MPI_Comm comm, int *indegree, int *outdegree, int *weighted)
{
	int rc;
	struct core_topo *t = topo_of(comm, MPI_DIST_GRAPH, &rc);
	if (!t)
		return rc;
	*indegree = t->indegree;
	*outdegree = t->outdegree;
	*weighted = t->weighted;
	return MPI_SUCCESS;
}

static int wanted(const int *weights)
{
	return weights && weights != MPI_UNWEIGHTED && weights != MPI_WEIGHTS_EMPTY;
}

int core_Dist_graph_neighbors(MPI_Comm comm, int maxindegree, int sources[], int sourceweights[], int maxoutdegree,
                              int destinations[], int destweights[])
{
	int rc;
	struct core_topo *t = topo_of(comm, MPI_DIST_GRAPH, &rc);
	if (!t)
		return rc;
	copy_some(sources, t->sources, t->indegree, maxindegree);
	copy_some(destinations, t->destinations, t->outdegree, maxoutdegree);
	if (t->weighted && wanted(sourceweights))
		copy_some(sourceweights, t->sourceweights, t->indegree, maxindegree);
	if (t->weighted && wanted(destweights))
		copy_some(destweights, t->destweights, t->outdegree, maxoutdegree);
	return MPI_SUCCESS;
}
