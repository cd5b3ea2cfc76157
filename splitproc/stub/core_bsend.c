/* core_bsend.c - buffered sends and the attached buffer.
 *
 * The attached buffer is only accounted for: the message itself goes into
 * upper-half memory of our own and on as a nonblocking send, so nothing of the
 * real library ever lies in the program's buffer.
 */
#include <limits.h>

#include "core_p2p.h"

struct core_buffer {
	void *addr;
	MPI_Count size;
	int64_t used;
	int attached;
};
static struct core_buffer process_buffer;

/* The buffer that sends on c are charged to (MPI-4.1, 3.6.1). */
static struct core_buffer *buffer_of(const struct core_comm *c)
{
	return c->buffer && c->buffer->attached ? c->buffer : &process_buffer;
}

/* MPI_BSEND_OVERHEAD as the program was compiled with it. */
static int64_t overhead(void)
{
	switch (core_front.abi[0]) {
	case 'm':
		return 96; /* mpich */
	case 'o':
		return 128; /* ompi */
	default:
		return MPI_BSEND_OVERHEAD;
	}
}

static int automatic(const struct core_buffer *b)
{
	return b->addr == MPI_BUFFER_AUTOMATIC;
}

/* MPI_BOTTOM seen from here: the type's addresses, moved down by as much. */
#define ABOVE_BOTTOM 64

static int pack_bottom(volatile struct mana_thread *t, MPI_Count n, MPI_Datatype lt, void *out, MPI_Count size, MPI_Count *position,
                       MPI_Comm comm)
{
	int count = (int)n;
	MPI_Aint down = -ABOVE_BOTTOM;
	MPI_Datatype moved;
	int rc = LOWER(t, core_lower->f.Type_create_hindexed(1, &count, &down, lt, &moved));
	if (rc)
		return rc;
	rc = LOWER(t, core_lower->f.Type_commit(&moved));
	if (!rc)
		rc = LOWER(t, core_lower->f.Pack((void *)ABOVE_BOTTOM, 1, moved, out, size, position, comm));
	LOWER(t, core_lower->f.Type_free(&moved));
	return rc;
}

/* MPICH refuses to pack from MPI_BOTTOM, a null pointer (4.0.2: "Null pointer in parameter inbuf"). */
int core_pack(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype lt, void *out, MPI_Count size,
              MPI_Count *position, MPI_Comm comm)
{
	if (buf == MPI_BOTTOM && n > 0 && n <= INT_MAX && size > 0)
		return pack_bottom(t, n, lt, out, size, position, comm);
	return LOWER(t, core_lower->f.Pack(buf, n, lt, out, size, position, comm));
}

int core_pack_copy(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type,
                   struct core_comm *c, void **out, MPI_Count *bytes)
{
	MPI_Count size = 0, position = 0;
	MPI_Datatype lt = core_type_lower(type);
	void *copy;
	int rc;

	if (n < 0)
		return MPI_ERR_COUNT;
	rc = LOWER(t, core_lower->f.Pack_size(n, lt, c->lower, &size));
	if (rc)
		return rc;
	copy = core_alloc(size ? size : 1);
	rc = core_pack(t, buf, n, lt, copy, size, &position, c->lower);
	if (rc) {
		core_free(copy);
		return rc;
	}
	*out = copy;
	*bytes = position;
	return MPI_SUCCESS;
}

int core_send_packed(volatile struct mana_thread *t, void *data, MPI_Count bytes, MPI_Count charge, int dst, int tag,
                     struct core_comm *c)
{
	static const struct mana_status ok;
	struct core_request *r = core_request_p2p(REQ_BSEND, data, charge, MPI_BYTE, dst, tag, c);
	MPI_Request lower = 0;
	int rc;

	r->aux = data;
	r->buffer = charge ? buffer_of(c) : 0;
	rc = LOWER(t, core_lower->p.isend(data, bytes, MPI_PACKED, dst, tag, c->lower, &lower));
	if (rc) {
		core_bsend_done(r);
		core_request_drop(r);
		return rc;
	}
	core_count_sent(c, dst, tag);
	r->lower = lower;
	if (lower) {
		core_orphan_add(r);
		return MPI_SUCCESS;
	}
	core_request_complete(r, &ok);
	core_request_recycle(r);
	return MPI_SUCCESS;
}

/* Called when a buffered send has left: its share of the buffer is free again. */
void core_bsend_done(struct core_request *r)
{
	if (r->buffer)
		__atomic_fetch_sub(&r->buffer->used, r->count, __ATOMIC_RELAXED);
}

