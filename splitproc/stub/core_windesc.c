/* core_windesc.c - what a window is told and asked: group, name, hints, error handler, attributes. */
#include <string.h>

#include "core_win.h"

int core_Win_get_group(MPI_Win win, MPI_Group *group)
{
	struct core_win *w = core_win_of(win);
	return w ? core_Comm_group(w->comm, group) : MPI_ERR_WIN;
}

int core_Win_set_name(MPI_Win win, const char *win_name)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	core_copy_name(w->name, win_name, sizeof w->name);
	return MPI_SUCCESS;
}

int core_Win_get_name(MPI_Win win, char *win_name, int *resultlen)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	core_copy_name(win_name, w->name, sizeof w->name);
	*resultlen = (int)strlen(win_name);
	return MPI_SUCCESS;
}

int core_Win_set_info(MPI_Win win, MPI_Info info)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	ENTER_LOCAL();
	core_info_drop(w->info);
	w->info = core_info_copy(core_info_of(info));
	LEAVE_LOCAL(MPI_SUCCESS);
}

int core_Win_get_info(MPI_Win win, MPI_Info *info_used)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	struct core_info *copy = core_info_copy(w->info);
	if (!copy)
		return core_Info_create(info_used);
	*info_used = core_info_handle(copy);
	return MPI_SUCCESS;
}

int core_Win_set_errhandler(MPI_Win win, MPI_Errhandler errhandler)
{
	struct core_win *w = core_win_of(win);
	return w ? core_errh_set(&w->errh, errhandler, ERRH_WIN) : MPI_ERR_WIN;
}

int core_Win_get_errhandler(MPI_Win win, MPI_Errhandler *errhandler)
{
	struct core_win *w = core_win_of(win);
	if (!w)
		return MPI_ERR_WIN;
	core_errh_ref(w->errh);
	*errhandler = VID(w->errh) ? w->errh : MPI_ERRORS_ARE_FATAL;
	return MPI_SUCCESS;
}

int core_Win_get_attr(MPI_Win win, int win_keyval, void *attribute_val, int *flag)
{
	struct core_win *w = core_win_of(win);
	void *v;
	if (!w)
		return MPI_ERR_WIN;
	switch (win_keyval) {
	case MPI_WIN_BASE:
		v = w->base;
		break;
	case MPI_WIN_SIZE:
		v = &w->size;
		break;
	case MPI_WIN_DISP_UNIT:
		v = &w->disp_unit;
		break;
	case MPI_WIN_CREATE_FLAVOR:
		v = &w->flavor;
		break;
	case MPI_WIN_MODEL:
		v = &w->model;
		break;
	default:
		return core_attr_get(KEYVAL_WIN, &w->attrs, win_keyval, attribute_val, flag);
	}
	*(void **)attribute_val = v;
	*flag = 1;
	return MPI_SUCCESS;
}

int core_Win_set_attr(MPI_Win win, int win_keyval, void *attribute_val)
{
	struct core_win *w = core_win_of(win);
	return w ? core_attr_set(KEYVAL_WIN, VID(win), &w->attrs, win_keyval, attribute_val) : MPI_ERR_WIN;
}

int core_Win_delete_attr(MPI_Win win, int win_keyval)
{
	struct core_win *w = core_win_of(win);
	return w ? core_attr_delete(KEYVAL_WIN, VID(win), &w->attrs, win_keyval) : MPI_ERR_WIN;
}
