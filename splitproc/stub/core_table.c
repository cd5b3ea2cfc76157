/* core_table.c - tables from virtual handles to objects; entries never move. */
#include "core.h"

struct core_table core_comms, core_types, core_ops, core_groups, core_infos, core_errhs, core_keyvals,
	core_requests, core_messages;

#define CHUNK_ENTRIES 1024u
#define MAX_ENTRIES (1024u * CHUNK_ENTRIES)

static void **slot(struct core_table *t, uint32_t i)
{
	return &t->chunk[i / CHUNK_ENTRIES][i % CHUNK_ENTRIES];
}

/* Free entries form a list through next_free, in which 0 ends it and i+1 names entry i. */
HIDDEN uint32_t core_table_add(struct core_table *t, void *obj)
{
	mana_lock(&t->lock);
	uint32_t i;
	if (t->free_head) {
		i = t->free_head - 1;
		t->free_head = t->next_free[i];
	} else {
		i = t->used;
		if (i >= MAX_ENTRIES)
			core_die("more than %u live MPI objects of one kind", MAX_ENTRIES);
		if (!t->chunk[i / CHUNK_ENTRIES])
			t->chunk[i / CHUNK_ENTRIES] = core_alloc(CHUNK_ENTRIES * sizeof(void *));
		if (i % CHUNK_ENTRIES == 0)
			t->next_free = core_realloc(t->next_free, (i + CHUNK_ENTRIES) * sizeof *t->next_free);
		t->used = i + 1;
	}
	__atomic_store_n(slot(t, i), obj, __ATOMIC_RELEASE);
	mana_unlock(&t->lock);
	return VID_BASE + i;
}

HIDDEN void core_table_del(struct core_table *t, uint32_t vid)
{
	uint32_t i = vid - VID_BASE;
	mana_lock(&t->lock);
	if (i < t->used && *slot(t, i)) {
		*slot(t, i) = 0;
		t->next_free[i] = t->free_head;
		t->free_head = i + 1;
	}
	mana_unlock(&t->lock);
}
