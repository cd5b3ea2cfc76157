/* core_inter.c - intercommunicators.
 *
 * The leaders tell each other who is in their groups by ordinary messages, so
 * that both sides know the union before anything below is collective over it:
 * a checkpoint may come between all steps.
 */
#include <string.h>

#include "core_objects.h"

struct side {
	int size, leader; /* leader: world rank */
	uint64_t seed;
};

/* Between the leaders, over the program's peer communicator. */
static int exchange(MPI_Comm peer, int remote_leader, int tag, const struct side *mine, const int *ranks,
                    struct side *theirs, int **remote)
{
	const int n = sizeof *mine;
	int rc = core_Sendrecv(mine, n, MPI_BYTE, remote_leader, tag, theirs, n, MPI_BYTE, remote_leader, tag, peer,
	                       MPI_STATUS_IGNORE);
	if (rc != MPI_SUCCESS)
		return rc;
	ENTER_LOCAL();
	*remote = core_alloc((size_t)theirs->size * sizeof(int));
	self_->state = state_;
	return core_Sendrecv(ranks, mine->size, MPI_INT, remote_leader, tag, *remote, theirs->size, MPI_INT, remote_leader,
	                     tag, peer, MPI_STATUS_IGNORE);
}

/* Every process of the local group learns about the remote one. */
static int tell(MPI_Comm local, int leader, int rc, struct side *theirs, int **remote)
{
	struct {
		struct side side;
		int rc;
	} head = {*theirs, rc};
	rc = core_Bcast(&head, sizeof head, MPI_BYTE, leader, local);
	if (rc != MPI_SUCCESS || head.rc != MPI_SUCCESS)
		return rc != MPI_SUCCESS ? rc : head.rc;
	*theirs = head.side;
	if (!*remote) {
		ENTER_LOCAL();
		*remote = core_alloc((size_t)theirs->size * sizeof(int));
		self_->state = state_;
	}
	return core_Bcast(*remote, theirs->size, MPI_INT, leader, local);
}

/* The same on both sides. */
static uint64_t inter_gid(uint64_t a, uint64_t b)
{
	uint64_t v[2] = {a < b ? a : b, a < b ? b : a};
	return core_hash(0, v, sizeof v);
}

static volatile struct mana_clock *union_clock(const struct core_comm *l, int n, const int *remote)
{
	ENTER_LOCAL();
	int *all = core_alloc(((size_t)l->size + (size_t)n) * sizeof(int));
	memcpy(all, l->world, (size_t)l->size * sizeof(int));
	memcpy(all + l->size, remote, (size_t)n * sizeof(int));
	volatile struct mana_clock *k = core_clock_group(l->size + n, all);
	core_free(all);
	self_->state = state_;
	return k;
}

/* Where the leaders meet; what other ranks know of it does not matter. */
struct meeting {
	MPI_Comm peer;
	int remote_leader, tag;
};

/* Takes `remote` over. */
static int make(struct core_comm *l, int leader, const struct meeting *m, uint64_t seed, const struct side *theirs, int *remote,
                struct core_comm **out)
{
	volatile struct mana_clock *k = union_clock(l, theirs->size, remote);
	ENTER_CLOCK(k);
	/* The program's own peer: MPICH tells those whom threads make at the same time apart by that, not by the tag. */
	struct core_comm *p = l->rank == leader ? core_comm_of(m->peer) : l;
	MPI_Comm local = l->lower, peer = p->lower, lower = MPI_COMM_NULL;
	uint64_t gid = inter_gid(seed, theirs->seed);
	int there = m->remote_leader, tag = m->tag;
	int rc = LOWER(self_, core_lower->f.Intercomm_create(local, leader, peer, there, tag, &lower));
	if (rc != MPI_SUCCESS) {
		core_free(remote);
		LEAVE(rc);
	}
	struct core_comm *c = core_comm_new(lower, l->size, core_dup(l->world, (size_t)l->size * sizeof(int)), gid);
	c->inter = 1;
	c->remote_size = theirs->size;
	c->remote_world = remote;
	core_errh_ref(l->errh);
	c->errh = l->errh;
	*out = c;
	LEAVE(MPI_SUCCESS);
}

int core_Intercomm_create(MPI_Comm local_comm, int local_leader, MPI_Comm peer_comm, int remote_leader, int tag,
                          MPI_Comm *newintercomm)
{
	struct core_comm *l = core_comm_of(local_comm), *c;
	struct side mine, theirs = {0, 0, 0};
	int *remote = 0, rc = MPI_SUCCESS;
	*newintercomm = MPI_COMM_NULL;
	if (!l || l->inter)
		return MPI_ERR_COMM;
	if (local_leader < 0 || local_leader >= l->size)
		return MPI_ERR_RANK;
	mine = (struct side){l->size, l->world[local_leader], core_gid_first(core_comm_child_gid(l), l->world[0])};
	if (l->rank == local_leader)
		rc = exchange(peer_comm, remote_leader, tag, &mine, l->world, &theirs, &remote);
	rc = tell(local_comm, local_leader, rc, &theirs, &remote);
	if (rc != MPI_SUCCESS)
		return rc;
	rc = make(l, local_leader, &(struct meeting){peer_comm, remote_leader, tag}, mine.seed, &theirs, remote, &c);
	if (rc == MPI_SUCCESS)
		*newintercomm = COMM_HANDLE(c);
	return rc;
}

int core_Intercomm_merge(MPI_Comm intercomm, int high, MPI_Comm *newintracomm)
{
	struct core_comm *p = core_comm_of(intercomm), *c = 0;
	MPI_Comm lower = MPI_COMM_NULL;
	if (!p || !p->inter)
		return MPI_ERR_COMM;
	ENTER_COLL(p);
	uint64_t seed = core_comm_child_gid(p);
	MPI_Comm from = p->lower;
	int rc = LOWER(self_, core_lower->f.Intercomm_merge(from, high, &lower));
	if (rc == MPI_SUCCESS)
		rc = core_comm_child(self_, p, lower, seed, &c);
	*newintracomm = c ? COMM_HANDLE(c) : MPI_COMM_NULL;
	LEAVE(rc);
}
