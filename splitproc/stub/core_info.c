/* core_info.c - info objects: ordered key/value lists, wholly in the upper half. */
#include <string.h>

#include "core_objects.h"

static struct core_info env_info;

struct core_info *core_info_of(MPI_Info h)
{
	if (h == MPI_INFO_ENV)
		return &env_info;
	return VID(h) < VID_BASE ? 0 : core_table_get(&core_infos, VID(h));
}

static struct core_info *info_new(void)
{
	struct core_info *i = core_alloc(sizeof *i);
	i->last = &i->first;
	return i;
}

static struct core_info_entry *info_find(struct core_info *i, const char *key)
{
	struct core_info_entry *e = i->first;
	while (e && strcmp(e->key, key))
		e = e->next;
	return e;
}

void core_info_set(struct core_info *i, const char *key, const char *value)
{
	struct core_info_entry *e = info_find(i, key);
	if (e) {
		core_free(e->value);
	} else {
		e = core_alloc(sizeof *e);
		e->key = core_dup(key, strlen(key) + 1);
		if (!i->last)
			i->last = &i->first;
		*i->last = e;
		i->last = &e->next;
		i->n++;
	}
	e->value = core_dup(value, strlen(value) + 1);
}

struct core_info *core_info_copy(const struct core_info *i)
{
	if (!i)
		return 0;
	struct core_info *c = info_new();
	for (struct core_info_entry *e = i->first; e; e = e->next)
		core_info_set(c, e->key, e->value);
	return c;
}

void core_info_drop(struct core_info *i)
{
	if (!i)
		return;
	for (struct core_info_entry *e = i->first, *next; e; e = next) {
		next = e->next;
		core_free(e->key);
		core_free(e->value);
		core_free(e);
	}
	core_free(i);
}

void core_info_keep(struct core_info *i, const char *prefix)
{
	struct core_info_entry **p = &i->first;
	while (*p) {
		struct core_info_entry *e = *p;
		if (!strncmp(e->key, prefix, strlen(prefix))) {
			p = &e->next;
			continue;
		}
		*p = e->next;
		core_free(e->key);
		core_free(e->value);
		core_free(e);
		i->n--;
	}
	i->last = p;
}

int core_info_lower(volatile struct mana_thread *t, const struct core_info *i, MPI_Info *lower)
{
	MPI_Info made = *lower = MPI_INFO_NULL;
	if (!i)
		return MPI_SUCCESS;
	int rc = LOWER(t, core_lower->f.Info_create(&made));
	if (rc != MPI_SUCCESS)
		return rc;
	*lower = made;
	for (struct core_info_entry *e = i->first; e && rc == MPI_SUCCESS; e = e->next)
		rc = LOWER(t, core_lower->f.Info_set(made, e->key, e->value));
	return rc;
}

void core_info_lower_done(volatile struct mana_thread *t, MPI_Info *lower, struct core_info *i, const char *key)
{
	char value[MPI_MAX_INFO_VAL];
	MPI_Info made = *lower;
	int flag = 0;
	if (made == MPI_INFO_NULL)
		return;
	if (key && LOWER(t, core_lower->f.Info_get(made, key, sizeof value - 1, value, &flag)) == MPI_SUCCESS && flag)
		core_info_set(i, key, value);
	LOWER(t, core_lower->f.Info_free(&made));
}

MPI_Info core_info_handle(struct core_info *i)
{
	i->vid = core_table_add(&core_infos, i);
	return HANDLE(MPI_Info, i->vid);
}

