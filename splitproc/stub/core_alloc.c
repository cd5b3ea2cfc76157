/* core_alloc.c - memory and last words of the core.
 *
 * The drain and a restart run on a stopped thread that may hold any lock of
 * libc's malloc, so the core has an allocator of its own: power-of-two classes
 * with free lists, cut from large mappings; big blocks are mappings.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core.h"
#include "sys.h"

#define MIN_SHIFT 5
#define MAX_SHIFT 16 /* blocks above 64 KiB are mappings of their own */
#define CHUNK (1UL << 20)

struct block {
	uint64_t size; /* of the whole block: a power of two, or a mapping's length */
	struct block *next;
};
#define HEADER sizeof(struct block)

static struct {
	volatile uint32_t lock;
	struct block *free;
} classes[MAX_SHIFT + 1];

static struct {
	volatile uint32_t lock;
	char *at, *end;
} chunk;

static void *map(size_t n)
{
	long p = mana_sys(SYS_mmap, 0, (long)n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p < 0)
		core_die("cannot map %lu bytes for MPI objects (error %ld)", (unsigned long)n, -p);
	return (void *)p;
}

static struct block *cut(size_t size)
{
	mana_lock(&chunk.lock);
	if ((size_t)(chunk.end - chunk.at) < size) {
		chunk.at = map(CHUNK);
		chunk.end = chunk.at + CHUNK;
	}
	struct block *b = (struct block *)chunk.at;
	chunk.at += size;
	mana_unlock(&chunk.lock);
	return b;
}

/* The front ends allocate outside any call of the core. A thread may not be
 * stopped for a drain while it holds a lock that the drain needs, so here, too,
 * it is inside MPI as the agent sees it. */
static uint32_t inside(volatile struct mana_thread *t)
{
	uint32_t state = t->state;
	if (state == MANA_OUT)
		t->state = MANA_IN;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return state;
}

static void outside(volatile struct mana_thread *t, uint32_t state)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->state = state;
}

static void *alloc(size_t n)
{
	size_t need = n + HEADER;
	struct block *b;
	if (need < n || need > (1UL << MAX_SHIFT)) {
		size_t len = (need + 4095) & ~4095UL;
		if (need < n || len < need)
			core_die("cannot allocate %lu bytes", (unsigned long)n);
		b = map(len);
		b->size = len;
		return b + 1;
	}
	int shift = need <= 1UL << MIN_SHIFT ? MIN_SHIFT : 64 - __builtin_clzl(need - 1);
	mana_lock(&classes[shift].lock);
	b = classes[shift].free;
	if (b)
		classes[shift].free = b->next;
	mana_unlock(&classes[shift].lock);
	if (b)
		memset(b + 1, 0, (1UL << shift) - HEADER);
	else
		b = cut(1UL << shift);
	b->size = 1UL << shift;
	b->next = 0;
	return b + 1;
}

HIDDEN void *core_alloc(size_t n)
{
	volatile struct mana_thread *t = core_self_thread();
	uint32_t state = inside(t);
	void *p = alloc(n);
	outside(t, state);
	return p;
}

static void release(void *p)
{
	struct block *b = (struct block *)p - 1;
	if (b->size > 1UL << MAX_SHIFT) {
		mana_sys(SYS_munmap, (long)b, (long)b->size, 0, 0, 0, 0);
		return;
	}
	int shift = 63 - __builtin_clzl(b->size);
	mana_lock(&classes[shift].lock);
	b->next = classes[shift].free;
	classes[shift].free = b;
	mana_unlock(&classes[shift].lock);
}

HIDDEN void core_free(void *p)
{
	if (!p)
		return;
	volatile struct mana_thread *t = core_self_thread();
	uint32_t state = inside(t);
	release(p);
	outside(t, state);
}

HIDDEN void *core_realloc(void *p, size_t n)
{
	if (!p)
		return core_alloc(n);
	size_t have = ((struct block *)p - 1)->size - HEADER;
	if (n <= have)
		return p;
	void *q = core_alloc(n > 2 * have ? n : 2 * have);
	memcpy(q, p, have);
	core_free(p);
	return q;
}

/* ---- one line on stderr ---- */

struct line {
	char text[512];
	size_t len;
};

static void put_string(struct line *l, const char *s)
{
	while (*s && l->len < sizeof l->text - 1)
		l->text[l->len++] = *s++;
}

static void put_number(struct line *l, uint64_t v, unsigned base)
{
	char digits[24], *d = digits + sizeof digits;
	*--d = 0;
	do
		*--d = "0123456789abcdef"[v % base];
	while (v /= base);
	put_string(l, d);
}

/* The conversions that the core's messages use: %s %c %d %u %ld %lu %zu %lx %x %p %%. */
static void put_format(struct line *l, const char *f, va_list ap)
{
	for (; *f; f++) {
		char one[2] = { *f, 0 };
		if (*f != '%') {
			put_string(l, one);
			continue;
		}
		int wide = 0;
		while (*++f == 'l' || *f == 'z')
			wide = 1;
		int64_t v;
		switch (*f) {
		case 0:
			return;
		case 's':
			put_string(l, va_arg(ap, const char *));
			break;
		case 'c':
			one[0] = (char)va_arg(ap, int);
			put_string(l, one);
			break;
		case 'd':
		case 'i':
			v = wide ? va_arg(ap, int64_t) : va_arg(ap, int);
			if (v < 0)
				put_string(l, "-");
			put_number(l, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
			break;
		case 'u':
			put_number(l, wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 10);
			break;
		case 'x':
			put_number(l, wide ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 16);
			break;
		case 'p':
			put_string(l, "0x");
			put_number(l, va_arg(ap, uint64_t), 16);
			break;
		default:
			put_string(l, one);
		}
	}
}

static void tell(const char *fmt, va_list ap)
{
	struct line l = { .len = 0 };
	put_string(&l, "mana: ");
	if (mana_ctl->inited >= MANA_INITED) {
		put_string(&l, "rank ");
		put_number(&l, (uint64_t)mana_ctl->rank, 10);
		put_string(&l, ": ");
	}
	put_format(&l, fmt, ap);
	l.text[l.len++] = '\n';
	mana_sys(SYS_write, 2, (long)l.text, (long)l.len, 0, 0, 0);
}

HIDDEN void core_warn(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	tell(fmt, ap);
	va_end(ap);
}

HIDDEN void core_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	tell(fmt, ap);
	va_end(ap);
	/* The launcher ends the other ranks when one leaves without MPI_Finalize. */
	mana_sys(SYS_exit_group, 1, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}
