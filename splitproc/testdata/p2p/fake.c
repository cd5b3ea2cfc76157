#define _GNU_SOURCE
#include <sys/auxv.h>
#include <sys/mman.h>

#include "core_objects.h"
#include "fake.h"

/* ---- what the other parts of the core provide ---- */

struct core_comm core_world, core_self, dup_comm, inter_comm;
struct core_type gap_type;
MPI_Comm core_private;
struct core_predefined core_predefined[CORE_PREDEFINED]; /* core_type.c */
const struct mana_lower *core_lower;
uint64_t *core_sent, *core_received;
const struct core_front core_front = {.abi = "std"};
__thread volatile struct mana_thread *core_thread_slot __attribute__((tls_model("initial-exec")));

void (*idle)(void), (*at_gate)(void);
int hold_sends, sends_below, gates, nasked;
char peers_keep;
struct asked asked;

volatile struct mana_thread *core_thread_new(void)
{
	abort();
}

/* No windows here. */
int core_win_save(void)
{
	return 0;
}
int core_win_drain(volatile struct mana_thread *t)
{
	(void)t;
	return 0;
}

uint32_t core_gate(volatile struct mana_thread *t)
{
	void (*f)(void) = at_gate;

	gates++;
	at_gate = 0;
	EQ(core_p2p_spin, 0);
	if (f)
		f();
	t->state = MANA_IN;
	return mana_ctl->intr;
}

MPI_Datatype core_type_build(struct core_type *t)
{
	return t->lower = TYPE_GAP;
}

MPI_Count core_type_size(MPI_Datatype h)
{
	return h == MPI_BYTE || h == MPI_PACKED ? 1 : 4;
}

void core_type_ref(MPI_Datatype h)
{
	if (h == GAP)
		gap_type.refs++;
}

void core_type_unref(MPI_Datatype h)
{
	if (h == GAP)
		gap_type.refs--;
}

void core_comm_unref(struct core_comm *c)
{
	c->refs--;
}

/* ---- the library ---- */

struct message {
	struct message *next;
	MPI_Comm comm;
	int source, tag, bytes;
	char data[];
};

struct native {
	struct native *next; /* posted receives, or held sends */
	int recv, done;
	void *buf;
	MPI_Count n;
	MPI_Datatype type;
	int source, tag;
	MPI_Comm comm;
	struct mana_status st;
};

static struct message *flight, *unexpected;
static struct native *posted, *held;
static uint64_t peer_sent[WORLD_SIZE];
static int generation, active;

static void append(struct message **list, struct message *m)
{
	while (*list)
		list = &(*list)->next;
	m->next = 0;
	*list = m;
}

static int fits(int source, int tag, MPI_Comm comm, const struct message *m)
{
	return comm == m->comm && (source == MPI_ANY_SOURCE || source == m->source) &&
	       (tag == MPI_ANY_TAG || tag == m->tag);
}

/* Copies bytes into a typed buffer; what does not fit is an error. */
static void fill(struct native *r, const struct message *m)
{
	int room = r->n * (r->type == MPI_BYTE || r->type == MPI_PACKED ? 1 : 4);
	int n = m->bytes < room ? m->bytes : room;

	r->st = (struct mana_status){.source = m->source, .tag = m->tag, .bytes = n,
	                             .error = m->bytes > room ? MPI_ERR_TRUNCATE : 0};
	if (r->type == TYPE_GAP)
		for (int i = 0; i < n; i++)
			((char *)r->buf)[i / 4 * 8 + i % 4] = m->data[i];
	else
		memcpy(r->buf, m->data, n);
	r->done = 1;
}

static void arrive(struct message *m)
{
	for (struct native **p = &posted; *p; p = &(*p)->next) {
		struct native *r = *p;

		if (!fits(r->source, r->tag, r->comm, m))
			continue;
		*p = r->next;
		fill(r, m);
		free(m);
		return;
	}
	append(&unexpected, m);
}

/* One message arrives. Returns whether anything was on its way. */
static int progress(void)
{
	struct message *m = flight;

	if (!m)
		return 0;
	flight = m->next;
	arrive(m);
	return 1;
}

