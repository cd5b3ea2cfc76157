/* core_objects.h - what the files of the core share about communicators,
 * groups, datatypes, operations, attributes, error handlers and info.
 */
#ifndef MANA_CORE_OBJECTS_H
#define MANA_CORE_OBJECTS_H

#include "core.h"

#define HANDLE(type, vid) ((type)(uintptr_t)(vid))

/* For functions that change tables of the core but neither cross nor need a
 * lower half: the agent lets a thread in state IN run on, so that a restart
 * never finds a table's lock held. */
#define ENTER_LOCAL()                                              \
	volatile struct mana_thread *self_ = core_self_thread();   \
	uint32_t state_ = self_->state;                            \
	self_->state = MANA_IN
/* Such a function may be called by a callback that runs inside another call. */
#define LEAVE_LOCAL(rc)                   \
	do {                              \
		int rc_ = (rc);           \
		self_->state = state_;    \
		return rc_;               \
	} while (0)

/* A collective that is not over one living communicator. */
#define ENTER_CLOCK(k)                                                    \
	volatile struct mana_thread *self_ = core_self_thread();          \
	self_->state = MANA_COLL;                                         \
	__atomic_fetch_add(&(k)->clock, 1, __ATOMIC_SEQ_CST);             \
	if (unlikely(mana_ctl->pending | (self_->lower_tp == 0)))         \
		core_coll_gate(self_, (k))

