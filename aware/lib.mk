# The library that programs get which ask for DMTCP's functions: included by the Makefile at the root.
AWARE := aware/payload/libmana-aware.so

$(AWARE): aware/lib/lib.c aware/lib/board.h splitproc/stub/sys.h splitproc/stub/environ.h
	$(CC) $(filter-out -MMD -MP,$(PAYLOAD_CFLAGS)) -shared -nostdlib -Wl,-soname,libmana-aware.so -Wl,-z,now -Wl,-z,noexecstack -o $@ $<
	strip -S $@