static struct message *find(int source, int tag, MPI_Comm comm, int take)
{
	for (struct message **p = &unexpected; *p; p = &(*p)->next) {
		struct message *m = *p;

		if (!fits(source, tag, comm, m))
			continue;
		if (take)
			*p = m->next;
		return m;
	}
	return 0;
}

static struct message *message(MPI_Comm comm, int source, int tag, const void *data, int bytes)
{
	struct message *m = malloc(sizeof(*m) + bytes);

	m->comm = comm;
	m->source = source;
	m->tag = tag;
	m->bytes = bytes;
	memcpy(m->data, data, bytes);
	return m;
}

void inject(struct core_comm *c, int source, int tag, const void *data, int bytes)
{
	peer_sent[(c->inter ? c->remote_world : c->world)[source]]++;
	append(&flight, message(c->lower, source, tag, data, bytes));
}

void interrupt(void)
{
	mana_ctl->intr++;
}

int natives_active(void)
{
	return active;
}

/* A native request, tied to this life of the library by its tag bits. */
static struct native *native_of(MPI_Request q)
{
	struct native *r = (struct native *)q;

	EQ(r->done < 2, 1); /* not freed */
	return r;
}

static struct native *native_new(int recv)
{
	struct native *r = calloc(1, sizeof(*r));

	r->recv = recv;
	active++;
	return r;
}

/* Freed requests stay allocated, marked, so that a stale handle is noticed. */
static void native_end(struct native *r)
{
	r->done = 2;
	active--;
}

static void none(void *p)
{
	(void)p;
}

static int p_irecv(void *buf, MPI_Count n, MPI_Datatype t, int src, int tag, MPI_Comm c, MPI_Request *q)
{
	struct native *r;
	struct message *m;

	if (n < 0)
		return MPI_ERR_COUNT;
	r = native_new(1);
	r->buf = buf;
	r->n = n;
	r->type = t;
	r->source = src;
	r->tag = tag;
	r->comm = c;
	*q = (MPI_Request)r;
	m = find(src, tag, c, 1);
	if (m) {
		fill(r, m);
		free(m);
		return 0;
	}
	struct native **p = &posted;
	while (*p)
		p = &(*p)->next;
	*p = r;
	return 0;
}

static int f_Issend(const void *buf, MPI_Count n, MPI_Datatype t, int dst, int tag, MPI_Comm c, MPI_Request *q)
{
	struct native *r;
	int bytes = n * (t == MPI_BYTE || t == MPI_PACKED ? 1 : 4);

	if (n < 0)
		return MPI_ERR_COUNT;
	if (tag < 0)
		return MPI_ERR_TAG;
	r = native_new(0);
	r->done = 1;
	*q = (MPI_Request)r;
	if (dst == 0 && !(c == inter_comm.lower)) { /* to itself */
		append(&flight, message(c, 0, tag, buf, bytes));
		return 0;
	}
	sends_below++;
	if (hold_sends) {
		r->done = 0;
		r->next = held;
		held = r;
	}
	return 0;
}

static int reap(MPI_Request *q, struct mana_status *st)
{
	struct native *r;

	if (!*q)
		return 1;
	r = native_of(*q);
	if (!r->done)
		return 0;
	if (st)
		*st = r->st;
	native_end(r);
	*q = 0;
	return 1;
}

static int p_test(int n, MPI_Request q[], int mode, int *ndone, int which[], struct mana_status st[])
{
	int rc = 0;

	progress();
	*ndone = 0;
	if (mode == MANA_WAIT_ALL)
		for (int i = 0; i < n; i++)
			if (q[i] && !native_of(q[i])->done)
				return 0;
	for (int i = 0; i < n; i++) {
		struct mana_status one, *s = st ? &st[i] : &one;

		if (!q[i] || !reap(&q[i], s))
			continue;
		if (mode != MANA_WAIT_ALL)
			which[*ndone] = i;
		++*ndone;
		if (s->error)
			rc = n == 1 || mode == MANA_WAIT_ANY ? s->error : MPI_ERR_IN_STATUS;
		if (mode == MANA_WAIT_ANY)
			break;
	}
	return rc;
}

