/* core_attr.c - keyvals and attributes of communicators and datatypes.
 *
 * Attributes never reach the lower half, so their copy and delete functions
 * are called here, in the program's own context.
 */
#include "core_win.h"

static struct core_keyval *keyval_of(int keyval)
{
	return keyval < (int)VID_BASE ? 0 : core_table_get(&core_keyvals, (uint64_t)keyval);
}

static void keyval_unref(struct core_keyval *k)
{
	if (__atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL))
		return;
	core_table_del(&core_keyvals, k->vid);
	core_free(k);
}

static int keyval_create(int kind, void *copy, void *del, int *keyval, void *extra)
{
	ENTER_LOCAL();
	struct core_keyval *k = core_alloc(sizeof *k);
	k->refs = 1;
	k->kind = kind;
	k->copy = copy;
	k->del = del;
	k->extra = extra;
	k->vid = core_table_add(&core_keyvals, k);
	*keyval = (int)k->vid;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_create_keyval(MPI_Comm_copy_attr_function *comm_copy_attr_fn,
                            MPI_Comm_delete_attr_function *comm_delete_attr_fn, int *comm_keyval, void *extra_state)
{
	return keyval_create(KEYVAL_COMM, (void *)comm_copy_attr_fn, (void *)comm_delete_attr_fn, comm_keyval, extra_state);
}

int core_Type_create_keyval(MPI_Type_copy_attr_function *type_copy_attr_fn,
                            MPI_Type_delete_attr_function *type_delete_attr_fn, int *type_keyval, void *extra_state)
{
	return keyval_create(KEYVAL_TYPE, (void *)type_copy_attr_fn, (void *)type_delete_attr_fn, type_keyval, extra_state);
}

int core_Win_create_keyval(MPI_Win_copy_attr_function *win_copy_attr_fn,
                           MPI_Win_delete_attr_function *win_delete_attr_fn, int *win_keyval, void *extra_state)
{
	return keyval_create(KEYVAL_WIN, (void *)win_copy_attr_fn, (void *)win_delete_attr_fn, win_keyval, extra_state);
}

static int keyval_free(int kind, int *keyval)
{
	struct core_keyval *k = keyval_of(*keyval);
	if (!k || k->kind != kind)
		return MPI_ERR_KEYVAL;
	ENTER_LOCAL();
	if (!k->freed) { /* while attributes keep it, it may be freed again, as by its own delete function */
		k->freed = 1;
		keyval_unref(k);
	}
	*keyval = MPI_KEYVAL_INVALID;
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Comm_free_keyval(int *comm_keyval)
{
	return keyval_free(KEYVAL_COMM, comm_keyval);
}

int core_Type_free_keyval(int *type_keyval)
{
	return keyval_free(KEYVAL_TYPE, type_keyval);
}

int core_Win_free_keyval(int *win_keyval)
{
	return keyval_free(KEYVAL_WIN, win_keyval);
}

/* ---- the program's functions: 0 and 1 stand for the predefined ones ---- */

static int call_copy(struct core_keyval *k, uint64_t from, void *in, void **out, int *flag)
{
	*flag = k->copy != MPI_NULL_COPY_FN;
	*out = in;
	if (k->copy == MPI_NULL_COPY_FN || k->copy == MPI_DUP_FN)
		return MPI_SUCCESS;
	*flag = 0;
	if (k->kind == KEYVAL_TYPE)
		return core_front.type_copy_attr(k->copy, HANDLE(MPI_Datatype, from), (int)k->vid, k->extra, in, out, flag);
	return core_front.comm_copy_attr(k->copy, HANDLE(MPI_Comm, from), (int)k->vid, k->extra, in, out, flag);
}

static int call_delete(struct core_keyval *k, uint64_t owner, void *value)
{
	if (k->del == MPI_NULL_DELETE_FN)
		return MPI_SUCCESS;
	if (k->kind == KEYVAL_TYPE)
		return core_front.type_delete_attr(k->del, HANDLE(MPI_Datatype, owner), (int)k->vid, value, k->extra);
	return core_front.comm_delete_attr(k->del, HANDLE(MPI_Comm, owner), (int)k->vid, value, k->extra);
}

/* ---- lists: newest first ---- */

static struct core_attr **find(struct core_attr **list, int keyval)
{
	while (*list && (*list)->keyval != keyval)
		list = &(*list)->next;
	return list;
}

static void push(struct core_attr **list, struct core_keyval *k, void *value)
{
	struct core_attr *a = core_alloc(sizeof *a);
	__atomic_fetch_add(&k->refs, 1, __ATOMIC_RELAXED);
	a->keyval = (int)k->vid;
	a->value = value;
	a->next = *list;
	*list = a;
}

int core_attr_set(int kind, uint64_t owner, struct core_attr **list, int keyval, void *value)
{
	struct core_keyval *k = keyval_of(keyval);
	if (!k || k->kind != kind || k->freed)
		return MPI_ERR_KEYVAL;
	struct core_attr *a = *find(list, keyval);
	if (a) {
		int rc = call_delete(k, owner, a->value);
		if (rc == MPI_SUCCESS) {
			a->value = value;
			a->integer = 0;
		}
		return rc;
	}
	ENTER_LOCAL();
	push(list, k, value);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_attr_get(int kind, struct core_attr **list, int keyval, void *attribute_val, int *flag)
{
	struct core_keyval *k = keyval_of(keyval);
	if (!k || k->kind != kind)
		return MPI_ERR_KEYVAL;
	struct core_attr *a = *find(list, keyval);
	*flag = a != 0;
	if (a)
		*(void **)attribute_val = a->integer ? &a->value : a->value;
	return MPI_SUCCESS;
}

static int integer(struct core_attr **list, int keyval, int set)
{
	struct core_attr *a = list ? *find(list, keyval) : 0;
	if (a && set > 0)
		a->integer = 1;
	return a && a->integer;
}

int core_comm_attr_integer(MPI_Comm h, int keyval, int set)
{
	struct core_comm *c = core_comm_of(h);
	return integer(c ? &c->attrs : 0, keyval, set);
}

int core_type_attr_integer(MPI_Datatype h, int keyval, int set)
{
	return integer(core_type_attrs(h), keyval, set);
}

int core_win_attr_integer(MPI_Win h, int keyval, int set)
{
	struct core_win *w = core_win_of(h);
	return integer(w ? &w->attrs : 0, keyval, set);
}

int core_attr_delete(int kind, uint64_t owner, struct core_attr **list, int keyval)
{
	struct core_keyval *k = keyval_of(keyval);
	if (!k || k->kind != kind)
		return MPI_ERR_KEYVAL;
	struct core_attr *a = *find(list, keyval);
	if (!a)
		return MPI_ERR_KEYVAL;
	int rc = call_delete(k, owner, a->value);
	if (rc != MPI_SUCCESS)
		return rc;
	/* The function may have changed the list. */
	struct core_attr **p = find(list, keyval);
	if (*p != a)
		return MPI_SUCCESS;
	ENTER_LOCAL();
	*p = a->next;
	core_free(a);
	keyval_unref(k);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_attrs_delete(int kind, uint64_t owner, struct core_attr **attrs)
{
	while (*attrs) {
		int rc = core_attr_delete(kind, owner, attrs, (*attrs)->keyval);
		if (rc != MPI_SUCCESS)
			return rc;
	}
	return MPI_SUCCESS;
}

int core_attrs_copy(int kind, uint64_t from, struct core_attr *attrs, struct core_attr **to)
{
	if (!attrs)
		return MPI_SUCCESS;
	volatile struct mana_thread *t = core_self_thread();
	int n = 0, rc = MPI_SUCCESS;
	t->state = MANA_IN;
	for (struct core_attr *a = attrs; a; a = a->next)
		n++;
	/* The program's functions may change the list: work on a copy, oldest first. */
	struct core_attr *copy = core_alloc((size_t)n * sizeof *copy);
	int i = n;
	for (struct core_attr *a = attrs; a; a = a->next)
		copy[--i] = *a;
	for (i = 0; i < n && rc == MPI_SUCCESS; i++) {
		struct core_keyval *k = keyval_of(copy[i].keyval);
		void *out;
		int flag;
		if (!k || k->kind != kind)
			continue;
		t->state = MANA_OUT; /* it may call MPI, and stop at a gate */
		rc = call_copy(k, from, copy[i].value, &out, &flag);
		t->state = MANA_IN;
		if (rc == MPI_SUCCESS && flag) {
			push(to, k, out);
			(*to)->integer = copy[i].integer;
		}
	}
	core_free(copy);
	t->state = MANA_OUT;
	return rc;
}

/* ---- communicators ---- */

/* Attributes that the standard defines: pointers to integers here. */
static int predefined(int keyval, void *attribute_val, int *flag)
{
	static int tag_ub, host = MPI_PROC_NULL, io = MPI_ANY_SOURCE, global, universe, appnum, last;
	int *p;
	switch (keyval) {
	case MPI_TAG_UB:
		if (core_lower)
			tag_ub = core_lower->tag_ub;
		p = &tag_ub;
		break;
	case MPI_HOST:
		p = &host;
		break;
	case MPI_IO:
		p = &io;
		break;
	case MPI_WTIME_IS_GLOBAL:
		p = &global;
		break;
	case MPI_UNIVERSE_SIZE:
		universe = core_world.size;
		p = &universe;
		break;
	case MPI_APPNUM:
		p = &appnum;
		break;
	case MPI_LASTUSEDCODE:
		last = core_last_used_code();
		p = &last;
		break;
	default:
		return 0;
	}
	*(void **)attribute_val = p;
	*flag = 1;
	return 1;
}

int core_Comm_get_attr(MPI_Comm comm, int comm_keyval, void *attribute_val, int *flag)
{
	struct core_comm *c = core_comm_of(comm);
	if (!c)
		return MPI_ERR_COMM;
	if (predefined(comm_keyval, attribute_val, flag))
		return MPI_SUCCESS;
	return core_attr_get(KEYVAL_COMM, &c->attrs, comm_keyval, attribute_val, flag);
}

int core_Comm_set_attr(MPI_Comm comm, int comm_keyval, void *attribute_val)
{
	struct core_comm *c = core_comm_of(comm);
	return c ? core_attr_set(KEYVAL_COMM, VID(comm), &c->attrs, comm_keyval, attribute_val) : MPI_ERR_COMM;
}

int core_Comm_delete_attr(MPI_Comm comm, int comm_keyval)
{
	struct core_comm *c = core_comm_of(comm);
	return c ? core_attr_delete(KEYVAL_COMM, VID(comm), &c->attrs, comm_keyval) : MPI_ERR_COMM;
}

/* ---- datatypes (predefined ones may have attributes too) ---- */

struct core_attr **core_type_attrs(MPI_Datatype h)
{
	static struct core_attr *of_predefined[VID_BASE];
	struct core_type *t = core_type_of(h);
	if (t)
		return &t->attrs;
	return core_type_valid(h) ? &of_predefined[VID(h)] : 0;
}

int core_Type_get_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val, int *flag)
{
	struct core_attr **list = core_type_attrs(datatype);
	return list ? core_attr_get(KEYVAL_TYPE, list, type_keyval, attribute_val, flag) : MPI_ERR_TYPE;
}

int core_Type_set_attr(MPI_Datatype datatype, int type_keyval, void *attribute_val)
{
	struct core_attr **list = core_type_attrs(datatype);
	return list ? core_attr_set(KEYVAL_TYPE, VID(datatype), list, type_keyval, attribute_val) : MPI_ERR_TYPE;
}

int core_Type_delete_attr(MPI_Datatype datatype, int type_keyval)
{
	struct core_attr **list = core_type_attrs(datatype);
	return list ? core_attr_delete(KEYVAL_TYPE, VID(datatype), list, type_keyval) : MPI_ERR_TYPE;
}