static inline void core_lock(uint32_t *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(l, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}
static inline void core_unlock(uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* A call that needs MPI, before MPI_Init or after MPI_Finalize: one line, end. */
HIDDEN void core_need_mpi(const char *function);

HIDDEN void *core_dup(const void *p, size_t n); /* core_alloc'd copy, NULL of n == 0 */
HIDDEN void core_copy_name(char *dst, const char *src, size_t max);

/* ---- start and restart ---- */
HIDDEN int core_attach_lower(volatile struct mana_thread *t, int *rank, int *size);
HIDDEN void core_attach_private(MPI_Comm lower);
HIDDEN void core_time_restart(void);
HIDDEN void core_init_library(int required);
HIDDEN int core_finalize_library(void);
HIDDEN extern int core_sessions_made; /* then the library stays until the process ends */
struct core_file;
HIDDEN int core_files_note(void); /* at a drain, after the messages */
HIDDEN int core_file_rebuild(volatile struct mana_thread *t, struct core_file *f);

/* ---- groups ---- */
HIDDEN struct core_group *core_group_of(MPI_Group h); /* NULL: null or invalid */
HIDDEN MPI_Group core_group_new(int n, const int *world_ranks);
/* Where the group's members are in a list of n world ranks; MPI_ERR_GROUP if one is not. */
HIDDEN int core_group_positions(const struct core_group *g, int n, const int *world, int *at);
HIDDEN int core_group_similar(int n, const int *a, const int *b); /* MPI_IDENT, MPI_SIMILAR or MPI_UNEQUAL */

/* ---- info ---- */
struct core_info_entry {
	struct core_info_entry *next;
	char *key, *value;
};
struct core_info {
	uint32_t vid;
	int n;
	struct core_info_entry *first, **last;
};
HIDDEN struct core_info *core_info_of(MPI_Info h);
HIDDEN void core_info_set(struct core_info *i, const char *key, const char *value);
HIDDEN struct core_info *core_info_copy(const struct core_info *i); /* NULL of NULL; not in the table */
HIDDEN void core_info_drop(struct core_info *i);
HIDDEN MPI_Info core_info_handle(struct core_info *i);              /* puts it into the table */
HIDDEN void core_info_keep(struct core_info *i, const char *prefix); /* drops all other keys */
/* A copy in the lower half, for a call that reads hints there; and its end,
 * after the value of key (NULL: none) that the call may have set is taken over. */
HIDDEN int core_info_lower(volatile struct mana_thread *t, const struct core_info *i, MPI_Info *lower);
HIDDEN void core_info_lower_done(volatile struct mana_thread *t, MPI_Info *lower, struct core_info *i, const char *key);

/* ---- error handlers ---- */
struct core_errh {
	uint32_t vid;
	int refs, kind;
	void *fn;
};
HIDDEN void core_errh_ref(MPI_Errhandler h), core_errh_unref(MPI_Errhandler h);
/* What a failed call on an object does; h 0: none was ever set. */
HIDDEN int core_raise(int kind, uint64_t object, MPI_Errhandler h, int errclass, const char *function);
HIDDEN int core_errh_fits(MPI_Errhandler h, int kind); /* predefined, or made for such objects */
/* Puts h in the place of *slot; an error class when it is of another kind. */
HIDDEN int core_errh_set(MPI_Errhandler *slot, MPI_Errhandler h, int kind);
HIDDEN const char *core_error_text(int code);
HIDDEN int core_last_used_code(void);

/* ---- attributes ---- */
enum core_keyval_kind { KEYVAL_COMM, KEYVAL_TYPE, KEYVAL_WIN };
struct core_keyval {
	uint32_t vid;
	int refs, kind, freed; /* refs: the keyval itself + attributes */
	void *copy, *del, *extra;
};
/* Copies the attributes of an object on dup, in the order they were set; the
 * program's functions run in state OUT. Returns the first failure. */
HIDDEN int core_attrs_copy(int kind, uint64_t from, struct core_attr *attrs, struct core_attr **to);
/* Deletes all, last set first. On failure the rest stays. */
HIDDEN int core_attrs_delete(int kind, uint64_t owner, struct core_attr **attrs);

HIDDEN struct core_attr **core_type_attrs(MPI_Datatype h); /* NULL: invalid; predefined ones may have attributes too */
HIDDEN int core_attr_set(int kind, uint64_t owner, struct core_attr **list, int keyval, void *value);
HIDDEN int core_attr_get(int kind, struct core_attr **list, int keyval, void *attribute_val, int *flag);
HIDDEN int core_attr_delete(int kind, uint64_t owner, struct core_attr **list, int keyval);

/* ---- communicators ---- */
/* A new object over a lower communicator; takes the rank lists over. */
HIDDEN struct core_comm *core_comm_new(MPI_Comm lower, int n, int *world, uint64_t gid);
HIDDEN int core_comm_set_lists(struct core_comm *c, int n, int *world);
HIDDEN uint64_t core_comm_child_gid(struct core_comm *parent);
HIDDEN uint64_t core_gid_first(uint64_t gid, int first);
/* Members of a lower communicator as a fresh list of world ranks. */
HIDDEN int core_comm_members(volatile struct mana_thread *t, MPI_Comm lower, int remote, int *n, int **ranks);
/* What every creating call ends with: the object of `lower`, a child of
 * parent (already entered), with its error handler inherited. */
HIDDEN int core_comm_child(volatile struct mana_thread *t, struct core_comm *parent, MPI_Comm lower,
                           uint64_t seed, struct core_comm **out);
#define COMM_HANDLE(c) HANDLE(MPI_Comm, (c)->vid)
/* A duplicate with the same topology and no attributes; collective. */
HIDDEN int core_comm_twin(struct core_comm *p, const struct core_info *hints, struct core_comm **out);
/* What MPI_Comm_free does when the attributes are gone. */
HIDDEN int core_comm_end(struct core_comm *c);
/* Before p is freed: its lanes (core_lane.c) are. */
HIDDEN int core_lanes_free(struct core_comm *p);
HIDDEN struct core_topo *core_topo_copy(const struct core_topo *t);
HIDDEN void core_topo_drop(struct core_topo *t);
/* Puts the topology on a plain lower communicator: *lower is replaced. */
HIDDEN int core_topo_build(volatile struct mana_thread *t, const struct core_topo *topo, MPI_Comm *lower);

/* ---- datatypes ---- */
struct core_extent {
	MPI_Count size, lb, extent, true_lb, true_extent;
};
#define CORE_FIRST_PREDEFINED 0x200
#define CORE_PREDEFINED 0x200
struct core_predefined {
	struct core_extent e;
	int valid;
	char *name; /* set by the program */
};
HIDDEN extern struct core_predefined core_predefined[CORE_PREDEFINED];
static inline struct core_predefined *core_predefined_of(MPI_Datatype h)
{
	uint64_t i = VID(h) - CORE_FIRST_PREDEFINED;
	return likely(i < CORE_PREDEFINED) && core_predefined[i].valid ? &core_predefined[i] : 0;
}
static inline struct core_type *core_type_of(MPI_Datatype h)
{
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_types, VID(h));
}
HIDDEN int core_type_valid(MPI_Datatype h);
HIDDEN void core_type_init(volatile struct mana_thread *t); /* sizes of the predefined ones */
HIDDEN void core_type_forget(void);                         /* the lower half is gone */
HIDDEN MPI_Datatype core_type_virtual(MPI_Datatype lower);  /* lower handle -> the program's */
HIDDEN int core_type_extent(MPI_Datatype h, struct core_extent *e);
/* The native type of a record that may be not yet (or no longer) in the table (core_type_build.c). */
HIDDEN int core_type_make_lower(volatile struct mana_thread *t, const struct core_type *c, MPI_Datatype *lower);
/* Makes a record into an object: native type, sizes, references, handle; frees it on failure. */
HIDDEN int core_type_finish(struct core_type *c, MPI_Datatype *newtype);

/* ---- operations ---- */
HIDDEN void core_op_ref(MPI_Op h), core_op_unref(MPI_Op h); /* no-ops on predefined ones */
HIDDEN void core_op_forget(void);                           /* the lower half is gone */
HIDDEN void core_op_call(int slot, void *in, void *inout, int64_t n, MPI_Datatype lower_type);

/* ---- tables ---- */
#define FOR_TABLE(table, var)                                                             \
	for (uint32_t i_ = 0; i_ < (table)->used; i_++)                                   \
		if (((var) = core_table_get((table), VID_BASE + i_)) != 0)

#endif