/* The loop of every waiting primitive: returns MANA_INTERRUPTED, or 0 to look again. */
static int wait_step(uint32_t seq)
{
	if (mana_ctl->intr != seq)
		return MANA_INTERRUPTED;
	if (progress())
		return 0;
	if (!idle) {
		fprintf(stderr, "a wait without end\n");
		exit(1);
	}
	idle();
	return 0;
}

static int any_active(int n, MPI_Request q[])
{
	for (int i = 0; i < n; i++)
		if (q[i])
			return 1;
	return 0;
}

static int p_wait(int n, MPI_Request q[], int mode, uint32_t seq, int *ndone, int which[], struct mana_status st[])
{
	if (!any_active(n, q))
		return 0;
	for (;;) {
		int rc = p_test(n, q, mode, ndone, which, st);

		if (rc || *ndone)
			return rc;
		if (wait_step(seq))
			return MANA_INTERRUPTED;
	}
}

static int p_over(int n, MPI_Request q[], const uint32_t *seq)
{
	for (;;) {
		int left = 0, rc = 0;

		progress();
		for (int i = 0; i < n; i++)
			left += !native_of(q[i])->done;
		for (int i = 0; i < n && (!left || (seq && mana_ctl->intr != *seq)); i++) {
			struct mana_status st;

			if (reap(&q[i], &st) && st.error)
				rc = MPI_ERR_IN_STATUS;
		}
		if (rc || !left)
			return rc;
		if (!seq || wait_step(*seq))
			return MANA_INTERRUPTED;
	}
}

/* What the library says of arguments when the peer is MPI_PROC_NULL. */
static int nobody(MPI_Count n, MPI_Datatype t, int tag, int receives)
{
	if (n < 0)
		return MPI_ERR_COUNT;
	if (t == MPI_DATATYPE_NULL)
		return MPI_ERR_TYPE;
	return tag < 0 && !(receives && tag == MPI_ANY_TAG) ? MPI_ERR_TAG : 0;
}

/* What is not held is over at once. */
static int p_isend(const void *buf, MPI_Count n, MPI_Datatype t, int dst, int tag, MPI_Comm c, MPI_Request *q)
{
	int rc = f_Issend(buf, n, t, dst, tag, c, q);

	if (!rc)
		reap(q, 0);
	return rc;
}

static int p_send(const void *buf, MPI_Count n, MPI_Datatype t, int dst, int tag, MPI_Comm c, uint32_t seq,
                  MPI_Request *q)
{
	int ndone, which, rc;

	if (dst == MPI_PROC_NULL)
		return nobody(n, t, tag, 0);
	rc = p_isend(buf, n, t, dst, tag, c, q);
	return rc ? rc : p_wait(1, q, MANA_WAIT_ALL, seq, &ndone, &which, 0);
}

static int p_recv(void *buf, MPI_Count n, MPI_Datatype t, int src, int tag, MPI_Comm c, uint32_t seq, MPI_Request *q,
                  struct mana_status *st)
{
	int ndone, which, rc;

	if (src == MPI_PROC_NULL)
		return nobody(n, t, tag, 1);
	rc = p_irecv(buf, n, t, src, tag, c, q);
	return rc ? rc : p_wait(1, q, MANA_WAIT_ALL, seq, &ndone, &which, st);
}

static int p_iprobe(int src, int tag, MPI_Comm c, int *flag, struct mana_status *st)
{
	struct message *m;

	progress();
	m = find(src, tag, c, 0);
	*flag = m != 0;
	if (m)
		*st = (struct mana_status){.source = m->source, .tag = m->tag, .bytes = m->bytes};
	return 0;
}

static int p_probe(int src, int tag, MPI_Comm c, uint32_t seq, struct mana_status *st)
{
	int flag;

	while (p_iprobe(src, tag, c, &flag, st), !flag)
		if (wait_step(seq))
			return MANA_INTERRUPTED;
	return 0;
}

static int p_improbe(int src, int tag, MPI_Comm c, int *flag, MPI_Message *msg, struct mana_status *st)
{
	p_iprobe(src, tag, c, flag, st);
	if (*flag)
		*msg = (MPI_Message)find(src, tag, c, 1);
	return 0;
}

