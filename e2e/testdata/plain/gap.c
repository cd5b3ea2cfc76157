/*
 * gap MIB PERCENT: fills MIB of memory with noise, then keeps dirtying PERCENT of
 * it per second and looks at the clock all the time. Every stop of more than a
 * millisecond is reported as "GAP ms", every 20 ms of life as "tick".
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
	size_t bytes = (size_t)(argc > 1 ? atol(argv[1]) : 64) << 20, at = 0;
	double per_ms = bytes / 4096 * (argc > 2 ? atof(argv[2]) : 1) / 100 / 1000, owed = 0, last, tick;
	uint64_t *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), x = 88172645463325252u;

	if (mem == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < bytes / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		mem[i] = x;
	}
	printf("tick\n");
	fflush(stdout);
	for (last = tick = now();;) {
		double t = now();

		if (t - last > 1) {
			printf("GAP %.3f\n", t - last);
			fflush(stdout);
		}
		if (t - tick > 20) {
			printf("tick\n");
			fflush(stdout);
			tick = t;
		}
		for (owed += per_ms * (t - last < 1 ? t - last : 1); owed >= 1; owed--) {
			mem[at / 8] += x;
			at = (at + 4096 * 7) % bytes;
		}
		last = t;
	}
}