int core_Info_create(MPI_Info *info)
{
	ENTER_LOCAL();
	*info = core_info_handle(info_new());
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Info_dup(MPI_Info info, MPI_Info *newinfo)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	ENTER_LOCAL();
	*newinfo = core_info_handle(core_info_copy(i));
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Info_free(MPI_Info *info)
{
	struct core_info *i = core_info_of(*info);
	if (!i || i == &env_info)
		return MPI_ERR_INFO;
	ENTER_LOCAL();
	core_table_del(&core_infos, i->vid);
	core_info_drop(i);
	*info = MPI_INFO_NULL;
	LEAVE_LOCAL(MPI_SUCCESS);
}

/* 0, or why this is no key. */
static int key_error(const char *key)
{
	return !key || !*key || strlen(key) >= MPI_MAX_INFO_KEY ? MPI_ERR_INFO_KEY : 0;
}

int core_Info_set(MPI_Info info, const char *key, const char *value)
{
	struct core_info *i = core_info_of(info);
	if (!i || i == &env_info)
		return MPI_ERR_INFO;
	if (key_error(key))
		return MPI_ERR_INFO_KEY;
	if (!value || strlen(value) >= MPI_MAX_INFO_VAL)
		return MPI_ERR_INFO_VALUE;
	ENTER_LOCAL();
	core_info_set(i, key, value);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Info_delete(MPI_Info info, const char *key)
{
	struct core_info *i = core_info_of(info);
	if (!i || i == &env_info)
		return MPI_ERR_INFO;
	if (key_error(key))
		return MPI_ERR_INFO_KEY;
	struct core_info_entry **p = &i->first, *e;
	while ((e = *p) && strcmp(e->key, key))
		p = &e->next;
	if (!e)
		return MPI_ERR_INFO_NOKEY;
	ENTER_LOCAL();
	*p = e->next;
	if (i->last == &e->next)
		i->last = p;
	i->n--;
	core_free(e->key);
	core_free(e->value);
	core_free(e);
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Info_get(MPI_Info info, const char *key, int valuelen, char *value, int *flag)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	if (key_error(key))
		return MPI_ERR_INFO_KEY;
	if (valuelen < 0)
		return MPI_ERR_ARG;
	struct core_info_entry *e = info_find(i, key);
	*flag = e != 0;
	if (e)
		core_copy_name(value, e->value, (size_t)valuelen + 1);
	return MPI_SUCCESS;
}

int core_Info_get_string(MPI_Info info, const char *key, int *buflen, char *value, int *flag)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	if (key_error(key))
		return MPI_ERR_INFO_KEY;
	struct core_info_entry *e = info_find(i, key);
	*flag = e != 0;
	if (!e)
		return MPI_SUCCESS;
	if (*buflen > 0)
		core_copy_name(value, e->value, (size_t)*buflen);
	*buflen = (int)strlen(e->value) + 1;
	return MPI_SUCCESS;
}

int core_Info_get_valuelen(MPI_Info info, const char *key, int *valuelen, int *flag)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	if (key_error(key))
		return MPI_ERR_INFO_KEY;
	struct core_info_entry *e = info_find(i, key);
	*flag = e != 0;
	if (e)
		*valuelen = (int)strlen(e->value);
	return MPI_SUCCESS;
}

int core_Info_get_nkeys(MPI_Info info, int *nkeys)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	*nkeys = i->n;
	return MPI_SUCCESS;
}

int core_Info_get_nthkey(MPI_Info info, int n, char *key)
{
	struct core_info *i = core_info_of(info);
	if (!i)
		return MPI_ERR_INFO;
	if (n < 0 || n >= i->n)
		return MPI_ERR_ARG;
	struct core_info_entry *e = i->first;
	while (n--)
		e = e->next;
	core_copy_name(key, e->key, MPI_MAX_INFO_KEY);
	return MPI_SUCCESS;
}

int core_Info_create_env(int argc, char *argv[], MPI_Info *info)
{
	ENTER_LOCAL();
	struct core_info *i = info_new();
	if (argc > 0 && argv && argv[0] && strlen(argv[0]) < MPI_MAX_INFO_VAL)
		core_info_set(i, "command", argv[0]);
	*info = core_info_handle(i);
	LEAVE_LOCAL(MPI_SUCCESS);
}
