/* wait.h - waiting in the lower half: tests in a loop that leaves when the agent changes ctl->intr. */
#ifndef MANA_ADAPTER_WAIT_H
#define MANA_ADAPTER_WAIT_H

#include "adapter.h"

/* After so many polls without success the core may be needed by somebody else. */
#define POLLS_BEFORE_YIELD 512

static inline void pause_poll(unsigned *polls)
{
	if (++*polls >= POLLS_BEFORE_YIELD) {
		*polls = 0;
		mana_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	}
}

static inline int interrupted(uint32_t seq)
{
	return __builtin_expect(mana_ctl->intr != seq, 0);
}

/* Tests one request until it is complete; status may be NATIVE_STATUS_IGNORE. */
static inline int finish(native_Request *r, uint32_t seq, native_Status *status)
{
	unsigned polls = 0;
	for (;;) {
		int flag = 0;
		int rc = native.Test(r, &flag, status);
		if (rc || flag)
			return native_err(rc);
		if (interrupted(seq))
			return MANA_INTERRUPTED;
		pause_poll(&polls);
	}
}

#endif
