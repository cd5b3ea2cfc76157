/* core_many.h - arrays of requests: what the files core_many*.c share. */
#ifndef MANA_CORE_MANY_H
#define MANA_CORE_MANY_H

#include "core_p2p.h"

#define INLINE_MAX 128

struct many {
	int n; /* entries below, one for each request that is neither null nor inactive */
	int active, done;
	int soft;    /* active but nothing posted below */
	int files;   /* operations on files */
	int ended;   /* all are over below, and not recorded yet: finish_all does */
	struct core_request **r;
	int *at; /* where it is among the program's */
	MPI_Request *lower;
	struct mana_status *st;
	int *which;
	void *block;
	struct core_request *r_[INLINE_MAX];
	int at_[INLINE_MAX];
	MPI_Request lower_[INLINE_MAX];
	struct mana_status st_[INLINE_MAX];
	int which_[INLINE_MAX];
};

/* Looks up the handles; an invalid one is an error, and then nothing need be freed. */
HIDDEN int core_many_gather(struct many *m, int n, const MPI_Request h[]);
HIDDEN void core_many_free(struct many *m);
/* One test below; what completed is recorded. */
HIDDEN void core_many_test(volatile struct mana_thread *t, struct many *m, int mode);
/* Waits below once, with the gate when interrupted. Returns 0, or the error of a wait that got nowhere. */
HIDDEN int core_many_wait(volatile struct mana_thread *t, struct many *m, int mode, uint32_t *seq);
/* Status and error class of a request that is done. */
HIDDEN int core_many_error(struct core_request *r, MPI_Status *status);

#endif