static int p_mprobe(int src, int tag, MPI_Comm c, uint32_t seq, MPI_Message *msg, struct mana_status *st)
{
	int rc = p_probe(src, tag, c, seq, st);

	if (!rc)
		*msg = (MPI_Message)find(src, tag, c, 1);
	return rc;
}

static int f_Imrecv(void *buf, MPI_Count n, MPI_Datatype t, MPI_Message *msg, MPI_Request *q)
{
	struct native *r = native_new(1);

	r->buf = buf;
	r->n = n;
	r->type = t;
	fill(r, (struct message *)*msg);
	*q = (MPI_Request)r;
	*msg = 0;
	return 0;
}

static int p_mrecv(void *buf, MPI_Count n, MPI_Datatype t, MPI_Message *msg, struct mana_status *st)
{
	MPI_Request q;

	f_Imrecv(buf, n, t, msg, &q);
	reap(&q, st);
	return st->error;
}

static int p_elements(MPI_Datatype t, int64_t bytes, MPI_Count *n)
{
	int size = t == MPI_BYTE ? 1 : 4;

	*n = bytes % size ? MPI_UNDEFINED : bytes / size;
	return 0;
}

static int f_Cancel(MPI_Request *q)
{
	struct native *r = native_of(*q);

	for (struct native **p = &posted; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			r->done = r->st.cancelled = 1;
			break;
		}
	return 0;
}

static int f_Request_free(MPI_Request *q)
{
	native_end(native_of(*q));
	*q = 0;
	return 0;
}

static int f_Pack_size(MPI_Count n, MPI_Datatype t, MPI_Comm c, MPI_Count *size)
{
	none(c);
	*size = n * (t == MPI_BYTE || t == MPI_PACKED ? 1 : 4);
	return 0;
}

static int f_Pack(const void *in, MPI_Count n, MPI_Datatype t, void *out, MPI_Count room, MPI_Count *at, MPI_Comm c)
{
	MPI_Count size;

	f_Pack_size(n, t, c, &size);
	EQ(size <= room, 1);
	if (t == TYPE_GAP)
		for (int i = 0; i < size; i++)
			((char *)out)[i] = ((const char *)in)[i / 4 * 8 + i % 4];
	else
		memcpy(out, in, size);
	*at += size;
	return 0;
}

/* The peers say what they have sent; from now on they take in what is sent to them. */
static int f_Alltoall(const void *s, MPI_Count sn, MPI_Datatype st, void *r, MPI_Count rn, MPI_Datatype rt, MPI_Comm c)
{
	none(c), none(rt);
	EQ(sn, 1);
	EQ(rn, 1);
	if (st == MPI_INT) { /* how many questions: the peers have none */
		memset(r, 0, WORLD_SIZE * sizeof(int));
		*(int *)r = *(const int *)s;
		return 0;
	}
	peer_sent[0] = ((const uint64_t *)s)[0];
	memcpy(r, peer_sent, sizeof(peer_sent));
	for (; held; held = held->next)
		held->done = 1;
	return 0;
}

/* Questions, then answers: this rank's own go round, the peers' answers are the test's. */
static int f_Alltoallv(const void *s, const int sn[], const int sat[], MPI_Datatype st, void *r, const int rn[],
                       const int rat[], MPI_Datatype rt, MPI_Comm c)
{
	none(c), none(st), none(rt);
	EQ(sn[0], rn[0]);
	memcpy((char *)r + rat[0], (const char *)s + sat[0], sn[0]);
	for (int i = 1; i < WORLD_SIZE; i++) {
		if (sn[i]) {
			nasked += sn[i] / sizeof(asked);
			memcpy(&asked, (const char *)s + sat[i], sizeof(asked));
		}
		for (int k = 0; k < rn[i]; k += sizeof(asked))
			((struct asked *)((char *)r + rat[i] + k))->waits = peers_keep;
	}
	return 0;
}

static int f_Allreduce(const void *s, void *r, MPI_Count n, MPI_Datatype t, MPI_Op op, MPI_Comm c)
{
	none(c), none(t), none(op);
	memcpy(r, s, n * sizeof(int));
	return 0;
}