static int take_room(struct core_buffer *b, int64_t charge)
{
	int64_t used = __atomic_load_n(&b->used, __ATOMIC_RELAXED);

	do {
		if (used + charge > b->size && !automatic(b))
			return 0;
	} while (!__atomic_compare_exchange_n(&b->used, &used, used + charge, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return 1;
}

/* Without room, what has left makes some; sends that another thread is testing may have. */
static int make_room(volatile struct mana_thread *t, struct core_buffer *b, int64_t charge)
{
	int elsewhere = 1;

	while (!take_room(b, charge)) {
		if (!elsewhere)
			return 0;
		elsewhere = core_orphans_elsewhere();
		core_orphans_reap(t);
	}
	return 1;
}

int core_bsend(volatile struct mana_thread *t, const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag,
               struct core_comm *c)
{
	static uint32_t calls;
	MPI_Count bytes, charge;
	void *data;
	int rc = core_pack_copy(t, buf, n, type, c, &data, &bytes);

	if (rc)
		return rc;
	charge = bytes + overhead();
	if (++calls % 16 == 0)
		core_orphans_reap(t);
	if (!make_room(t, buffer_of(c), charge)) {
		core_free(data);
		return MPI_ERR_BUFFER;
	}
	return core_send_packed(t, data, bytes, charge, dst, tag, c);
}

int core_Bsend(const void *buf, MPI_Count n, MPI_Datatype type, int dst, int tag, MPI_Comm comm)
{
	ENTER();
	struct core_comm *c = core_comm_of(comm);

	if (unlikely(!c))
		LEAVE(MPI_ERR_COMM);
	if (unlikely((unsigned)dst >= (unsigned)core_npeers(c)))
		LEAVE(dst == MPI_PROC_NULL ? core_noproc(self_, REQ_SEND, buf, n, type, tag, c) : MPI_ERR_RANK);
	LEAVE(core_bsend(self_, buf, n, type, dst, tag, c));
}

/* ---- attach, flush, detach: of the process or of a communicator ---- */

static int attach(struct core_buffer *b, void *addr, MPI_Count size)
{
	if (b->attached)
		return MPI_ERR_BUFFER;
	if (size < 0)
		return MPI_ERR_ARG;
	b->addr = addr;
	b->size = size;
	b->attached = 1;
	return MPI_SUCCESS;
}

/* Waits until none of its sends is on its way. */
static int flush(struct core_buffer *b)
{
	ENTER_WAIT();
	while (__atomic_load_n(&b->used, __ATOMIC_RELAXED) > 0) {
		self_->state = MANA_WAIT;
		core_orphans_reap(self_);
		self_->state = MANA_IN;
		if (unlikely(mana_ctl->intr != seq_))
			seq_ = core_gate(self_);
	}
	LEAVE(MPI_SUCCESS);
}

/* Nothing of ours lies in the buffer, so it is flushed at once. */
static int iflush(MPI_Request *out)
{
	ENTER();
	struct core_request *r = core_request_alloc(REQ_SEND);

	r->st = (struct mana_status){.source = MPI_ANY_SOURCE, .tag = MPI_ANY_TAG};
	r->state = REQ_DONE;
	*out = core_request_handle(r);
	LEAVE(MPI_SUCCESS);
}

static int detach(struct core_buffer *b, void *addr, MPI_Count *size)
{
	if (!b->attached) {
		*(void **)addr = 0;
		*size = 0;
		return MPI_SUCCESS;
	}
	flush(b);
	*(void **)addr = b->addr;
	*size = automatic(b) ? 0 : b->size;
	b->attached = 0;
	b->addr = 0;
	b->size = 0;
	return MPI_SUCCESS;
}

int core_Buffer_attach(void *addr, MPI_Count size)
{
	return attach(&process_buffer, addr, size);
}

int core_Buffer_flush(void)
{
	return flush(&process_buffer);
}

int core_Buffer_iflush(MPI_Request *out)
{
	return iflush(out);
}

int core_Buffer_detach(void *addr, MPI_Count *size)
{
	return detach(&process_buffer, addr, size);
}

int core_Comm_attach_buffer(MPI_Comm comm, void *addr, MPI_Count size)
{
	struct core_comm *c = core_comm_of(comm);

	if (!c)
		return MPI_ERR_COMM;
	if (!c->buffer) {
		ENTER();
		c->buffer = core_alloc(sizeof(*c->buffer));
		self_->state = MANA_OUT;
	}
	return attach(c->buffer, addr, size);
}

int core_Comm_flush_buffer(MPI_Comm comm)
{
	struct core_comm *c = core_comm_of(comm);

	if (!c)
		return MPI_ERR_COMM;
	return c->buffer ? flush(c->buffer) : MPI_SUCCESS;
}

int core_Comm_iflush_buffer(MPI_Comm comm, MPI_Request *out)
{
	return core_comm_of(comm) ? iflush(out) : MPI_ERR_COMM;
}

int core_Comm_detach_buffer(MPI_Comm comm, void *addr, MPI_Count *size)
{
	static struct core_buffer none;
	struct core_comm *c = core_comm_of(comm);

	if (!c)
		return MPI_ERR_COMM;
	return detach(c->buffer ? c->buffer : &none, addr, size);
}