/* Handles of this library are lower handles. */
static int d_isend(const void *buf, int n, uint64_t type, int dst, int tag, uint64_t comm, uint64_t *q)
{
	return p_isend(buf, n, (MPI_Datatype)type, dst, tag, (MPI_Comm)comm, (MPI_Request *)q);
}

static int d_irecv(void *buf, int n, uint64_t type, int src, int tag, uint64_t comm, uint64_t *q)
{
	return p_irecv(buf, n, (MPI_Datatype)type, src, tag, (MPI_Comm)comm, (MPI_Request *)q);
}

static int d_error(int rc)
{
	return rc;
}

static struct mana_lower lower = {
	.direct = {.isend = d_isend, .irecv = d_irecv, .error = d_error, .over_mask = UINT64_MAX},
	.p = {.isend = p_isend, .send = p_send, .irecv = p_irecv, .recv = p_recv, .wait = p_wait, .test = p_test, .over = p_over, .probe = p_probe, .iprobe = p_iprobe,
	      .improbe = p_improbe, .mprobe = p_mprobe, .mrecv = p_mrecv, .elements = p_elements},
	.f = {.Issend = f_Issend, .Imrecv = f_Imrecv, .Cancel = f_Cancel,
	      .Request_free = f_Request_free, .Pack = f_Pack, .Pack_size = f_Pack_size, .Alltoall = f_Alltoall,
	      .Alltoallv = f_Alltoallv, .Allreduce = f_Allreduce},
};

/* ---- start and restart ---- */

/* Each life of the library has handles of its own. */
static void new_lower(void)
{
	long base = 0x10000 + 0x1000 * ++generation;

	core_world.lower = (MPI_Comm)base;
	core_self.lower = (MPI_Comm)(base + 1);
	dup_comm.lower = (MPI_Comm)(base + 2);
	inter_comm.lower = (MPI_Comm)(base + 3);
	core_private = core_parts.lower = (MPI_Comm)(base + 4);
	gap_type.lower = 0;
}

void restart(void)
{
	EQ((long)flight, 0);
	EQ((long)unexpected, 0);
	for (struct native *r = posted; r; r = r->next)
		native_end(r); /* whoever uses it again is caught */
	posted = 0;
	new_lower();
	core_repost_receives();
}

static void comm_init(struct core_comm *c, int size, int *world, MPI_Comm predefined)
{
	c->refs = 1;
	c->size = size;
	c->world = world;
	c->vid = predefined ? VID(predefined) : core_table_add(&core_comms, c);
	c->gid = c->vid;
}

void fake_init(void)
{
	static int all[] = {0, 1, 2}, reversed[] = {2, 1};
	volatile struct mana_thread *t;

	CHECK(mmap((void *)MANA_CTL_ADDR, MANA_CTL_SIZE, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
	t = core_thread_slot = &mana_ctl->threads[3];
	t->lower_tp = mana_tp();
	core_sent = calloc(WORLD_SIZE, sizeof(*core_sent));
	core_received = calloc(WORLD_SIZE, sizeof(*core_received));
	comm_init(&core_world, WORLD_SIZE, all, MPI_COMM_WORLD);
	comm_init(&core_self, 1, all, MPI_COMM_SELF);
	core_parts.size = WORLD_SIZE;
	core_parts.world = all;
	comm_init(&dup_comm, WORLD_SIZE, all, 0);
	comm_init(&inter_comm, 1, all, 0);
	inter_comm.inter = 1;
	inter_comm.remote_size = 2;
	inter_comm.remote_world = reversed;
	gap_type.vid = core_table_add(&core_types, &gap_type);
	gap_type.refs = 1;
	gap_type.size = core_type_size(GAP);
	for (int i = 0; i < CORE_PREDEFINED; i++)
		core_predefined[i] = (struct core_predefined){
			.e.size = core_type_size(HANDLE(MPI_Datatype, CORE_FIRST_PREDEFINED + i)),
			.valid = CORE_FIRST_PREDEFINED + i != (int)VID(MPI_DATATYPE_NULL)};
	core_over.vid = core_table_add(&core_requests, &core_over);
	core_request_grow();
	for (int i = 0; i < MANA_PREDEFINED; i++)
		lower.direct.value[i] = i;
	core_lower = &lower;
	new_lower();
}
